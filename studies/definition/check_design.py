"""Check that a space suits a design, which lists its points before any is trained."""

from __future__ import annotations

from itertools import islice

from studies.errors import DefinitionError
from studies.space.factor import Factor
from studies.space.space import Space

MAX_POINTS = 100_000


def check_design(space: Space, design: str) -> None:
    """Check that a design can list all points of a space.

    Raises:
        DefinitionError: One of its factors has no single list of levels, or there are too many.
    """
    if design != "grid":
        for factor in space.factors.values():
            if factor.more:
                raise DefinitionError(
                    f"space.{factor.name}",
                    "Expected one range for this design: its default has one level. "
                    f"Received: {len(factor.cases)} ranges. Take the design grid or random, or "
                    "keep the range of the default and put what its `when` names in [fixed].",
                )
    # A range without a step is an error here. Inactive factors count in the first number.
    if space.grid_size > MAX_POINTS:
        n_points = sum(factor.n_levels() for factor in space.factors.values())
        if design == "grid":
            n_points = sum(1 for _ in islice(space.walk(Factor.levels), MAX_POINTS + 1))
        if n_points > MAX_POINTS:
            raise DefinitionError(
                "space",
                f"Expected at most {MAX_POINTS:,} points for a design, which lists them all. "
                "Received: more. Take larger steps, or the design random or a sampler.",
            )
