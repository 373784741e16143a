"""The one order of completed trials: best value first, of equal values the earlier trial."""

from __future__ import annotations

from collections.abc import Iterable
from math import inf

import optuna
import sqlalchemy
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import case, select

from storage.optuna_internals import study_id, value_to_stored
from storage.read_trials import read_trials
from storage.rows import in_state
from storage.tables import TRIALS, VALUES
from storage.trial_storage import storage_of


def rank_key(direction: StudyDirection, value: float, position: int) -> tuple[float, int]:
    """Return the key by which trials are sorted, the best first.

    Args:
        direction: The direction of the study.
        value: The value of the trial.
        position: Its number or its id: both grow in the order in which trials are created.
    """
    return -value if direction is StudyDirection.MAXIMIZE else value, position


def in_order(
    storage: BaseStorage, study_id: int, trials: Iterable[tuple[float, int]]
) -> list[tuple[float, int]]:
    """Return values and ids of trials, the best of a study first."""
    (direction,) = storage.get_study_directions(study_id)
    return sorted(trials, key=lambda trial: rank_key(direction, *trial))


def best_rows(study: optuna.Study, top: int) -> list[FrozenTrial]:
    """Return the `top` best completed trials, the best first; the others are not loaded."""
    storage, of_study = storage_of(study), study_id(study)
    with storage.reading() as connection:
        ids = list(connection.execute(select_best(of_study, study.direction, top)).scalars())
        return read_trials(connection, of_study, ids)


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """Return the best completed trial, None while there is none."""
    return next(iter(best_rows(study, 1)), None)


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
