"""SIGTERM and SIGINT as requests to stop, for the worker and for what launches workers."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_signals(on_signal: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Call `on_signal` at each SIGTERM and SIGINT, instead of ending the process.

    Raises:
        ValueError: This is not the main thread, which alone may handle signals.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        on_signal(signal.Signals(number))

    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, handle) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            signal.signal(number, handler)
