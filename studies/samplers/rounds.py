"""Rounds: some settings at once, the best of all so far kept and perturbed for the next round.

The first round is drawn at random. A place of a later round takes one of the best settings, in
turn, and changes each of its factors with a chance of one half (`moves.py` says how). A factor that
the changes before it make active is drawn at random. What has been trained is never trained again:
the draw is repeated. The rounds are over once one of them is no better than those before it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from storage import Point, Round, RoundsOver, Slot
from studies.samplers.moves import draw, move
from studies.samplers.seeds import seed_for
from studies.space.factor import Factor, Scalar
from studies.space.space import Space

CHANGED = 0.5  # the chance of each factor of a setting to be changed
DRAWS = 100  # of a changed setting until one is new; then as many of any setting
MAX_LISTED = 10_000  # points of a space that is searched for one left when all draws were in vain

Level = Callable[[Factor], Scalar]
_Key = frozenset[tuple[str, Scalar]]


@dataclass(frozen=True)
class Perturbing:
    """How rounds are made.

    Attributes:
        n_settings: The settings of a round.
        n_kept: How many of the best are kept and perturbed.
        perturbation: The largest move of a number, as a share of its range.
    """

    n_settings: int
    n_kept: int
    perturbation: float


def next_round(
    slots: Sequence[Slot], space: Space, how: Perturbing, *, seed: int, maximize: bool
) -> Round | RoundsOver:
    """Return what comes next, a function of the seed and the slots that have ended.

    Args:
        slots: Those that have ended, none of which is open.
        space: The search space.
        how: How rounds are made.
        seed: The seed of the study.
        maximize: Whether the greatest value is the best.
    """
    last = max((slot.round for slot in slots), default=0)
    for number in range(1, last + 2):
        if number > last > 1 and not _is_better(slots, last, maximize=maximize):
            return RoundsOver(f"round {last} was no better than those before it")
        points = _lacking(number, slots, space, how, seed=seed, maximize=maximize)
        if points:
            return Round(number, points)
    return RoundsOver(f"every setting of the space was trained, in {last} rounds")


def ranked(slots: Sequence[Slot], *, maximize: bool) -> list[Slot]:
    """Return slots, the best first: those without a value last, of equal ones the earlier slot."""

    def key(slot: Slot) -> tuple[bool, float, int, int]:
        value = slot.value or 0.0
        return slot.value is None, -value if maximize else value, slot.round, slot.place

    return sorted(slots, key=key)


def _is_better(slots: Sequence[Slot], last: int, *, maximize: bool) -> bool:
    """Tell whether the best of round `last` is better than all before it."""
    best = ranked(slots, maximize=maximize)[0]  # of equal ones the earlier
    return best.value is not None and best.round == last


def _lacking(
    number: int,
    slots: Sequence[Slot],
    space: Space,
    how: Perturbing,
    *,
    seed: int,
    maximize: bool,
) -> dict[int, Point]:
    """Return the points of a round that have no slot yet, by their places."""
    before = [slot for slot in slots if slot.round < number]
    there = {slot.place: slot for slot in slots if slot.round == number}
    kept = ranked(before, maximize=maximize)[: how.n_kept]
    known = {_key(slot.params) for slot in before}
    points = {}
    for place in range(1, how.n_settings + 1):
        if place in there:
            known.add(_key(there[place].params))
            continue
        rng = random.Random(seed_for(seed, number, place))
        start = kept[(place - 1) % len(kept)].params if kept else {}
        params = _draw_new(space, start, how.perturbation, known, rng)
        if params is None:
            break
        known.add(_key(params))
        points[place] = Point(params, space.distributions(params))
    return points


def _draw_new(
    space: Space,
    start: Mapping[str, Scalar],
    reach: float,
    known: set[_Key],
    rng: random.Random,
) -> dict[str, Scalar] | None:
    """Return a setting that is not known: near `start`, else any; None if there is no other."""
    near = partial(_perturbed, start=start, reach=reach, rng=rng)
    for choose in [near] * DRAWS + [partial(_drawn, rng=rng)] * DRAWS:
        params = space.pick(choose)
        if _key(params) not in known:
            return params
    left = [params for params in space.listed(MAX_LISTED) if _key(params) not in known]
    return rng.choice(left) if left else None


def _perturbed(
    factor: Factor, start: Mapping[str, Scalar], reach: float, rng: random.Random
) -> Scalar:
    level = start.get(factor.name)
    if level is None or not factor.has(level):
        return _drawn(factor, rng)
    if rng.random() >= CHANGED:
        return level
    return factor.level_of(move(factor.distribution, level, reach, rng))


def _drawn(factor: Factor, rng: random.Random) -> Scalar:
    return factor.level_of(draw(factor.distribution, rng))


def _key(params: Mapping[str, Scalar]) -> _Key:
    return frozenset(params.items())
