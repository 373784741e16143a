"""SIGTERM and SIGINT as requests to stop, for the worker and for what launches workers."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_signals(on_signal: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Call `on_signal` at each SIGTERM and SIGINT, instead of ending the process.

    A process that was told to stop is on its way out when this ends. From then on it ignores
    SIGTERM: one more would make an orderly end look like a crash.

    Raises:
        ValueError: This is not the main thread, which alone may handle signals.
    """
    told: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        told.append(number)
        on_signal(signal.Signals(number))

    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, handle) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            is_late = told and number == signal.SIGTERM
            signal.signal(number, signal.SIG_IGN if is_late else handler)
