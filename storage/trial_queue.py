"""Hand each trial to exactly one worker: enqueue, claim, heartbeat, requeue.

This is the only place that makes a trial RUNNING. A design's points wait as rows; for an adaptive
sampler nothing waits, and the claim creates the trial in the transaction that checks the budget.
Either way the number of trials is exact however many workers pull.

A *lineage* is a trial together with the retries of it: a lost attempt ends as FAIL and is queued
again as a new trial, each naming the other. Optuna's own attributes `failed_trial` and
`retry_history` carry the link, so that Optuna's `RetryHeartbeatStaleTrialCallback` reads it.

Whatever creates rows locks the row of the study, since Optuna's trial numbers are counts without
a constraint. Whoever holds that lock waits for RUNNING trials only, and a claim may come to it with
waiting ones locked, so that no two wait for each other. On SQLite every
transaction here holds the write lock from its beginning (connect.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import sqlalchemy
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, func, select

from storage.connect import TrialStorage
from storage.trial_rows import (
    HEARTBEATS,
    PARAMS,
    RETRY_KEY,
    STUDY_ATTRS,
    SYSTEM_ATTRS,
    TRIALS,
    USER_ATTRS,
    Point,
    attr_rows,
    count_lineages,
    count_trials,
    fail_trials,
    in_state,
    insert_trials,
    lock_study,
    lock_trial,
    read_attrs,
    set_user_attrs,
    utc_now,
)

MAX_RETRIES = 3  # of a trial that loses its worker each time: it must end some day
BUDGET_KEY = "budget"  # user attribute of the study
KEPT_BY_RETRY = ("seed",)  # user attributes; the others tell of one attempt only
# Optuna's notes that a retry must not have: on steps, which it takes again, and on files.
OF_ONE_ATTEMPT = ("completed_rung_", "artifacts:")
LOST_KEY = "lost_attempts"  # system attribute: how many attempts ended with their worker


@dataclass(frozen=True)
class Budget:
    """What a study may spend.

    Attributes:
        n_trials: Number of lineages, None for no limit. The points of a design count too.
        timeout: Seconds from the first claim on, None for no limit. What still waits when they
            are over is taken out: it ends as FAIL, with that reason.
        adaptive: Whether a claim creates a trial when none waits.
    """

    n_trials: int | None
    timeout: float | None
    adaptive: bool


def get_budget(storage: TrialStorage, study_id: int) -> Budget:
    """Return the budget of a study.

    Raises:
        KeyError: There is no such study, or it has no budget: it was not made by this service.
    """
    with storage.reading() as connection:
        return _budget(connection, study_id)


def enqueue(storage: TrialStorage, study_id: int, points: Sequence[Point], budget: Budget) -> int:
    """Queue those of `points` that the study does not have yet, in one bulk write.

    The points are counted from the first lineage of the study, so that a second call with the
    same list adds nothing and one with a longer list adds the difference.

    Args:
        storage: The storage.
        study_id: The study, which is locked meanwhile.
        points: All points of the study, in order.
        budget: The budget of the study from now on, written in the same transaction: no claim
            may create a trial in the place of a point.

    Returns:
        The number of trials added.

    Raises:
        KeyError: There is no such study.
    """
    with storage.transaction() as connection:
        lock_study(connection, study_id)
        new = points[count_lineages(connection, study_id) :]
        _write_budget(connection, study_id, budget)
        insert_trials(connection, study_id, new, TrialState.WAITING)
    return len(new)


def claim(storage: TrialStorage, study_id: int, n: int = 1) -> list[FrozenTrial]:
    """Take up to `n` trials, which are RUNNING and the caller's alone from then on.

    Waiting trials come first, in the order in which they were queued. For an adaptive sampler
    trials are then created, up to the budget. Every claimed trial gets its first heartbeat here:
    a RUNNING trial that has none would never be found lost.

    Args:
        storage: The storage.
        study_id: The study to take from.
        n: The largest number of trials to take.

    Returns:
        At most `n` trials; an empty list when nothing waits and the budget is spent.

    Raises:
        KeyError: There is no such study, or it has no budget.
    """
    with storage.transaction() as connection:
        budget = _budget(connection, study_id)
        if _is_over(connection, study_id, budget):
            _cancel_waiting(connection, study_id, "the study's timeout was over")
            return []
        ids = _take_waiting(connection, study_id, n)
        if budget.adaptive and len(ids) < n:
            ids += _create(connection, study_id, n - len(ids), budget)
        if ids:
            connection.execute(HEARTBEATS.insert(), [{"trial_id": i} for i in ids])
    return storage.adopt(study_id, ids)


def is_claimable(storage: TrialStorage, study_id: int) -> bool:
    """Tell whether a claim would find something now.

    Raises:
        KeyError: There is no such study, or it has no budget.
    """
    with storage.reading() as connection:
        budget = _budget(connection, study_id)
        if _any(
            connection, select(TRIALS.c.trial_id).where(in_state(study_id, TrialState.WAITING))
        ):
            return True
        return (
            budget.adaptive
            and not _is_over(connection, study_id, budget)
            and _left(connection, study_id, budget, 1) > 0
        )


def is_running(storage: TrialStorage, study_id: int) -> bool:
    """Tell whether a worker has a trial of this study, which comes back if that worker is lost.

    RUNNING trials that have no heartbeat belong to somebody else's loop and are not counted.
    """
    beating = (
        select(TRIALS.c.trial_id)
        .join(HEARTBEATS, HEARTBEATS.c.trial_id == TRIALS.c.trial_id)
        .where(in_state(study_id, TrialState.RUNNING))
    )
    with storage.reading() as connection:
        return _any(connection, beating)


def beat(storage: TrialStorage, trial_ids: Iterable[int]) -> None:
    """Record by the database's clock that the worker of these trials is alive."""
    statement = HEARTBEATS.update().where(HEARTBEATS.c.trial_id.in_(list(trial_ids)))
    with storage.transaction() as connection:
        connection.execute(statement.values(heartbeat=func.current_timestamp()))


def record_attributes(storage: TrialStorage, trial_id: int, attributes: Mapping[str, Any]) -> None:
    """Write user attributes of a RUNNING trial in one transaction.

    Raises:
        UpdateFinishedTrialError: The trial has ended elsewhere.
    """
    with storage.transaction() as connection:
        if lock_trial(connection, trial_id) is not TrialState.RUNNING:
            raise UpdateFinishedTrialError(f"Trial with id {trial_id} is no longer running.")
        set_user_attrs(connection, trial_id, attributes)


def requeue(storage: TrialStorage, trial: FrozenTrial, reason: str) -> int | None:
    """End a RUNNING trial as FAIL and queue it again as a new trial.

    Args:
        storage: The storage.
        trial: The trial, as it was claimed.
        reason: Why it ended, kept as its `fail_reason`.

    Returns:
        The number of the new trial; None where the trial had ended elsewhere.

    Raises:
        KeyError: The trial is gone, with its study.
    """
    with storage.transaction() as connection:
        study_id = _study_of(connection, trial._trial_id)
        return _requeue(connection, study_id, trial._trial_id, reason, lost=False)


def requeue_stale(storage: TrialStorage, study_id: int, grace: float) -> list[int]:
    """Requeue the RUNNING trials whose heartbeat is older than `grace` seconds.

    One that has lost its worker more than `MAX_RETRIES` times ends without a retry.

    Args:
        storage: The storage.
        study_id: The study to look through.
        grace: Seconds without a heartbeat after which a worker counts as lost.

    Returns:
        The numbers of the trials that were lost.

    Raises:
        KeyError: The study was deleted.
    """
    with storage.reading() as connection:
        if not _stale(connection, study_id, grace):
            return []
    with storage.transaction() as connection:
        lock_study(connection, study_id)  # of two workers that look, one finds
        stale = _stale(connection, study_id, grace)
        for trial_id in stale:
            reason = f"its worker was lost: no heartbeat for {grace:g} s"
            _requeue(connection, study_id, trial_id, reason, lost=True)
    return list(stale.values())


def _study_of(connection: Connection, trial_id: int) -> int:
    """Lock the study of a trial and return its id."""
    study_id = connection.execute(
        select(TRIALS.c.study_id).where(TRIALS.c.trial_id == trial_id)
    ).scalar()
    if study_id is None:
        raise KeyError(f"There is no trial with id {trial_id}: its study was deleted.")
    lock_study(connection, study_id)
    return int(study_id)


def _write_budget(connection: Connection, study_id: int, budget: Budget) -> None:
    row = (STUDY_ATTRS.c.study_id == study_id) & (STUDY_ATTRS.c.key == BUDGET_KEY)
    connection.execute(STUDY_ATTRS.delete().where(row))
    value = {"study_id": study_id, "key": BUDGET_KEY, "value_json": json.dumps(asdict(budget))}
    connection.execute(STUDY_ATTRS.insert().values(value))


def _budget(connection: Connection, study_id: int) -> Budget:
    value = connection.execute(
        select(STUDY_ATTRS.c.value_json).where(
            STUDY_ATTRS.c.study_id == study_id, STUDY_ATTRS.c.key == BUDGET_KEY
        )
    ).scalar()
    if value is None:
        raise KeyError(f"There is no study of this service with id {study_id}.")
    return Budget(**json.loads(value))


def _any(connection: Connection, statement: sqlalchemy.Select[tuple[int]]) -> bool:
    return connection.execute(statement.limit(1)).first() is not None


def _is_over(connection: Connection, study_id: int, budget: Budget) -> bool:
    if budget.timeout is None:
        return False
    started = connection.execute(
        select(func.min(TRIALS.c.datetime_start)).where(TRIALS.c.study_id == study_id)
    ).scalar()
    return started is not None and (utc_now() - started).total_seconds() > budget.timeout


def _left(connection: Connection, study_id: int, budget: Budget, n: int) -> int:
    """Return how many of `n` trials the budget still allows to create."""
    if budget.n_trials is None:
        return n
    return max(0, min(n, budget.n_trials - count_lineages(connection, study_id)))


def _take_waiting(connection: Connection, study_id: int, n: int) -> list[int]:
    ids = list(
        connection.execute(
            select(TRIALS.c.trial_id)
            .where(in_state(study_id, TrialState.WAITING))
            .order_by(TRIALS.c.trial_id)
            .limit(n)
            .with_for_update(skip_locked=True)
        ).scalars()
    )
    if ids:
        connection.execute(
            TRIALS.update()
            .where(TRIALS.c.trial_id.in_(ids))
            .values(state=TrialState.RUNNING, datetime_start=utc_now())
        )
    return ids


def _create(connection: Connection, study_id: int, n: int, budget: Budget) -> list[int]:
    lock_study(connection, study_id)
    empty = Point(params={}, distributions={})
    n = _left(connection, study_id, budget, n)
    return insert_trials(connection, study_id, [empty] * n, TrialState.RUNNING)


def _stale(connection: Connection, study_id: int, grace: float) -> dict[int, int]:
    """Return the ids and numbers of the RUNNING trials silent for more than `grace` seconds."""
    beats = connection.execute(
        select(TRIALS.c.trial_id, TRIALS.c.number, HEARTBEATS.c.heartbeat, func.current_timestamp())
        .join(HEARTBEATS, HEARTBEATS.c.trial_id == TRIALS.c.trial_id)
        .where(in_state(study_id, TrialState.RUNNING))
    )
    return {
        trial_id: number
        for trial_id, number, heartbeat, now in beats
        if (now.replace(tzinfo=None) - heartbeat).total_seconds() > grace
    }


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
    history = [*system.get("retry_history", []), number]
    retry = None
    system[LOST_KEY] = system.get(LOST_KEY, 0) + lost
    if system[LOST_KEY] <= MAX_RETRIES:
        retry = _insert_retry(connection, study_id, trial_id, system, history)
    set_user_attrs(connection, trial_id, {"fail_reason": reason, "retried_as": retry})
    fail_trials(connection, TRIALS.c.trial_id == trial_id)
    return retry


def _insert_retry(
    connection: Connection,
    study_id: int,
    trial_id: int,
    system: Mapping[str, Any],
    history: list[int],
) -> int:
    kept = {
        k: v for k, v in read_attrs(connection, USER_ATTRS, trial_id).items() if k in KEPT_BY_RETRY
    }
    point = Point({}, {}, {**kept, "retry_of": history[-1]})
    number = count_trials(connection, study_id)
    (new_id,) = insert_trials(connection, study_id, [point], TrialState.WAITING)
    columns = ("param_name", "param_value", "distribution_json")
    copied = select(sqlalchemy.literal(new_id), *(PARAMS.c[c] for c in columns))
    connection.execute(
        PARAMS.insert().from_select(
            ["trial_id", *columns], copied.where(PARAMS.c.trial_id == trial_id)
        )
    )
    notes = {k: v for k, v in system.items() if not k.startswith(OF_ONE_ATTEMPT)}
    links = {RETRY_KEY: history[0], "retry_history": history}
    connection.execute(SYSTEM_ATTRS.insert(), attr_rows(new_id, {**notes, **links}))
    return number


def _cancel_waiting(connection: Connection, study_id: int, reason: str) -> None:
    # Trials are never deleted: Optuna's numbers are counts, and would be given out twice.
    ids = fail_trials(connection, in_state(study_id, TrialState.WAITING))
    rows = [row for i in ids for row in attr_rows(i, {"fail_reason": reason})]
    if rows:
        connection.execute(USER_ATTRS.insert(), rows)
