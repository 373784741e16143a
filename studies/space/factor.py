"""A factor: one dimension of a search space, as one line of `[space]` says it.

Optuna's dashboard and several of its samplers fail on categorical choices that are lists. A level
that is not a scalar is therefore stored under a label, `32-64` or its TOML key, and translated back
here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, cast

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from objectives.errors import unknown_name
from studies.errors import DefinitionError
from studies.space.steps import Steps

Scalar = bool | int | float | str
MAX_EXAMPLES = 200  # up to so many levels of a range are all tried before a study is stored


@dataclass(frozen=True)
class Factor:
    """One dimension of the search.

    Attributes:
        name: Its key in `[space]`, and its name as an Optuna parameter.
        distribution: The Optuna distribution to sample from.
        meaning: For a list of levels, Optuna's choice -> the hyperparameters it sets. Empty for a
            range, whose value is the hyperparameter's.
        when: Hyperparameter or factor -> the values of it under which this factor is active.
        stepped: The levels of a range with a step; empty for others.
        more: Further ranges of the same hyperparameter, under conditions that exclude each other
            and those of this one. `cases` has all of them.
    """

    name: str
    distribution: BaseDistribution
    meaning: Mapping[Scalar, Mapping[str, Any]] = field(default_factory=dict)
    when: Mapping[str, list[Any]] = field(default_factory=dict)
    stepped: Sequence[int | float] = ()
    more: tuple[Factor, ...] = ()

    @cached_property
    def cases(self) -> tuple[Factor, ...]:
        """The ranges of this factor, each with its own conditions; itself if there is only one."""
        return (replace(self, more=()), *self.more) if self.more else (self,)

    @property
    def conditions(self) -> frozenset[str]:
        """The names in the conditions of this factor; empty if it is always active."""
        return frozenset(name for case in self.cases for name in case.when)

    @property
    def _range(self) -> IntDistribution | FloatDistribution:
        assert isinstance(self.distribution, IntDistribution | FloatDistribution)
        return self.distribution

    def levels(self) -> Sequence[Scalar]:
        """Return the choices, or the steps of a range, which are not listed: they may be very many.

        Raises:
            DefinitionError: The range has no step, or is logarithmic.
        """
        if isinstance(self.distribution, CategoricalDistribution):
            return [choice for choice in self.distribution.choices if choice is not None]
        if not self.stepped:
            raise DefinitionError(
                f"space.{self.name}",
                "Expected a list of levels or a range with a step, for a design. "
                f"Received: low={self._range.low}, high={self._range.high}.",
            )
        return self.stepped

    def n_levels(self) -> int:
        """Return the number of levels of all cases.

        Raises:
            DefinitionError: A range has no step, or is logarithmic.
        """
        return sum(_count(case.levels()) for case in self.cases)

    def choices(self) -> list[Scalar]:
        """Return the choices, or both ends of each range."""
        if self.meaning:
            return list(self.meaning)
        return [end for case in self.cases for end in case.ends]

    @property
    def ends(self) -> tuple[Scalar, Scalar]:
        """Both ends of a range."""
        ends = self.stepped or (self._range.low, self._range.high)
        return ends[0], ends[-1]

    def examples(self) -> list[Scalar]:
        """Return all levels if they are few, else both ends of the range."""
        return list(self.stepped) if 0 < _count(self.stepped) <= MAX_EXAMPLES else self.choices()

    def suggest(self, trial: optuna.trial.BaseTrial) -> Scalar:
        """Let Optuna choose a value; a parameter that the trial already has stays."""
        match self.distribution:
            case CategoricalDistribution(choices=choices):
                return cast(Scalar, trial.suggest_categorical(self.name, choices))
            case IntDistribution(low=low, high=high, step=step, log=log):
                return trial.suggest_int(self.name, low, high, step=step, log=log)
            case FloatDistribution(low=low, high=high, step=step, log=log):
                return self.level_of(trial.suggest_float(self.name, low, high, step=step, log=log))
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
            for case in self.cases:
                if case.is_in_range(value):
                    return case.level_of(value)
            ranges = " or ".join(case.in_words for case in self.cases)
            raise DefinitionError(key, f"Expected a number {ranges}. Received: {value!r}.")
        for choice, sets in self.meaning.items():
            if same(value, choice) or same(value, sets.get(self.name)):
                return choice
        raise DefinitionError(key, str(unknown_name("a level", str(value), map(str, self.meaning))))

    def level_of(self, value: Any) -> Scalar:
        """Return the level that a value in the range stands for: 0.3 for 0.30000000000000004."""
        nearest = self.stepped.nearest(value) if isinstance(self.stepped, Steps) else value
        return cast(Scalar, nearest)

    @property
    def in_words(self) -> str:
        """A range as text, such as `from 0 to 1 in steps of 0.1`."""
        low, high = self.ends
        steps = f" in steps of {self._range.step}" if self._range.step is not None else ""
        return f"from {low} to {high}{steps}"

    def has(self, level: Scalar) -> bool:
        """Tell whether a level is one of this factor, or of this case of it."""
        return level in self.meaning if self.meaning else self.is_in_range(level)

    def is_in_range(self, value: Any) -> bool:
        """Tell whether a value is one of a range, but for rounding where it has steps."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            return False
        if self.stepped:
            return value in self.stepped
        return self._range.low <= value <= self._range.high


def _count(levels: Sequence[Scalar]) -> int:
    if isinstance(levels, range):  # whose `len` has an upper bound, which a seed may exceed
        return (levels.stop - levels.start + levels.step - 1) // levels.step
    return len(levels)


def same(a: Any, b: Any) -> bool:
    """Tell whether two values are the same level: 1 and 1.0 are, 1 and True are not."""
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)
