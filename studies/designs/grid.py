"""The full factorial design."""

from __future__ import annotations

from itertools import product

from studies.space.factor import Scalar
from studies.space.space import Space, each_once


def grid(space: Space) -> list[dict[str, Scalar]]:
    """Return every combination of levels, without inactive factors and without repetitions.

    Raises:
        DefinitionError: A range has no step.
    """
    combinations = product(*(factor.levels() for factor in space.factors.values()))
    points = (space.at(dict(zip(space.factors, levels, strict=True))) for levels in combinations)
    return list(each_once(points))
