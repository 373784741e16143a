"""A parameter that a user's function asks for: its range or its choices."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from objectives.errors import SettingError

Value = bool | int | float | str | None
MAX_INTEGERS = 32  # up to so many whole numbers of a range are all tried


@dataclass(frozen=True)
class Parameter:
    """What one call of a `suggest_` method asks for.

    Attributes:
        name: Its name.
        choices: The values of `suggest_categorical`; empty for a range.
        low: The lower end of a range, included.
        high: The upper end, included.
        step: The distance between two values; None for any number between the ends.
        log: Whether values are drawn on a logarithmic scale.
        is_whole: Whether the values of the range are integers.
    """

    name: str
    choices: tuple[Value, ...] = ()
    low: float = 0.0
    high: float = 0.0
    step: float | None = None
    log: bool = False
    is_whole: bool = False

    @property
    def is_listed(self) -> bool:
        """Whether `levels` has all values."""
        return bool(self.choices) or (self.is_whole and len(self._whole) <= MAX_INTEGERS)

    def levels(self) -> list[Value]:
        """Return all values if they are few, else both ends and the middle of the range."""
        if self.choices:
            return list(self.choices)
        if self.is_listed:
            return list(self._whole)
        if self.is_whole:
            return [self._whole[0], self._whole[len(self._whole) // 2], self._whole[-1]]
        steps = round((self.high - self.low) / self.step) if self.step else 0
        middle = math.sqrt(self.low * self.high) if self.log else (self.low + self.high) / 2
        if self.step:
            middle = self.low + steps // 2 * self.step
        return list(dict.fromkeys((self.low, middle, self.high)))

    def draw(self, rng: random.Random) -> Value:
        """Return a random value."""
        if self.choices:
            return rng.choice(self.choices)
        if self.is_whole:
            return rng.choice(self._whole)
        if self.step:
            return self.low + self.step * rng.randint(0, round((self.high - self.low) / self.step))
        if self.log:
            return math.exp(rng.uniform(math.log(self.low), math.log(self.high)))
        return rng.uniform(self.low, self.high)

    def line(self, when: dict[str, list[Value]]) -> Any:
        """Return the parameter as a line of `[space]`.

        Args:
            when: Parameter -> the values with which this one is asked for; empty for always.
        """
        condition = {"when": when} if when else {}
        if self.choices:
            return {"levels": list(self.choices), **condition} if when else list(self.choices)
        number = int if self.is_whole else float
        line: dict[str, Any] = {"low": number(self.low), "high": number(self.high)}
        if self.log:
            line["log"] = True
        elif self.step is not None and not (self.is_whole and self.step == 1):
            line["step"] = number(self.step)
        return line | condition

    def check(self) -> None:
        """Check the ends and the choices.

        Raises:
            SettingError: There is no value between the ends, or a choice is not a scalar.
        """
        if self.choices:
            for choice in self.choices:
                if not isinstance(choice, bool | int | float | str | None):
                    raise SettingError(
                        f"Expected choices of {self.name} that are numbers, text, true, false or "
                        f"None. Received: {choice!r}. Suggest a name for it, and look it up."
                    )
            return
        is_drawable = not self.log or (self.low > 0 and self.step in (None, 1))
        if not (self.low <= self.high and is_drawable and (self.step is None or self.step > 0)):
            raise SettingError(
                f"Expected low <= high for {self.name}, a step above 0, and with log=True a low "
                f"above 0 and no step. Received: low={self.low}, high={self.high}, "
                f"step={self.step}, log={self.log}."
            )

    @property
    def _whole(self) -> Sequence[int]:
        return range(int(self.low), int(self.high) + 1, int(self.step or 1))
