"""Check that a space suits a design, which lists its points before any is trained."""

from __future__ import annotations

from itertools import islice

from objectives.errors import unknown_name
from studies.definition.search import SearchOptions
from studies.errors import DefinitionError, Mistakes
from studies.space.factor import Factor
from studies.space.space import Space

MAX_POINTS = 100_000


def check_design(space: Space, search: SearchOptions) -> None:
    """Check that a design can list all points of a space.

    Raises:
        DefinitionError: One of its factors has no single list of levels, or there are too many.
    """
    design = search.design or search.sampler_name
    if design == "orthogonal":
        _check_orthogonal(space, search)
        if len(space.factors) > 2:  # which no grid stands for, unless it is smaller than an array
            return
    if design in ("one-factor-at-a-time", "coordinate"):
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
        if design in ("grid", "orthogonal"):
            n_points = sum(1 for _ in islice(space.walk(Factor.levels), MAX_POINTS + 1))
        if n_points > MAX_POINTS:
            raise DefinitionError(
                "space",
                f"Expected at most {MAX_POINTS:,} points for a design, which lists them all. "
                "Received: more. Take larger steps, or the design random or a sampler.",
            )


def _check_orthogonal(space: Space, search: SearchOptions) -> None:
    """Check what shows without the arrays: whether one holds the levels, the creation finds out."""
    mistakes = Mistakes()
    for factor in space.factors.values():
        with mistakes.noted():
            if factor.conditions:
                raise DefinitionError(
                    f"space.{factor.name}",
                    "Expected factors without conditions for an orthogonal array, in which every "
                    f"level meets all others. Received: when {', '.join(sorted(factor.conditions))}"
                    ". Take one factor that sets several, such as how = { a = "
                    f'{{ {factor.name} = ... }}, b = {{ ... }} }}, or the design "grid".',
                )
            factor.n_levels()  # a range without a step is an error here
    named = search.dummy_levels if isinstance(search.dummy_levels, dict) else {}
    for name, level in named.items():
        with mistakes.noted():
            key = f"search.dummy_levels.{name}"
            if name not in space.factors:
                raise DefinitionError(key, str(unknown_name("a factor", name, space.factors)))
            space.factors[name].choice_of(level, key)
    mistakes.tell()
