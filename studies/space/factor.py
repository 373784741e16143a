"""A factor: one dimension of a search space, as one line of `[space]` says it.

Optuna's dashboard and several of its samplers fail on categorical choices that are lists. A level
that is not a scalar is therefore stored under a label, `32-64` or its TOML key, and translated back
here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar, cast

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from objectives.errors import unknown_name
from studies.errors import DefinitionError

Scalar = bool | int | float | str
MAX_EXAMPLES = 200  # up to so many levels of a range are all tried before a study is stored
# Decimals of the levels of a range with a step: 0.05 * 3 becomes 0.15, as a person writes it.
LEVEL_DECIMALS = 12
T = TypeVar("T")


@dataclass(frozen=True)
class Factor:
    """One dimension of the search.

    Attributes:
        name: Its key in `[space]`, and its name as an Optuna parameter.
        distribution: The Optuna distribution to sample from.
        meaning: For a list of levels, Optuna's choice -> the hyperparameters it sets. Empty for a
            range, whose value is the hyperparameter's.
        when: Hyperparameter or factor -> the values of it under which this factor is active.
    """

    name: str
    distribution: BaseDistribution
    meaning: Mapping[Scalar, Mapping[str, Any]] = field(default_factory=dict)
    when: Mapping[str, list[Any]] = field(default_factory=dict)

    @property
    def _range(self) -> IntDistribution | FloatDistribution:
        assert isinstance(self.distribution, IntDistribution | FloatDistribution)
        return self.distribution

    def levels(self) -> list[Scalar]:
        """Return the choices, or the steps of a range.

        Raises:
            DefinitionError: The range has no step, or is logarithmic.
        """
        if isinstance(self.distribution, CategoricalDistribution):
            return [choice for choice in self.distribution.choices if choice is not None]
        low, high, step = self._range.low, self._range.high, self._range.step
        if step is None or self._range.log:
            raise DefinitionError(
                f"space.{self.name}",
                "Expected a list of levels or a range with a step, for a design. "
                f"Received: low={low}, high={high}.",
            )
        n = round((high - low) / step)
        return [round_level(low + i * step) for i in range(n + 1)]

    def choices(self) -> list[Scalar]:
        """Return the choices, or both ends of a range."""
        if self.meaning:
            return list(self.meaning)
        return [self._range.low, self._range.high]

    def examples(self) -> list[Scalar]:
        """Return all levels if they are few, else both ends of the range."""
        is_stepped = not self.meaning and self._range.step is not None and not self._range.log
        levels = self.levels() if is_stepped else []
        return levels if 0 < len(levels) <= MAX_EXAMPLES else self.choices()

    def suggest(self, trial: optuna.trial.BaseTrial) -> Scalar:
        """Let Optuna choose a value; a parameter that the trial already has stays."""
        match self.distribution:
            case CategoricalDistribution(choices=choices):
                return cast(Scalar, trial.suggest_categorical(self.name, choices))
            case IntDistribution(low=low, high=high, step=step, log=log):
                return trial.suggest_int(self.name, low, high, step=step, log=log)
            case FloatDistribution(low=low, high=high, step=step, log=log):
                value = trial.suggest_float(self.name, low, high, step=step, log=log)
                return value if step is None else round_level(value)
        raise AssertionError(f"a factor with an unknown distribution: {self.distribution}")

    def hyperparameters(self, choice: Scalar) -> Mapping[str, Any]:
        """Return the hyperparameters that this factor sets when it has the value `choice`."""
        return self.meaning[choice] if self.meaning else {self.name: choice}

    def choice_of(self, value: Any, key: str) -> Scalar:
        """Return Optuna's choice for a level that is given by its label or by its value.

        Args:
            value: The level, as in `[space]`.
            key: The line of the definition that gives it, for the error message.

        Raises:
            DefinitionError: The factor has no such level.
        """
        if not self.meaning:
            if self._is_in_range(value):
                return cast(Scalar, value)
            steps = f" in steps of {self._range.step}" if self._range.step is not None else ""
            raise DefinitionError(
                key,
                f"Expected a number from {self._range.low} to {self._range.high}{steps}. "
                f"Received: {value!r}.",
            )
        for choice, sets in self.meaning.items():
            if same(value, choice) or same(value, sets.get(self.name)):
                return choice
        raise DefinitionError(key, str(unknown_name("a level", str(value), map(str, self.meaning))))

    def _is_in_range(self, value: Any) -> bool:
        low, high, step = self._range.low, self._range.high, self._range.step
        if (
            isinstance(value, bool)
            or not isinstance(value, int | float)
            or not low <= value <= high
        ):
            return False
        if step is None:
            return True
        if isinstance(self.distribution, IntDistribution):
            return (value - low) % step == 0
        steps = (value - low) / step
        return abs(steps - round(steps)) < 1e-8  # Optuna's own tolerance


def round_level(value: T) -> T:
    """Round a float to the decimals in which two floats are one level; return others unchanged."""
    return cast(T, round(value, LEVEL_DECIMALS)) if isinstance(value, float) else value


def same(a: Any, b: Any) -> bool:
    """Tell whether two values are the same level: 1 and 1.0 are, 1 and True are not."""
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)
