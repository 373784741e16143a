"""The failed trials of a study that were not queued again, and how a person queues them again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from optuna.trial import TrialState
from sqlalchemy import Connection, select

from storage.budget import lift_stop
from storage.lost_trials import insert_retry
from storage.rows import in_state, lock_study, read_attrs, set_user_attrs
from storage.study_attributes import (
    FAIL_REASON_KEY,
    LOST_KEY,
    RETRIED_AS_KEY,
    RETRY_HISTORY_KEY,
    TRACEBACK_KEY,
)
from storage.tables import SYSTEM_ATTRS, TRIALS, USER_ATTRS
from storage.trial_storage import TrialStorage


@dataclass(frozen=True)
class Failures:
    """The failed trials of a study that were not queued again.

    Attributes:
        numbers: Their numbers, in order.
        reason: Why the first of them failed; empty where nobody said so.
        has_traceback: Whether the traceback of the first is kept, as its attribute.
    """

    numbers: list[int]
    reason: str = ""
    has_traceback: bool = False


def failures(storage: TrialStorage, study_id: int) -> Failures:
    """Return the failed trials of a study that were not queued again."""
    with storage.reading() as connection:
        failed = _failed(connection, study_id)
        if not failed:
            return Failures([])
        attrs = read_attrs(connection, USER_ATTRS, min(failed.items(), key=_number)[0])
    reason = str(attrs.get(FAIL_REASON_KEY) or "")
    return Failures(sorted(failed.values()), reason, TRACEBACK_KEY in attrs)


def requeue_failed(
    storage: TrialStorage, study_id: int, numbers: Collection[int] | None = None
) -> list[int]:
    """Queue failed trials again, each as a new trial that belongs to its lineage.

    They take nothing of the budget. However often they were lost, they may be lost anew. A study
    that a trial has stopped goes on, since nothing would execute them otherwise.

    Args:
        storage: The storage.
        study_id: The study.
        numbers: The trials; all that failed and were not queued again, when None. Others are left.

    Returns:
        The numbers of the failed trials that are queued again.

    Raises:
        StudyGoneError: The study was deleted.
    """
    with storage.transaction() as connection:
        lock_study(connection, study_id)
        failed = sorted(_failed(connection, study_id).items(), key=_number)
        chosen = [(i, n) for i, n in failed if numbers is None or n in numbers]
        for trial_id, number in chosen:
            system = read_attrs(connection, SYSTEM_ATTRS, trial_id) | {LOST_KEY: 0}
            history = [*system.get(RETRY_HISTORY_KEY, []), number]
            retry = insert_retry(connection, study_id, trial_id, system, history)
            set_user_attrs(connection, trial_id, {RETRIED_AS_KEY: retry})
        if chosen:
            lift_stop(connection, study_id)
    storage.forget(study_id)  # its cache never reads a finished trial again
    return [number for _, number in chosen]


def _failed(connection: Connection, study_id: int) -> dict[int, int]:
    """Return id -> number of the FAIL trials without a retry."""
    retried = (
        select(USER_ATTRS.c.trial_id)
        .join(TRIALS, TRIALS.c.trial_id == USER_ATTRS.c.trial_id)
        .where(TRIALS.c.study_id == study_id)
        .where(USER_ATTRS.c.key == RETRIED_AS_KEY, USER_ATTRS.c.value_json != "null")
    )
    failed = select(TRIALS.c.trial_id, TRIALS.c.number).where(in_state(study_id, TrialState.FAIL))
    rows = connection.execute(failed.where(TRIALS.c.trial_id.not_in(retried)))
    return {trial_id: number for trial_id, number in rows}


def _number(trial: tuple[int, int]) -> int:
    return trial[1]
