"""The executor child's side of the two pipes to its worker: one JSON object a line."""

from __future__ import annotations

import json
import math
import os
import queue
import signal
import sys
import threading
import traceback
from typing import Any, TextIO

Message = dict[str, Any]


class Channel:
    """The two pipes to the worker."""

    def __init__(self) -> None:
        self._out: TextIO = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._inbox: queue.SimpleQueue[Message] = queue.SimpleQueue()
        threading.Thread(target=self._read, daemon=True).start()

    def send(self, event: str, **fields: Any) -> None:
        """Send an event to the worker."""
        try:
            self._out.write(json.dumps({"event": event, **fields}, allow_nan=False) + "\n")
            self._out.flush()
        except BrokenPipeError:
            _end()

    def receive(self) -> Message:
        """Wait for the worker's next message."""
        return self._inbox.get()

    def _read(self) -> None:
        for line in sys.stdin:
            self._inbox.put(json.loads(line))
        _end()


def _end() -> None:
    """End this process now, and what a user's function has started in its group."""
    if os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def describe_error(error: Exception) -> Message:
    """Return what the worker records of an exception."""
    return {
        "kind": type(error).__name__,
        "message": str(error),
        "traceback": "".join(traceback.format_exception(error)),
    }


def finite(value: Any) -> Any:
    """Replace what JSON cannot say, infinity and not-a-number, by None."""
    if isinstance(value, dict):
        return {key: finite(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [finite(inner) for inner in value]
    return value if math.isfinite(value) else None
