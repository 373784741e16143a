"""Points and their seeds: trials that differ in nothing but the seed count as one point."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isnan, nan, sqrt
from statistics import fmean, stdev

from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, func, select

from storage.optuna_internals import stored_to_value
from storage.point_keys import point_keys
from storage.rows import UNFINISHED, in_state
from storage.study_attributes import SEED_KEY, SEED_VALUES_KEY
from storage.tables import TRIALS, USER_ATTRS, VALUES


@dataclass(frozen=True)
class SeededPoint:
    """A point with those of its seeds that are complete.

    Attributes:
        values: Id -> value of its completed trials, in their order.
        n_seeds: How many seeds it has, or is to have.
        n_missing: How many of these have no completed trial: failed, pruned, or not yet run.
        is_open: Whether one of these still waits or runs.
    """

    values: Mapping[int, float]
    n_seeds: int
    n_missing: int
    is_open: bool

    @cached_property
    def mean(self) -> float:
        """The mean over the completed seeds."""
        return mean(self.values.values())


def mean(values: Iterable[float]) -> float:
    """Return the mean of values of which some may be infinite; NaN where it has none."""
    numbers = list(values)
    try:
        return fmean(numbers)
    except ValueError:  # infinity less infinity
        return nan


def spread(values: Iterable[float]) -> float | None:
    """Return the standard deviation of values over seeds, n - 1 in it; None where it has none."""
    numbers = list(values)
    if len(numbers) < 2 or isnan(sum(numbers) - sum(numbers)):
        return None
    return stdev(numbers)


def seeded_points(
    connection: Connection, study_id: int, ending: Mapping[int, float] | None = None
) -> list[SeededPoint] | None:
    """Return the points of a study that have a completed trial.

    A point has the seeds that it was queued with, and is to have at least as many as most points
    have: the last one may be cut short by a number of trials, one may be added by Optuna. Where the
    seed is a parameter, each has those that it was given.

    Args:
        connection: A connection in a transaction whose statements see one moment.
        study_id: The study.
        ending: Values of trials that are about to complete, by their ids.

    Returns:
        None where no point has a second seed: each trial is a point then.
    """
    if not _has_seeds(connection, study_id):
        return None
    found: dict[frozenset[tuple[str, str]], dict[int, object]] = defaultdict(dict)
    is_parameter = False
    for i, (params, seed) in point_keys(connection, TRIALS.c.study_id == study_id).items():
        point = frozenset(each for each in params if each[0] != SEED_KEY)
        is_parameter |= len(point) < len(params)
        found[point][i] = seed
    counts = Counter(len(set(seeds.values())) for seeds in found.values())
    if max(counts, default=1) < 2:
        return None
    usual = 1 if is_parameter else max(counts, key=lambda n: (counts[n], -n))
    values = _values(connection, study_id) | dict(ending or {})
    unfinished = _unfinished(connection, study_id) - values.keys()
    points = []
    for seeds in found.values():
        complete = {i: values[i] for i in sorted(seeds) if i in values}
        done = {seeds[i] for i in complete}
        n = max(usual, len(set(seeds.values())))
        is_open = any(i in unfinished for i in seeds)
        if complete:
            points.append(SeededPoint(complete, n, n - len(done), is_open))
    return points


def pooled_spread(groups: Iterable[Iterable[float]]) -> tuple[float, int] | None:
    """Return the standard deviation over seeds, pooled over points, and its degrees of freedom.

    Args:
        groups: The values of each point.

    Returns:
        None where no point has a second seed.
    """
    known = [(len(own) - 1, sd) for own in map(list, groups) if (sd := spread(own)) is not None]
    freedom = sum(n for n, _ in known)
    return (sqrt(sum(n * sd**2 for n, sd in known) / freedom), freedom) if freedom else None


def values_of_seeds(trial: FrozenTrial) -> list[float]:
    """Return what a complete trial came to with each of its seeds; its value where it has one."""
    values: list[float] = trial.user_attrs.get(SEED_VALUES_KEY, [trial.value])
    return values


def best_seed(trial: FrozenTrial, direction: StudyDirection) -> int:
    """Return the seed of a trial's network: of several that which came to the best value."""
    return int(trial.user_attrs[SEED_KEY]) + index_of_best(values_of_seeds(trial), direction)


def index_of_best(values: Sequence[float], direction: StudyDirection) -> int:
    """Return which of the values of a trial's seeds is the best, the first of equal ones."""
    choose = max if direction is StudyDirection.MAXIMIZE else min
    return values.index(choose(values))


def _has_seeds(connection: Connection, study_id: int) -> bool:
    """Tell whether trials of a study differ in their seeds; all others are spared the reading."""
    seed = USER_ATTRS.c.value_json
    least, most = connection.execute(
        select(func.min(seed), func.max(seed))
        .join(TRIALS, TRIALS.c.trial_id == USER_ATTRS.c.trial_id)
        .where(TRIALS.c.study_id == study_id, USER_ATTRS.c.key == SEED_KEY)
    ).one()
    return bool(least != most)


def _values(connection: Connection, study_id: int) -> dict[int, float]:
    statement = (
        select(VALUES.c.trial_id, VALUES.c.value, VALUES.c.value_type)
        .join(TRIALS, TRIALS.c.trial_id == VALUES.c.trial_id)
        .where(in_state(study_id, TrialState.COMPLETE))
    )
    return {i: stored_to_value(value, kind) for i, value, kind in connection.execute(statement)}


def _unfinished(connection: Connection, study_id: int) -> set[int]:
    waits = (TRIALS.c.study_id == study_id) & TRIALS.c.state.in_(UNFINISHED)
    return set(connection.execute(select(TRIALS.c.trial_id).where(waits)).scalars())
