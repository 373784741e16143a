"""The full factorial design."""

from __future__ import annotations

from studies.space.factor import Factor, Scalar
from studies.space.space import Space


def grid(space: Space) -> list[dict[str, Scalar]]:
    """Return every combination of levels, without inactive factors.

    Raises:
        DefinitionError: A range has no step.
    """
    return list(space.walk(Factor.levels))
