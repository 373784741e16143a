"""Designed experiments: a search space -> the list of points to evaluate. Pure functions.

A point is its parameters and its seed. The list of a longer design begins with the list of the
shorter one, so that a larger budget only adds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import optuna

from storage import Point
from studies.definition.study import StudyDefinition
from studies.space.parse_space import SEED
from studies.space.space import Scalar, Space

ATTEMPTS = 100  # draws a point, before a random design takes the space to be exhausted


def grid(space: Space) -> list[dict[str, Scalar]]:
    """Return every combination of levels; those that differ in an inactive factor only, once.

    Raises:
        DefinitionError: A range has no step.
    """
    return list(space.grid())


def one_factor_at_a_time(space: Space, default: Mapping[str, Any]) -> list[dict[str, Scalar]]:
    """Return the default point, then each other level of each factor, the rest at the default.

    Args:
        space: The search space.
        default: A level for every factor.

    Raises:
        DefinitionError: A range has no step, or a default is no level.
    """
    base = {
        name: factor.choice_of(default[name], f"search.default.{name}")
        for name, factor in space.factors.items()
    }
    varied = (
        {**base, factor.name: level}
        for factor in space.factors.values()
        for level in factor.levels()
    )
    return list(_each_once(space.at(levels) for levels in (base, *varied)))


def random_points(space: Space, n: int, seed: int) -> list[dict[str, Scalar]]:
    """Return up to `n` points that differ, drawn independently from all factors.

    Fewer come back when the space has fewer, as far as drawing tells.
    """
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))

    def draw() -> dict[str, Scalar]:
        trial = study.ask()
        return space.pick(lambda factor: factor.suggest(trial))

    return list(islice(_each_once(draw() for _ in range(n * ATTEMPTS)), n))


def queue_of(definition: StudyDefinition) -> list[Point]:
    """Return the trials that wait from the start: known settings first, then the design.

    For an adaptive sampler these are the known settings alone.
    """
    space, search = definition.factors, definition.search
    points = _each_once([*_known(definition), *_design(definition)])
    trials = [
        Point(
            params,
            space.distributions(params),
            {SEED: space.resolve(params).get(SEED, search.seed + replicate)},
        )
        for params in points
        for replicate in range(search.replicates)
    ]
    return trials[: search.n_trials]


def _known(definition: StudyDefinition) -> list[dict[str, Scalar]]:
    space = definition.factors
    settings = [
        {
            name: space.factors[name].choice_of(value, f"search.enqueue[{number}].{name}")
            for name, value in setting.items()
        }
        for number, setting in enumerate(definition.search.enqueue)
    ]
    # A point of a design has no inactive factors, or the design would run it again.
    return [space.at(setting) for setting in settings] if definition.search.design else settings


def _design(definition: StudyDefinition) -> list[dict[str, Scalar]]:
    space, search = definition.factors, definition.search
    match search.design:
        case "grid":
            return grid(space)
        case "one-factor-at-a-time":
            return one_factor_at_a_time(space, search.default)
        case "random":
            return random_points(space, search.n_trials or 0, search.seed)
    return []


def _each_once(points: Iterable[dict[str, Scalar]]) -> Iterable[dict[str, Scalar]]:
    seen = set()
    for point in points:
        key = tuple(sorted(point.items()))
        if key not in seen:
            seen.add(key)
            yield point
