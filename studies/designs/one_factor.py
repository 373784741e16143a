"""The design that changes one factor at a time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from studies.space.factor import Scalar
from studies.space.space import Space, each_once


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
    return list(each_once(space.at(levels) for levels in (base, *varied)))
