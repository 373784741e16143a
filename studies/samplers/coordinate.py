"""Coordinate search: one factor after the other, each at the best of those before.

Round n varies the n-th factor of the file, from the best setting so far, which is not trained
again; the first round also trains the default. A factor that is inactive there has no round.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from storage import Point, Round, RoundsOver, Slot
from studies.samplers.rounds import ranked
from studies.space.factor import Factor, Scalar
from studies.space.space import Space


def next_factor(
    slots: Sequence[Slot],
    space: Space,
    order: Sequence[str],
    default: Mapping[str, Any],
    *,
    maximize: bool,
) -> Round | RoundsOver:
    """Return what comes next, a function of the slots that have ended.

    Args:
        slots: Those that have ended, none of which is open.
        space: The search space, all of whose factors have levels.
        order: The names of its factors in the order in which they are varied.
        default: The setting to begin with: a level for every factor.
        maximize: Whether the greatest value is the best.

    Raises:
        DefinitionError: A range has no step, or a default is no level.
    """
    best = {
        name: factor.choice_of(default[name], f"search.default.{name}")
        for name, factor in space.factors.items()
    }
    for number, factor in enumerate(map(space.factors.__getitem__, order), start=1):
        there = {slot.place for slot in slots if slot.round == number}
        settings = _settings(space, best, factor, is_first=number == 1)
        points = {
            place: Point(params, space.distributions(params))
            for place, params in settings.items()
            if place not in there
        }
        if points:
            return Round(number, points)
        so_far = [slot for slot in slots if slot.round <= number]
        best |= ranked(so_far, maximize=maximize)[0].params
    n = len(order)
    return RoundsOver("its one factor was varied" if n == 1 else f"each of {n} factors was varied")


def _settings(
    space: Space, best: Mapping[str, Scalar], factor: Factor, *, is_first: bool
) -> dict[int, dict[str, Scalar]]:
    """Return the settings of a round by their places: the place of a level is that in its list."""
    start = space.at(best)
    settings = {}
    if factor.name in start:
        for place, level in enumerate(factor.levels(), start=1):
            if is_first or level != best[factor.name]:
                settings[place] = space.at({**best, factor.name: level})
    return settings or ({1: start} if is_first else {})
