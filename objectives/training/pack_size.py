"""Find the fastest number of lanes of a program by measuring while trials train."""

from __future__ import annotations


class PackSize:
    """Finds how many trials of one structure to train side by side.

    Each number of lanes is compiled separately. Twice as many are tried once training has taken so
    many times as long as compiling them will, so that no search spends more than that share of its
    time on trying; and only while doubling has paid so far and the device has enough memory.

    Args:
        limit: The largest possible number of lanes, a power of two.
        doubles_after: How many times as long: the less doubling may be expected to gain, the more.

    Attributes:
        limit: The same.
    """

    # Seconds that compiling takes at least. The measured time is less if the program was on disk,
    # where the next one may not be.
    COMPILE = 2.0
    SHARE = 0.9  # of the device's memory that may be used
    GAIN = 0.95  # doubling pays if a lane's step takes less than this share of its time before

    def __init__(self, limit: int, doubles_after: float = 1.0) -> None:
        self.limit = limit
        self._doubles_after = doubles_after
        self._compile_seconds = self.COMPILE
        self._trained_seconds: dict[int, float] = {}  # by size
        self._lane_seconds: dict[int, float] = {}  # of a lane's step, the minimum, by size
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
        """Record an epoch.

        Args:
            size: The number of lanes.
            steps: The number of gradient steps in each lane.
            seconds: How long the epoch took.
            compiled: Whether the program was compiled meanwhile.
            memory: The peak of bytes in use on the device so far, and its size; None if unknown.
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
        """The number of lanes to train next: the fastest so far, or twice as many to try."""
        if not self._lane_seconds:
            return 1
        fastest = min(self._lane_seconds, key=self._lane_seconds.__getitem__)
        largest = max(self._lane_seconds)
        has_paid = self._trained_seconds[largest] >= self._doubles_after * self._compile_seconds
        pays = has_paid and self._doubling_pays(largest)
        if fastest == largest < self.limit and pays and self._has_room(2 * largest):
            return 2 * largest
        return fastest

    def _doubling_pays(self, size: int) -> bool:
        smaller = self._lane_seconds.get(size // 2)
        return smaller is None or self._lane_seconds[size] < self.GAIN * smaller

    def _has_room(self, size: int) -> bool:
        """Tell whether `size` lanes will fit, if each needs as much memory as the last ones did."""
        half, quarter = self._peak_bytes.get(size // 2), self._peak_bytes.get(size // 4, 0)
        if half is None or self._bytes is None:
            return True
        # The difference of two sizes, because lanes share the pictures. With one size measured,
        # all its memory counts as the lane's.
        lane = (half - quarter) / (size // 2 - size // 4)
        return half + lane * size / 2 <= self.SHARE * self._bytes
