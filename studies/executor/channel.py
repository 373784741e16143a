"""The executor child's side of the two pipes to its worker."""

from __future__ import annotations

import os
import queue
import signal
import sys
import threading
from typing import TextIO

from studies.executor.codec import decode_request, encode
from studies.executor.protocol import AnyAnswer, AnyRequest


class Channel:
    """The two pipes to the worker.

    Answers go to what was standard output when the process started. Later prints, of libraries and
    of users' functions, go to standard error instead.
    """

    def __init__(self) -> None:
        self._out: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._inbox: queue.SimpleQueue[AnyRequest] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, answer: AnyAnswer) -> None:
        """Answer the worker."""
        try:
            self._out.write(encode(answer) + "\n")
            self._out.flush()
        except BrokenPipeError:
            _end()

    def receive(self) -> AnyRequest:
        """Wait for the worker's next request."""
        return self._inbox.get()

    def _read(self) -> None:
        for line in sys.stdin:
            self._inbox.put(decode_request(line))
        _end()


def _end() -> None:
    """End this process now, and all that a user's function has started in its group."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)
