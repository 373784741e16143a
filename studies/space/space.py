"""The search space of a study: all its factors, and the hyperparameters that a point stands for."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from math import prod
from typing import Any

from optuna.distributions import BaseDistribution

from studies.space.factor import Factor, Scalar, same


@dataclass(frozen=True)
class Space:
    """All factors of a study, each after the factors that its `when` names.

    Attributes:
        factors: By name.
        fixed: The hyperparameters that no trial changes.
        defaults: The objective's default values of all hyperparameters; a `when` may name one.
    """

    factors: Mapping[str, Factor]
    fixed: Mapping[str, Any]
    defaults: Mapping[str, Any]

    @cached_property
    def grid_size(self) -> int:
        """The number of combinations of all levels, counting inactive factors too.

        Raises:
            DefinitionError: A range has no step.
        """
        return prod(len(factor.levels()) for factor in self.factors.values())

    def values_of(self, name: str) -> list[Any]:
        """Return the values that factors give to a hyperparameter; both ends of a range."""
        factor = self.factors.get(name)
        if factor is not None and not factor.meaning:
            return factor.choices()
        levels = [level for f in self.factors.values() for level in f.meaning.values()]
        return [level[name] for level in levels if name in level]

    def possible_values(self, name: str) -> list[Any]:
        """Return all values that a hyperparameter can have in a trial; both ends of a range."""
        is_always_set = any(
            not factor.when and all(name in factor.hyperparameters(c) for c in factor.choices())
            for factor in self.factors.values()
        )
        unset = [] if is_always_set else [{**self.defaults, **self.fixed}.get(name)]
        return self.values_of(name) + unset

    def with_conditions(self, names: Iterable[str]) -> frozenset[str]:
        """Return the names of factors and, recursively, of the factors in their conditions."""
        found: set[str] = set()
        todo = [name for name in names if name in self.factors]
        while todo:
            factor = self.factors[todo.pop()]
            if factor.name not in found:
                found.add(factor.name)
                todo += [f.name for key in factor.when for f in self._setting(key)]
        return frozenset(found)

    def _setting(self, key: str) -> list[Factor]:
        """Return the factors with this name, or that set the hyperparameter with this name."""
        return [
            factor
            for factor in self.factors.values()
            if key == factor.name or any(key in sets for sets in factor.meaning.values())
        ]

    def pick(self, choose: Callable[[Factor], Scalar]) -> dict[str, Scalar]:
        """Build a point: choose a value for each factor that the choices before it make active."""
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
        """Return the point with these levels, without the factors that are inactive in it."""
        return self.pick(lambda factor: levels[factor.name])

    def distributions(self, params: Mapping[str, Scalar]) -> dict[str, BaseDistribution]:
        """Return the distributions of these parameters, by name."""
        return {name: self.factors[name].distribution for name in params}

    def resolve(self, params: Mapping[str, Scalar]) -> dict[str, Any]:
        """Translate the parameters of a trial into hyperparameters, fixed ones included."""
        resolved = dict(self.fixed)
        for name, choice in params.items():
            resolved |= self.factors[name].hyperparameters(choice)
        return resolved

    def examples(self, n: int) -> Iterator[dict[str, Scalar]]:
        """Yield points that cover all levels, to check that each network can be built.

        Args:
            n: If there are at most `n` combinations, all of them are yielded; else `n` random
                ones, then one random point for each level.
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


def each_once(points: Iterable[dict[str, Scalar]]) -> Iterator[dict[str, Scalar]]:
    """Yield each point once, in the order of its first appearance."""
    seen = set()
    for point in points:
        key = tuple(sorted(point.items()))
        if key not in seen:
            seen.add(key)
            yield point
