"""Draw a level of a distribution, and move one to a level near it. Pure functions.

A number moves on its scale: where its range is logarithmic, by a factor. Levels that are numbers,
written in order, move to a neighbour in the list; others, such as names, to any other level.
"""

from __future__ import annotations

import random
from itertools import pairwise
from math import exp, floor, log
from typing import Any

from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

_Range = IntDistribution | FloatDistribution


def draw(distribution: BaseDistribution, rng: random.Random) -> Any:
    """Return a level, each as likely as another on the scale of the distribution."""
    if isinstance(distribution, CategoricalDistribution):
        return rng.choice(distribution.choices)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    return _at(distribution, rng.random())


def move(distribution: BaseDistribution, level: Any, reach: float, rng: random.Random) -> Any:
    """Return a level near another, and that one only where there is no other.

    Args:
        distribution: The distribution.
        level: The level to begin from, one of the distribution's.
        reach: The largest move of a number, as a share of the width of its range. A move beyond an
            end comes back from there. One that is shorter than a step is a whole step.
        rng: Where chance comes from.
    """
    if isinstance(distribution, CategoricalDistribution):
        return _move_choice(distribution, level, rng)
    assert isinstance(distribution, IntDistribution | FloatDistribution)
    place = abs(_place(distribution, level) + rng.uniform(-reach, reach))
    moved = _at(distribution, 2 - place if place > 1 else place)
    step = distribution.step
    if step is None or abs(moved - level) > step / 2:
        return moved
    near = [level - step, level + step]
    slack = step / 2  # for rounding
    near = [n for n in near if distribution.low - slack < n < distribution.high + slack]
    return _on_step(distribution, rng.choice(near)) if near else level


def _move_choice(distribution: CategoricalDistribution, level: Any, rng: random.Random) -> Any:
    choices = distribution.choices
    if len(choices) == 1:
        return level
    place = int(distribution.to_internal_repr(level))
    others = [i for i in range(len(choices)) if i != place]
    if _is_in_order(choices):
        others = [i for i in others if abs(i - place) == 1]
    return choices[rng.choice(others)]


def _is_in_order(levels: tuple[Any, ...]) -> bool:
    """Tell whether levels are numbers that grow or fall from one to the next."""
    if not all(isinstance(each, int | float) and not isinstance(each, bool) for each in levels):
        return False
    return all(a < b for a, b in pairwise(levels)) or all(a > b for a, b in pairwise(levels))


def _ends(distribution: _Range) -> tuple[float, float]:
    """Return both ends of the scale; each step has a piece of it, and lies in the middle."""
    margin = (distribution.step or 0) / 2
    low, high = distribution.low - margin, distribution.high + margin
    return (log(low), log(high)) if distribution.log else (low, high)


def _place(distribution: _Range, level: float) -> float:
    """Return where a level lies on the scale, from 0 to 1."""
    low, high = _ends(distribution)
    return ((log(level) if distribution.log else level) - low) / (high - low) if high > low else 0.0


def _at(distribution: _Range, place: float) -> Any:
    """Return the level at a place of the scale."""
    low, high = _ends(distribution)
    on_scale = low + place * (high - low)
    level = exp(on_scale) if distribution.log else on_scale
    return _on_step(distribution, level)


def _on_step(distribution: _Range, number: float) -> Any:
    """Return the level that is nearest to a number."""
    low, high, step = distribution.low, distribution.high, distribution.step
    if step is None:
        return min(max(number, low), high)
    last = round((high - low) / step)
    level = low + min(max(floor((number - low) / step + 0.5), 0), last) * step
    return min(level, high)
