"""The one order of completed trials: best value first, of equal values the earlier trial."""

from __future__ import annotations

from collections.abc import Iterable

import optuna
from optuna.storages import BaseStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import select

from storage.optuna_internals import stored_to_value, study_id
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
    """Return the `top` best completed trials, the best first."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    direction = study.direction
    return sorted(trials, key=lambda t: rank_key(direction, _value(t), t.number))[:top]


def best_trial(study: optuna.Study) -> FrozenTrial | None:
    """Return the best completed trial, None while there is none.

    It reads the values of all trials, but loads only one trial: the status of many large studies
    must not load all of theirs.
    """
    storage, of_study = storage_of(study), study_id(study)
    statement = (
        select(VALUES.c.value, VALUES.c.value_type, TRIALS.c.trial_id)
        .join(TRIALS, TRIALS.c.trial_id == VALUES.c.trial_id)
        .where(in_state(of_study, TrialState.COMPLETE))
    )
    with storage.reading() as connection:
        found = [(stored_to_value(v, kind), i) for v, kind, i in connection.execute(statement)]
    ranked = in_order(storage, of_study, found)
    return storage.get_trial(ranked[0][1]) if ranked else None


def _value(trial: FrozenTrial) -> float:
    assert trial.value is not None, "a completed trial has a value"
    return trial.value
