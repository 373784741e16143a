"""How long this process has traced and compiled programs, as part of the time that trials take."""

import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

REMEMBERED = 1000  # spans; one that contains more of them, which does not occur, is counted twice


class CompileClock:
    """Adds up spans of time, those that lie within others once.

    Attributes:
        seconds: Their sum since this process began.
    """

    def __init__(self) -> None:
        self.seconds = 0.0
        self._spans: deque[tuple[float, float]] = deque(maxlen=REMEMBERED)

    def add(self, seconds: float) -> None:
        """Add a span that ends now."""
        end = time.perf_counter()
        start = end - seconds
        # One that contains others ends after them: a function that calls others is traced so.
        while self._spans and self._spans[-1][1] > start:
            first, last = self._spans.pop()
            self.seconds -= last - first
            start = min(start, first)
        self._spans.append((start, end))
        self.seconds += end - start

    @contextmanager
    def running(self) -> Iterator[None]:
        """Add the time that the context takes."""
        start = time.perf_counter()
        try:
            yield
        finally:
            self.add(time.perf_counter() - start)


compile_clock = CompileClock()
"""That of this process."""
