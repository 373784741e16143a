"""The search space of a study: all its factors, and the hyperparameters that a point stands for."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property, partial
from math import prod
from typing import Any

from optuna.distributions import BaseDistribution

from studies.errors import DefinitionError
from studies.space.factor import Factor, Scalar, same


@dataclass(frozen=True)
class Space:
    """All factors of a study, each after the factors that its `when` names.

    Attributes:
        factors: By name.
        fixed: The hyperparameters that no trial changes.
        defaults: The objective's default values of all hyperparameters; a `when` may name one.
        earlier: Those among them that the objective had when the study was made, and has not now.
    """

    factors: Mapping[str, Factor]
    fixed: Mapping[str, Any]
    defaults: Mapping[str, Any]
    earlier: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def grid_size(self) -> int:
        """The number of combinations of all levels, counting inactive factors too.

        Raises:
            DefinitionError: A range has no step.
        """
        return prod(factor.n_levels() for factor in self.factors.values())

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
            all(name in factor.hyperparameters(choice) for choice in factor.choices())
            for factor in self.factors.values()
            if not factor.conditions
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
                todo += [f.name for key in factor.conditions for f in self._setting(key)]
        return frozenset(found)

    def _setting(self, key: str) -> list[Factor]:
        """Return the factors with this name, or that set the hyperparameter with this name."""
        return [
            factor
            for factor in self.factors.values()
            if key == factor.name or any(key in sets for sets in factor.meaning.values())
        ]

    def walk(self, levels: Callable[[Factor], Iterable[Scalar]]) -> Iterator[dict[str, Scalar]]:
        """Yield the points of all combinations of levels, the last factor changing fastest.

        Args:
            levels: Returns the levels of a factor, or of one of its cases. It is called for those
                that the levels before them make active.
        """
        known = {**self.defaults, **self.fixed}
        yield from _walk(tuple(self.factors.values()), {}, known, levels)

    def listed(self, most: int) -> list[dict[str, Scalar]]:
        """Return all points; none where there are more than `most`, or a range has no step."""
        try:
            is_small = self.grid_size <= most
        except DefinitionError:
            return []
        return list(self.walk(Factor.levels)) if is_small else []

    def pick(self, choose: Callable[[Factor], Scalar]) -> dict[str, Scalar]:
        """Build a point: choose a value for each factor that the choices before it make active."""
        return next(self.walk(lambda factor: (choose(factor),)))

    def at(self, levels: Mapping[str, Scalar]) -> dict[str, Scalar]:
        """Return the point with these levels, without the factors that are inactive in it."""
        return self.pick(lambda factor: levels[factor.name])

    def distributions(self, params: Mapping[str, Scalar]) -> dict[str, BaseDistribution]:
        """Return the distributions of these parameters, by name."""
        known = {**self.defaults, **self.fixed}
        found = {}
        for name, factor in self.factors.items():
            if name in params:
                case = _active(factor, known) or factor
                found[name] = case.distribution
                known |= {name: params[name], **case.hyperparameters(params[name])}
        return found

    def resolve(self, params: Mapping[str, Scalar]) -> dict[str, Any]:
        """Translate the parameters of a trial into hyperparameters, fixed ones included.

        The objective's defaults are left out, but for those that it has no longer.
        """
        resolved = {**self.earlier, **self.fixed}
        for name, choice in params.items():
            resolved |= self.factors[name].hyperparameters(choice)
        return resolved

    def examples(self, n: int) -> Iterator[dict[str, Scalar]]:
        """Yield points that cover all levels, to check that each network can be built.

        Args:
            n: If there are at most `n` combinations, all of them are yielded; else `n` random
                ones, then one random point for each level.
        """
        shown = {
            name: [level for case in factor.cases for level in case.examples()]
            for name, factor in self.factors.items()
        }
        if prod(len(levels) for levels in shown.values()) <= n:
            yield from self.walk(Factor.examples)
            return
        rng = random.Random(0)
        given: list[dict[str, Scalar]] = [{}] * n
        given += [{name: level} for name, levels in shown.items() for level in levels]

        def choose(factor: Factor, forced: Mapping[str, Scalar]) -> Scalar:
            levels = factor.examples()
            wanted = forced.get(factor.name)
            return wanted if wanted is not None and wanted in levels else rng.choice(levels)

        for forced in given:
            yield self.pick(partial(choose, forced=forced))


def _walk(
    factors: tuple[Factor, ...],
    params: dict[str, Scalar],
    known: Mapping[str, Any],
    levels: Callable[[Factor], Iterable[Scalar]],
) -> Iterator[dict[str, Scalar]]:
    """Yield `params` with each combination of levels of the further `factors`."""
    if not factors:
        yield params
        return
    factor, further = factors[0], factors[1:]
    case = _active(factor, known)
    if case is None:
        yield from _walk(further, params, known, levels)
        return
    for level in levels(case):
        set_now = {factor.name: level, **case.hyperparameters(level)}
        yield from _walk(further, {**params, factor.name: level}, {**known, **set_now}, levels)


def _active(factor: Factor, known: Mapping[str, Any]) -> Factor | None:
    """Return the case of a factor whose conditions hold, None if there is none."""
    for case in factor.cases:
        if all(any(same(known.get(k), v) for v in values) for k, values in case.when.items()):
            return case
    return None


def each_once(points: Iterable[dict[str, Scalar]]) -> Iterator[dict[str, Scalar]]:
    """Yield each point once, in the order of its first appearance."""
    seen = set()
    for point in points:
        key = tuple(sorted(point.items()))
        if key not in seen:
            seen.add(key)
            yield point
