"""The executor child's side of the two pipes to its worker."""

from __future__ import annotations

import os
import queue
import signal
import threading
from typing import TextIO

from studies.executor.codec import decode_request, encode_answer
from studies.executor.protocol import (
    AnyAnswer,
    AnyRequest,
)


class Channel:
    """The two pipes to the worker.

    Requests come from what was standard input when the process started, and answers go to what was
    standard output. What a user's function reads is empty, and what it prints goes to standard
    error. The reading thread holds the lock of its file for ever, and a fork inherits the lock: it
    must not be that of `sys.stdin`, which Python closes in each fork that it starts.
    """

    def __init__(self) -> None:
        self._requests: TextIO = os.fdopen(os.dup(0), encoding="utf-8")
        with open(os.devnull, "rb") as nothing:
            os.dup2(nothing.fileno(), 0)
        self._out: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._number = 0  # of the request received last
        self._inbox: queue.SimpleQueue[tuple[AnyRequest, int]] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, answer: AnyAnswer) -> None:
        """Answer the request received last."""
        try:
            self._out.write(encode_answer(answer, self._number, os.getpid()) + "\n")
            self._out.flush()
        except BrokenPipeError:
            _end()

    def receive(self) -> AnyRequest:
        """Wait for the worker's next request."""
        request, self._number = self._inbox.get()
        return request

    def _read(self) -> None:
        for line in self._requests:
            self._inbox.put(decode_request(line))
        _end()


def _end() -> None:
    """End this process now, and all that a user's function has started in its group."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)
