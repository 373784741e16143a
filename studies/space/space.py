"""The search space of a study: its factors, and how a trial's parameters become hyperparameters.

A factor is what `[space]` calls a line: a range of one hyperparameter, a list of levels of it, or a
setting, whose levels each fix several hyperparameters. Optuna stores scalars only well (lists as
categorical choices break its dashboard and several samplers), so that a level that is not a scalar
is stored by a label, `32-64` or its TOML key, and mapped back here.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from math import prod
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

Scalar = bool | int | float | str
FEW = 200  # levels of a range that are all tried before a study is written
DIGITS = 12  # of a range with steps: 0.05 * 3 is the level 0.15, as a person writes it


@dataclass(frozen=True)
class Factor:
    """One dimension of the search.

    Attributes:
        name: Its key in `[space]`, and its name as an Optuna parameter.
        distribution: What Optuna samples from.
        meaning: For a list of levels, Optuna's choice -> the hyperparameters it sets. Empty for a
            range, whose value is the hyperparameter's.
        when: Hyperparameter or factor -> the values of it under which this factor is active.
    """

    name: str
    distribution: BaseDistribution
    meaning: Mapping[Scalar, Mapping[str, Any]] = field(default_factory=dict)
    when: Mapping[str, list[Any]] = field(default_factory=dict)

    def levels(self) -> list[Scalar]:
        """Return the choices, or the steps of a range.

        Raises:
            DefinitionError: It is a range of floats without a step.
        """
        if isinstance(self.distribution, CategoricalDistribution):
            return [choice for choice in self.distribution.choices if choice is not None]
        assert isinstance(self.distribution, IntDistribution | FloatDistribution)
        low, high, step = (getattr(self.distribution, k) for k in ("low", "high", "step"))
        if step is None or self.distribution.log:
            raise DefinitionError(
                f"space.{self.name}",
                "Expected a list of levels or a range with a step, for a design. "
                f"Received: low={low}, high={high}.",
            )
        n = round((high - low) / step)
        return [round(low + i * step, DIGITS) for i in range(n + 1)]

    def choices(self) -> list[Scalar]:
        """Return the choices; of a range, both ends."""
        if self.meaning:
            return list(self.meaning)
        return [getattr(self.distribution, end) for end in ("low", "high")]

    def examples(self) -> list[Scalar]:
        """Return the levels where they are not many, both ends of a range elsewhere."""
        is_stepped = isinstance(self.distribution, IntDistribution | FloatDistribution) and (
            self.distribution.step is not None and not self.distribution.log
        )
        levels = self.levels() if is_stepped else []
        return levels if 0 < len(levels) <= FEW else self.choices()

    def suggest(self, trial: optuna.trial.BaseTrial) -> Scalar:
        """Let Optuna choose, unless the trial has this parameter already."""
        match self.distribution:
            case CategoricalDistribution(choices=choices):
                return cast(Scalar, trial.suggest_categorical(self.name, choices))
            case IntDistribution(low=low, high=high, step=step, log=log):
                return trial.suggest_int(self.name, low, high, step=step, log=log)
            case FloatDistribution(low=low, high=high, step=step, log=log):
                value = trial.suggest_float(self.name, low, high, step=step, log=log)
                return value if step is None else round(value, DIGITS)
        raise AssertionError(f"a factor of an unforeseen distribution: {self.distribution}")

    def hyperparameters(self, choice: Scalar) -> Mapping[str, Any]:
        """Return what this factor sets when it has the value `choice`."""
        return self.meaning[choice] if self.meaning else {self.name: choice}

    def choice_of(self, value: Any, key: str) -> Scalar:
        """Return Optuna's choice for a level given as in `[space]`, by its label or its value.

        Raises:
            DefinitionError: The factor has no such level; the message begins with `key`.
        """
        if not self.meaning:
            is_number = isinstance(value, int | float) and not isinstance(value, bool)
            if is_number and self.distribution._contains(value):
                return cast(Scalar, value)
            low, high, step = (getattr(self.distribution, k) for k in ("low", "high", "step"))
            steps = f" in steps of {step}" if step is not None else ""
            raise DefinitionError(
                key, f"Expected a number from {low} to {high}{steps}. Received: {value!r}."
            )
        for choice, sets in self.meaning.items():
            if same(value, choice) or same(value, sets.get(self.name)):
                return choice
        raise DefinitionError(key, str(unknown_name("a level", str(value), map(str, self.meaning))))


@dataclass(frozen=True)
class Space:
    """All factors of a study, each after those that its `when` asks for.

    Attributes:
        factors: By name.
        fixed: The hyperparameters that no trial changes.
        defaults: The objective's own values of the others, which a `when` may ask for.
    """

    factors: Mapping[str, Factor]
    fixed: Mapping[str, Any]
    defaults: Mapping[str, Any]

    @cached_property
    def grid_size(self) -> int:
        """The number of combinations of all levels, inactive ones included."""
        return prod(len(factor.levels()) for factor in self.factors.values())

    def values_of(self, name: str) -> list[Any]:
        """Return the values of a hyperparameter that trials can set; of a range, both ends."""
        factor = self.factors.get(name)
        if factor is not None and not factor.meaning:
            return factor.choices()
        levels = [level for f in self.factors.values() for level in f.meaning.values()]
        return [level[name] for level in levels if name in level]

    def possible_values(self, name: str) -> list[Any]:
        """Return the values of a hyperparameter that trials can have; of a range, both ends."""
        is_always_set = any(
            not factor.when and all(name in factor.hyperparameters(c) for c in factor.choices())
            for factor in self.factors.values()
        )
        unset = [] if is_always_set else [{**self.defaults, **self.fixed}.get(name)]
        return self.values_of(name) + unset

    def with_conditions(self, names: Iterable[str]) -> frozenset[str]:
        """Return factors, and those that decide whether they are active."""
        found: set[str] = set()
        todo = [name for name in names if name in self.factors]
        while todo:
            factor = self.factors[todo.pop()]
            if factor.name not in found:
                found.add(factor.name)
                todo += [f.name for key in factor.when for f in self._setting(key)]
        return frozenset(found)

    def _setting(self, key: str) -> list[Factor]:
        """Return the factors that set a hyperparameter, or are called so."""
        return [
            factor
            for factor in self.factors.values()
            if key == factor.name or any(key in sets for sets in factor.meaning.values())
        ]

    def pick(self, choose: Callable[[Factor], Scalar]) -> dict[str, Scalar]:
        """Choose a value for every factor that is active given the choices before it."""
        params: dict[str, Scalar] = {}
        known = {**self.defaults, **self.fixed}
        for factor in self.factors.values():
            if all(
                any(same(known.get(name), v) for v in values)
                for name, values in factor.when.items()
            ):
                choice = params[factor.name] = choose(factor)
                known |= {factor.name: choice, **factor.hyperparameters(choice)}
        return params

    def at(self, levels: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Return the point with these levels, without the factors that are inactive there."""
        return self.pick(lambda factor: levels[factor.name])

    def distributions(self, params: Mapping[str, Scalar]) -> dict[str, BaseDistribution]:
        """Return the distributions of the parameters of a trial."""
        return {name: self.factors[name].distribution for name in params}

    def resolve(self, params: Mapping[str, Scalar]) -> dict[str, Any]:
        """Return the hyperparameters that the parameters of a trial stand for."""
        resolved = dict(self.fixed)
        for name, choice in params.items():
            resolved |= self.factors[name].hyperparameters(choice)
        return resolved

    def grid(self) -> Iterator[dict[str, Scalar]]:
        """Yield each combination of levels once; inactive factors are left out of it."""
        names = list(self.factors)
        seen = set()
        for levels in product(*(factor.levels() for factor in self.factors.values())):
            point = self.at(dict(zip(names, levels, strict=True)))
            key = tuple(sorted(point.items()))
            if key not in seen:
                seen.add(key)
                yield point

    def examples(self, n: int) -> Iterator[dict[str, Scalar]]:
        """Yield points that together show the levels: to check that a network can be built.

        Args:
            n: Up to so many all combinations come; else so many at random, then each level once.
        """
        rng = random.Random(0)
        shown = {name: factor.examples() for name, factor in self.factors.items()}
        if prod(len(levels) for levels in shown.values()) <= n:
            for levels in product(*shown.values()):
                yield self.at(dict(zip(shown, levels, strict=True)))
            return
        points: list[dict[str, Scalar]] = [{}] * n
        points += [{name: level} for name, levels in shown.items() for level in levels]
        for given in points:
            drawn = {name: rng.choice(levels) for name, levels in shown.items()}
            yield self.at({**drawn, **given})


def same(a: Any, b: Any) -> bool:
    """Tell whether two values are one level: 1 and 1.0 are, 1 and True are not."""
    if isinstance(a, list | tuple) and isinstance(b, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return isinstance(a, bool) == isinstance(b, bool) and bool(a == b)
