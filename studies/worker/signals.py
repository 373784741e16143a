"""SIGTERM and SIGINT as requests to stop, for the worker and for what launches workers."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from studies.worker.log import WorkerLog

LAUNCHER_VARIABLE = "HPO_LAUNCHER"  # process id of the parent, with which the worker ends


class StopRequests:
    """How often a worker was told to stop; the end of its launcher counts as once.

    Args:
        log: The worker's log.
    """

    def __init__(self, log: WorkerLog) -> None:
        self._log = log
        self._signals = 0
        launcher = os.environ.get(LAUNCHER_VARIABLE)
        self._launcher = int(launcher) if launcher else None
        self._cause: Exception | None = None

    def add(self, number: signal.Signals) -> None:
        """Count a signal."""
        self._signals += 1
        if self._signals == 1:
            self._log.warning("%s: stopping after this epoch; a function at once", number.name)

    def abort(self, cause: Exception) -> None:
        """Stop at once, since it makes no sense to go on."""
        self._cause = cause
        self._signals = 2

    def raise_cause(self) -> None:
        """Raise why it makes no sense to go on, where that is so."""
        if self._cause is not None:
            raise self._cause

    def stopping(self) -> bool:
        """Tell whether to stop after the running epoch."""
        orphaned = self._launcher is not None and os.getppid() != self._launcher
        return self._signals > 0 or orphaned

    def aborting(self) -> bool:
        """Tell whether to stop at once."""
        return self._signals > 1


@contextmanager
def stop_signals(on_signal: Callable[[signal.Signals], None]) -> Iterator[None]:
    """Call `on_signal` at each SIGTERM and SIGINT, instead of ending the process.

    A process that was told to stop is about to end when this context ends. From then on it ignores
    SIGTERM: one more would make an orderly end count as a crash.

    In another thread than the main one, as in notebooks and web servers, signals stay with the
    program: Python lets the main thread alone handle them.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    received: list[int] = []

    def handle(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        on_signal(signal.Signals(number))

    numbers = (signal.SIGTERM, signal.SIGINT)
    before = [signal.signal(number, handle) for number in numbers]
    try:
        yield
    finally:
        for number, handler in zip(numbers, before, strict=True):
            is_late = received and number == signal.SIGTERM
            signal.signal(number, signal.SIG_IGN if is_late else handler)
