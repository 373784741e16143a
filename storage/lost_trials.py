"""Queue again the trials that lost their worker, or that a worker gives back.

A *lineage* is a trial together with its retries: a lost attempt ends as FAIL and is queued again as
a new trial, and each names the other. Optuna's own attributes `failed_trial` and
`retry_history` carry the link, so that Optuna's `RetryHeartbeatStaleTrialCallback` reads it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, func, select

from storage.errors import StudyGoneError
from storage.optuna_internals import trial_id
from storage.rows import (
    UNFINISHED,
    Point,
    attr_rows,
    database_time,
    fail_trials,
    insert_trials,
    lock_study,
    lock_trial,
    next_number,
    read_attrs,
    set_user_attrs,
)
from storage.study_attributes import (
    ARTIFACT_PREFIX,
    FAIL_REASON_KEY,
    HISTORY_KEY,
    LOST_KEY,
    RETRIED_AS_KEY,
    RETRY_HISTORY_KEY,
    RETRY_KEY,
    RETRY_OF_KEY,
    SEED_KEY,
)
from storage.tables import HEARTBEATS, PARAMS, SYSTEM_ATTRS, TRIALS, USER_ATTRS, WORKERS
from storage.trial_queue import beat
from storage.trial_storage import TrialStorage

FUTURE = timedelta(seconds=2)  # ahead of the database's clock, a beat shows that it was set back
MAX_RETRIES = 3  # a trial that takes its worker down each time must not be retried forever
KEPT_BY_RETRY = (SEED_KEY,)  # the other user attributes describe one attempt only
GIVEN_UP = "its worker has given up waiting for the database"
# How system attributes begin that a retry does not inherit. It does inherit the rungs that Optuna's
# pruners have noted: it has passed them, and is not judged there again.
OF_ONE_ATTEMPT = (ARTIFACT_PREFIX, HISTORY_KEY)


# Whether a trial is the first attempt of a lineage, or another one.
_IS_LINK = (SYSTEM_ATTRS.c.trial_id == TRIALS.c.trial_id) & (SYSTEM_ATTRS.c.key == RETRY_KEY)


@dataclass(frozen=True)
class StaleTrial:
    """A RUNNING trial without a recent heartbeat.

    Attributes:
        study_id: The id of its study.
        id: Its id.
        number: Its number.
        first_attempt: The number of the first attempt of its lineage.
    """

    study_id: int
    id: int
    number: int
    first_attempt: int


def requeue(
    storage: TrialStorage, trial: FrozenTrial, reason: str, *, lost: bool = False
) -> int | None:
    """End a RUNNING trial as FAIL and queue it again as a new trial.

    Args:
        storage: The storage.
        trial: The trial, as it was claimed.
        reason: Why the attempt ended, kept as its `fail_reason`.
        lost: Whether the attempt counts as lost, since the trial itself may be the cause.

    Returns:
        The number of the new trial; None where the trial had ended elsewhere, or was lost more than
        `MAX_RETRIES` times and ends without a retry.

    Raises:
        StudyGoneError: The study was deleted, and the trial with it.
    """
    claimed = trial_id(trial)
    with storage.transaction() as connection:
        study_id = _lock_study_of(connection, claimed)
        return _requeue(connection, study_id, claimed, reason, lost=lost)


def requeue_stale(
    storage: TrialStorage,
    study_ids: Collection[int],
    grace: float,
    was_given_up: Callable[[StaleTrial], bool] = lambda _: False,
) -> list[tuple[int, int]]:
    """Requeue the RUNNING trials whose heartbeat is older than `grace` seconds.

    A trial that lost its worker more than `MAX_RETRIES` times ends without a retry.

    Args:
        storage: The storage.
        study_ids: The studies to search; deleted ones are skipped.
        grace: Seconds without a heartbeat after which a worker counts as lost.
        was_given_up: Tells whether the worker of a trial is known to have ended because the
            database was away. Such an attempt does not count as lost.

    Returns:
        The study's id and the number of each trial that is queued again.
    """
    with storage.reading() as connection:
        found = _stale(connection, study_ids, grace)
    given_up = {trial.id for trial in found if was_given_up(trial)}
    ended: list[tuple[int, int]] = []
    for study_id in sorted({trial.study_id for trial in found}):
        with suppress(StudyGoneError), storage.transaction() as connection:
            lock_study(connection, study_id)  # two workers must not requeue the same trial
            for trial in _stale(connection, [study_id], grace):
                is_lost = trial.id not in given_up
                reason = f"its worker was lost: no heartbeat for {grace:g} s"
                _requeue(
                    connection, study_id, trial.id, reason if is_lost else GIVEN_UP, lost=is_lost
                )
                ended.append((study_id, trial.number))
    return ended


def begin_once(
    storage: TrialStorage, study_id: int, point: Point, began: datetime | None = None
) -> FrozenTrial:
    """Begin a trial that no worker has claimed: where it is lost, it ends without a retry.

    Args:
        storage: The storage.
        study_id: The study, which is locked meanwhile.
        point: Its parameters and attributes.
        began: When it began, in UTC without a zone; now by default.

    Returns:
        The trial, which is RUNNING and has its first heartbeat.

    Raises:
        StudyGoneError: The study was deleted.
    """
    once = replace(point, system_attrs={**point.system_attrs, LOST_KEY: MAX_RETRIES})
    with storage.transaction() as connection:
        lock_study(connection, study_id)
        (own_id,) = insert_trials(connection, study_id, [once], TrialState.RUNNING)
        connection.execute(HEARTBEATS.insert(), [{"trial_id": own_id}])
        if began is not None:
            started = TRIALS.update().where(TRIALS.c.trial_id == own_id)
            connection.execute(started.values(datetime_start=began))
    (trial,) = storage.adopt(study_id, [own_id])
    return trial


def unfinished_lineages(storage: TrialStorage, study_id: int) -> set[int]:
    """Return the first attempts of those lineages of a study that wait or run."""
    # One statement sees one moment: a trial that is queued again is always in one of the states.
    attempts = (
        select(TRIALS.c.number, SYSTEM_ATTRS.c.value_json)
        .outerjoin(SYSTEM_ATTRS, _IS_LINK)
        .where(TRIALS.c.study_id == study_id, TRIALS.c.state.in_(UNFINISHED))
    )
    with storage.reading() as connection:
        rows = connection.execute(attempts).all()
    return {number if first is None else int(json.loads(first)) for number, first in rows}


def correct_beats(storage: TrialStorage, study_ids: Collection[int]) -> None:
    """Set signs of life that lie in the future to the present: the database's clock was set back.

    A worker that lives does so with its next beat. One that was lost would otherwise count as alive
    until the clock comes to the time of its last beat.
    """
    running = TRIALS.c.study_id.in_(study_ids) & (TRIALS.c.state == TrialState.RUNNING)
    beats = select(HEARTBEATS.c.trial_id, HEARTBEATS.c.heartbeat).join(
        TRIALS, TRIALS.c.trial_id == HEARTBEATS.c.trial_id
    )
    seen = select(WORKERS.c.worker, WORKERS.c.seen_at)
    with storage.reading() as connection:
        latest = database_time(connection) + FUTURE
        trials = [i for i, at in connection.execute(beats.where(running)) if at > latest]
        workers = [name for name, at in connection.execute(seen) if at > latest]
    if trials:
        beat(storage, trials)
    if workers:
        now = {"seen_at": func.current_timestamp()}
        with storage.transaction() as connection:
            connection.execute(WORKERS.update().where(WORKERS.c.worker.in_(workers)).values(now))


def _lock_study_of(connection: Connection, trial_id: int) -> int:
    """Lock the study of a trial and return its id."""
    study_id = connection.execute(
        select(TRIALS.c.study_id).where(TRIALS.c.trial_id == trial_id)
    ).scalar()
    if study_id is None:
        raise StudyGoneError(f"There is no trial with id {trial_id}: its study was deleted.")
    lock_study(connection, study_id)
    return int(study_id)


def _stale(connection: Connection, study_ids: Collection[int], grace: float) -> list[StaleTrial]:
    """Return the RUNNING trials that are silent for more than `grace` seconds."""
    columns = TRIALS.c.study_id, TRIALS.c.trial_id, TRIALS.c.number
    beats = connection.execute(
        select(
            *columns, SYSTEM_ATTRS.c.value_json, HEARTBEATS.c.heartbeat, func.current_timestamp()
        )
        .join(HEARTBEATS, HEARTBEATS.c.trial_id == TRIALS.c.trial_id)
        .outerjoin(SYSTEM_ATTRS, _IS_LINK)
        .where(TRIALS.c.study_id.in_(study_ids), TRIALS.c.state == TrialState.RUNNING)
        .order_by(TRIALS.c.trial_id)  # the order in which all transactions lock trials
    )
    return [
        StaleTrial(study_id, trial_id, number, number if first is None else int(json.loads(first)))
        for study_id, trial_id, number, first, heartbeat, now in beats
        if (now.replace(tzinfo=None) - heartbeat).total_seconds() > grace
    ]


def _requeue(
    connection: Connection, study_id: int, trial_id: int, reason: str, *, lost: bool
) -> int | None:
    """End a trial as FAIL and insert its retry; the study must be locked."""
    if lock_trial(connection, trial_id) is not TrialState.RUNNING:
        return None
    number = connection.execute(
        select(TRIALS.c.number).where(TRIALS.c.trial_id == trial_id)
    ).scalar_one()
    system = read_attrs(connection, SYSTEM_ATTRS, trial_id)
    history = [*system.get(RETRY_HISTORY_KEY, []), number]
    retry = None
    system[LOST_KEY] = system.get(LOST_KEY, 0) + lost
    if system[LOST_KEY] <= MAX_RETRIES:
        retry = insert_retry(connection, study_id, trial_id, system, history)
    set_user_attrs(connection, trial_id, {FAIL_REASON_KEY: reason, RETRIED_AS_KEY: retry})
    fail_trials(connection, TRIALS.c.trial_id == trial_id)
    return retry


def insert_retry(
    connection: Connection,
    study_id: int,
    trial_id: int,
    system: Mapping[str, Any],
    history: list[int],
) -> int:
    """Queue the next attempt of a trial; the study must be locked.

    Args:
        connection: A connection in a transaction.
        study_id: The study.
        trial_id: The attempt before it.
        system: The system attributes of that attempt, from which the new one takes over.
        history: The numbers of all attempts so far.

    Returns:
        The number of the new trial.
    """
    kept = {
        k: v for k, v in read_attrs(connection, USER_ATTRS, trial_id).items() if k in KEPT_BY_RETRY
    }
    point = Point({}, {}, {**kept, RETRY_OF_KEY: history[-1]})
    number = next_number(connection, study_id)
    (new_id,) = insert_trials(connection, study_id, [point], TrialState.WAITING)
    columns = ("param_name", "param_value", "distribution_json")
    copied = select(sqlalchemy.literal(new_id), *(PARAMS.c[c] for c in columns))
    # In their order, by which they are listed: the index would give them by name.
    in_order = copied.where(PARAMS.c.trial_id == trial_id).order_by(PARAMS.c.param_id)
    connection.execute(PARAMS.insert().from_select(["trial_id", *columns], in_order))
    notes = {k: v for k, v in system.items() if not k.startswith(OF_ONE_ATTEMPT)}
    links = {RETRY_KEY: history[0], RETRY_HISTORY_KEY: history}
    connection.execute(SYSTEM_ATTRS.insert(), attr_rows(new_id, {**notes, **links}))
    return number
