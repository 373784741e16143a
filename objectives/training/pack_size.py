"""How many lanes of a program are fastest: found while trials train, by measuring."""

from __future__ import annotations


class PackSize:
    """Finds how many trials of one structure to train side by side.

    Twice as many lanes are a program of their own. They are tried once training has taken as long
    as compiling them will, so that no search spends more than half of its time on trying, and
    only while doubling has paid so far and the device's memory will do.

    Args:
        limit: The most lanes that there can be, a power of two.

    Attributes:
        limit: The same.
    """

    COMPILE = 2.0  # seconds at least: what was on disk took less, what is tried may not be there
    SHARE = 0.9  # of the device's memory
    GAIN = 0.95  # of a lane's time, that doubling must at least come to, to be tried again

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._compile_seconds = self.COMPILE
        self._trained_seconds: dict[int, float] = {}  # by size
        self._lane_seconds: dict[int, float] = {}  # of a step, the least seen, by size
        self._peak_bytes: dict[int, int] = {}  # by size
        self._bytes: int | None = None

    def record(
        self,
        size: int,
        steps: int,
        seconds: float,
        *,
        compiled: bool,
        memory: tuple[int, int] | None = None,
    ) -> None:
        """Take note of an epoch.

        Args:
            size: How many lanes it trained.
            steps: How many gradient steps it took in each.
            seconds: How long that took.
            compiled: Whether the program was compiled meanwhile.
            memory: The most bytes that were in use on the device up to now, and the bytes that it
                has; None where that is not known.
        """
        if memory is not None:
            self._peak_bytes[size], self._bytes = memory
        if compiled:
            self._compile_seconds = max(self._compile_seconds, seconds)
            return
        self._trained_seconds[size] = self._trained_seconds.get(size, 0.0) + seconds
        lane = seconds / steps / size
        self._lane_seconds[size] = min(lane, self._lane_seconds.get(size, lane))

    @property
    def wanted(self) -> int:
        """How many lanes to train next: the fastest number, or one that is worth trying."""
        if not self._lane_seconds:
            return 1
        fastest = min(self._lane_seconds, key=self._lane_seconds.__getitem__)
        largest = max(self._lane_seconds)
        has_paid = self._trained_seconds[largest] >= self._compile_seconds
        pays = has_paid and self._doubling_pays(largest)
        if fastest == largest < self.limit and pays and self._has_room(2 * largest):
            return 2 * largest
        return fastest

    def _doubling_pays(self, size: int) -> bool:
        smaller = self._lane_seconds.get(size // 2)
        return smaller is None or self._lane_seconds[size] < self.GAIN * smaller

    def _has_room(self, size: int) -> bool:
        """Tell whether so many lanes will fit, if each takes what the last ones took."""
        half, quarter = self._peak_bytes.get(size // 2), self._peak_bytes.get(size // 4, 0)
        if half is None or self._bytes is None:
            return True
        # Of one lane it is not known which part are the pictures, that lanes share.
        lane = (half - quarter) / (size // 2 - size // 4)
        return half + lane * size / 2 <= self.SHARE * self._bytes
