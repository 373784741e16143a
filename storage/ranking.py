"""The one order of what is complete: best value first, of equal values the earlier trial.

Where points have several seeds, a trial each, points are ranked by the mean over them, and one
lucky seed leads nothing. Those with missing seeds, whatever their means, stand after the others.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isnan

import optuna
import sqlalchemy
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, case, select

from storage.optuna_internals import study_id, trial_id, value_to_stored
from storage.read_trials import read_trials
from storage.rows import in_state
from storage.seeds import SeededPoint, mean, seeded_points, spread, values_of_seeds
from storage.study_attributes import SEED_VALUES_KEY
from storage.tables import TRIALS, USER_ATTRS, VALUES
from storage.trial_storage import storage_of


def rank_key(direction: StudyDirection, value: float, position: int) -> tuple[float, int]:
    """Return the key by which trials are sorted, the best first.

    Args:
        direction: The direction of the study.
        value: The value of the trial.
        position: Its number or its id: both grow in the order in which trials are created.
    """
    return -value if direction is StudyDirection.MAXIMIZE else value, position


@dataclass(frozen=True)
class BestPoint:
    """A point in its place among the best.

    Attributes:
        trial: The trial of its best seed; or its only one, whose value may be a mean over seeds.
        values: The value of each of its completed seeds.
        n_seeds: How many seeds it has, or is to have.
        n_missing: How many of these are not complete.
        ids: Its completed trials, the best first.
    """

    trial: FrozenTrial
    values: Sequence[float]
    n_seeds: int
    n_missing: int
    ids: Sequence[int]

    @property
    def value(self) -> float:
        """What it is ranked by: the mean over its seeds."""
        return mean(self.values)

    @property
    def std(self) -> float | None:
        """The standard deviation over its seeds; None where it has only one."""
        return spread(self.values)


@dataclass(frozen=True)
class Ranking:
    """The points of a study in their order.

    Attributes:
        best: The best points that have a completed trial, the best first.
        seeds: The values of the seeds of each point, shown or not, the best point first; none where
            no point has a second seed.
    """

    best: list[BestPoint]
    seeds: list[Sequence[float]]


def ranking(study: optuna.Study, top: int) -> Ranking:
    """Return the `top` best points of a study.

    Where no point has several seeds, each trial is a point, and the others are not loaded.
    """
    storage, of_study = storage_of(study), study_id(study)
    with storage.snapshot() as connection:
        points = seeded_points(connection, of_study)
        if points is None:
            ids = connection.execute(select_best(of_study, study.direction, top)).scalars()
            best = [_of_one_trial(each) for each in read_trials(connection, of_study, list(ids))]
            has_seeds = any(len(point.values) > 1 for point in best)
            return Ranking(best, _seeds_of_trials(connection, study) if has_seeds else [])
        ranked = points_in_order(study.direction, points)
        ordered = [ids_in_order(study.direction, point.values) for point in ranked[:top]]
        trials = read_trials(connection, of_study, [ids[0] for ids in ordered])
    best = [
        BestPoint(trial, list(point.values.values()), point.n_seeds, point.n_missing, ids)
        for trial, point, ids in zip(trials, ranked, ordered, strict=False)
    ]
    return Ranking(best, [list(point.values.values()) for point in ranked])


def best_points(study: optuna.Study, top: int) -> list[BestPoint]:
    """Return the `top` best points that have a completed trial, the best first."""
    return ranking(study, top).best


def best_point(study: optuna.Study) -> BestPoint | None:
    """Return the best point, None while no trial is complete."""
    return next(iter(best_points(study, 1)), None)


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """Return the trial of the best point's best seed, None while no trial is complete."""
    best = best_point(study)
    return None if best is None else best.trial


def points_in_order(direction: StudyDirection, points: Iterable[SeededPoint]) -> list[SeededPoint]:
    """Return points, the best first, and those with missing seeds after all others."""

    def key(point: SeededPoint) -> tuple[bool, bool, tuple[float, int]]:
        is_undefined = isnan(point.mean)
        size = 0.0 if is_undefined else point.mean
        return point.n_missing > 0, is_undefined, rank_key(direction, size, min(point.values))

    return sorted(points, key=key)


def ids_in_order(direction: StudyDirection, values: Mapping[int, float]) -> list[int]:
    """Return the ids of trials, the best first."""
    return sorted(values, key=lambda i: rank_key(direction, values[i], i))


def points_to_keep(
    direction: StudyDirection, points: Iterable[SeededPoint], keep: int
) -> list[SeededPoint]:
    """Return the points of which a network is kept, the best first.

    They are the `keep` best, and as many more of those that may still become one of them: a network
    that is thrown away while other seeds of its point run is gone.
    """
    ranked = points_in_order(direction, points)
    return ranked[:keep] + [point for point in ranked[keep:] if point.is_open][:keep]


def select_best(study_id: int, direction: StudyDirection, top: int) -> sqlalchemy.Select[int]:
    """Return the statement for the ids of the `top` best completed trials, as `rank_key` orders."""
    # Infinity is stored as a kind, without a number.
    kinds = {value_to_stored(value)[1]: size for value, size in ((-inf, -1), (inf, 1))}
    size = case(*((VALUES.c.value_type == kind, n) for kind, n in kinds.items()), else_=0)
    ascends = direction is not StudyDirection.MAXIMIZE
    order = [each if ascends else each.desc() for each in (size, VALUES.c.value)]
    return (
        select(TRIALS.c.trial_id)
        .join(VALUES, VALUES.c.trial_id == TRIALS.c.trial_id)
        .where(in_state(study_id, TrialState.COMPLETE))
        .order_by(*order, TRIALS.c.number)
        .limit(top)
    )


def _of_one_trial(trial: FrozenTrial) -> BestPoint:
    """Return a point that has one trial; this may be of several seeds, all of them complete."""
    values = values_of_seeds(trial)
    return BestPoint(trial, values, len(values), 0, [trial_id(trial)])


def _seeds_of_trials(connection: Connection, study: optuna.Study) -> list[Sequence[float]]:
    """Return the values of the seeds of each completed trial of several, the best first."""
    values = (
        select(VALUES.c.trial_id, VALUES.c.value, USER_ATTRS.c.value_json)
        .join(TRIALS, TRIALS.c.trial_id == VALUES.c.trial_id)
        .join(USER_ATTRS, USER_ATTRS.c.trial_id == VALUES.c.trial_id)
        .where(in_state(study_id(study), TrialState.COMPLETE), USER_ATTRS.c.key == SEED_VALUES_KEY)
    )
    found = {i: (value, text) for i, value, text in connection.execute(values)}
    ids = ids_in_order(study.direction, {i: value for i, (value, _) in found.items()})
    return [json.loads(found[i][1]) for i in ids]
