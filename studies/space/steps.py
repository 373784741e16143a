"""The levels of a range with a step, as a person counts them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_UP, Context, Decimal
from typing import overload

from optuna.distributions import FloatDistribution

TOLERANCE = 1e-8  # in steps: a value so near to a level is that level; Optuna has the same
_DIGITS = range(15, 9, -1)  # a float shows a decimal of up to 15 digits as it is


@dataclass(frozen=True)
class Steps(Sequence[float]):
    """Evenly spaced levels, computed when one is asked for: there may be very many.

    Attributes:
        low: The first.
        high: The last.
        step: The distance between two.
    """

    low: float
    high: float
    step: float

    def __len__(self) -> int:
        """Return the number of levels."""
        return round((self.high - self.low) / self.step) + 1

    @overload
    def __getitem__(self, index: int) -> float: ...
    @overload
    def __getitem__(self, index: slice) -> list[float]: ...
    def __getitem__(self, index: int | slice) -> float | list[float]:
        """Return a level: 0.05 * 3 is 0.15, and the last one is `high` itself."""
        places = range(len(self))[index]
        if isinstance(places, range):
            return [self[place] for place in places]
        if places == len(self) - 1:
            return self.high
        return float(_decimal(self.low) + places * _decimal(self.step))

    def __contains__(self, value: object) -> bool:
        """Tell whether a number is one of the levels but for rounding."""
        if not isinstance(value, int | float):
            return False
        place = self._place(value)
        return 0 <= round(place) < len(self) and abs(place - round(place)) < TOLERANCE

    def nearest(self, value: float) -> float:
        """Return the level that is nearest to a number."""
        return self[min(max(round(self._place(value)), 0), len(self) - 1)]

    def distribution(self) -> FloatDistribution | None:
        """Return a distribution of Optuna over all levels; None if there is none.

        Optuna computes in decimals and cuts off a last level that is a whole number of steps only
        but for rounding, as 0.8 is for 0.1 + 3 * 0.23333333333333334. The distribution then gets a
        slightly larger step, and its values are to be rounded by `nearest`.
        """
        low, n = _decimal(self.low), len(self) - 1
        if not n or (_decimal(self.high) - low) % _decimal(self.step) == 0:
            return FloatDistribution(self.low, self.high, step=self.step)
        exact = (_decimal(self.high) - low) / n
        for digits in _DIGITS:
            step = Context(digits, ROUND_UP).plus(exact)
            high = low + n * step
            is_near = n * (step / exact - 1) < TOLERANCE / 10
            if is_near and all(_decimal(float(number)) == number for number in (step, high)):
                return FloatDistribution(self.low, float(high), step=float(step))
        return None

    def _place(self, value: float) -> float:
        return (value - self.low) / self.step


def _decimal(value: float) -> Decimal:
    """Return a number as it is written."""
    return Decimal(str(value))
