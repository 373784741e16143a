"""Hand each trial to exactly one worker: enqueue, claim, heartbeat.

This is the only place that makes a trial RUNNING. A design's points wait as rows; for an adaptive
sampler nothing waits, and the claim creates the trial in the transaction that checks the budget.
Either way the number of trials is exact however many workers pull.

Whatever creates rows locks the row of the study, since Optuna's trial numbers are counts without
a constraint. Whoever holds that lock waits for RUNNING trials only, and a claim may come to it with
waiting ones locked, so that no two wait for each other. On SQLite every
transaction here holds the write lock from its beginning (connect.py).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import ColumnElement, Connection, func, select

from storage.connect import TrialStorage
from storage.read_trials import distribution_of
from storage.rows import (
    HEARTBEATS,
    PARAMS,
    STUDY_USER_ATTRS,
    TRIALS,
    USER_ATTRS,
    Point,
    attr_rows,
    count_lineages,
    database_time,
    fail_trials,
    in_state,
    insert_trials,
    lock_study,
    lock_trial,
    set_user_attrs,
    utc_now,
)

BUDGET_KEY = "budget"  # user attributes of the study
BEGUN_KEY = "begun_at"  # by the database's clock, in UTC
WINDOW = 64  # waiting trials, at the least, that a claim looks through for those that agree
DIGITS = 12  # in which two floats that are one level agree


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
        _set_attribute(connection, study_id, BUDGET_KEY, asdict(budget))
        insert_trials(connection, study_id, new, TrialState.WAITING)
    return len(new)


def claim(
    storage: TrialStorage,
    study_id: int,
    n: int = 1,
    *,
    together: Collection[str] = (),
    like: Mapping[str, Any] | None = None,
) -> list[FrozenTrial]:
    """Take up to `n` trials, which are RUNNING and the caller's alone from then on.

    Waiting trials come first, in the order in which they were queued. For an adaptive sampler
    trials are then created, up to the budget. Every claimed trial gets its first heartbeat here:
    a RUNNING trial that has none would never be found lost.

    Args:
        storage: The storage.
        study_id: The study to take from.
        n: The largest number of trials to take.
        together: Parameters in which all of them agree: one value, or absent in all. Values that
            no RUNNING trial has come first, so that workers side by side compile different
            programs. Trials that have no parameters yet, such as those created here, agree with
            any.
        like: Values with which they agree in `together` as well; a name that is not in it must be
            absent.

    Returns:
        At most `n` trials; an empty list when nothing waits and the budget is spent. With
        `together` only the first `max(4 * n, WINDOW)` waiting trials are looked at: a design has
        those that agree next to each other.

    Raises:
        KeyError: There is no such study, or it has no budget.
    """
    with storage.transaction() as connection:
        budget = _budget(connection, study_id)
        if _is_over(connection, study_id, budget):
            _cancel_waiting(connection, study_id, "the study's timeout was over")
            return []
        _record_begin(connection, study_id)
        ids = _take_waiting(connection, study_id, n, together, like)
        if budget.adaptive and len(ids) < n:
            ids += _create(connection, study_id, n - len(ids), budget)
        if ids:
            connection.execute(HEARTBEATS.insert(), [{"trial_id": i} for i in ids])
    return storage.adopt(study_id, ids)


def count_claimable(storage: TrialStorage, study_id: int) -> int | None:
    """Return how many trials a study still hands out now; None where there is no limit.

    Raises:
        KeyError: There is no such study, or it has no budget.
    """
    waiting = select(func.count()).select_from(TRIALS)
    with storage.reading() as connection:
        budget = _budget(connection, study_id)
        if _is_over(connection, study_id, budget):
            return 0
        if budget.adaptive and budget.n_trials is None:
            return None
        n = connection.execute(waiting.where(in_state(study_id, TrialState.WAITING))).scalar_one()
        most = budget.n_trials if budget.adaptive else 0
        return int(n) + _left(connection, study_id, budget, most or 0)


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
    storage.outdate(trial_id)


def _budget(connection: Connection, study_id: int) -> Budget:
    value = _attribute(connection, study_id, BUDGET_KEY)
    if value is None:
        raise KeyError(f"There is no study of this service with id {study_id}.")
    return Budget(**value)


def _attribute(connection: Connection, study_id: int, key: str) -> Any:
    """Return a user attribute of a study, None where it has none of this name."""
    value = connection.execute(
        select(STUDY_USER_ATTRS.c.value_json).where(
            STUDY_USER_ATTRS.c.study_id == study_id, STUDY_USER_ATTRS.c.key == key
        )
    ).scalar()
    return None if value is None else json.loads(value)


def _set_attribute(connection: Connection, study_id: int, key: str, value: Any) -> None:
    """Write a user attribute of a study, which must be locked."""
    row = (STUDY_USER_ATTRS.c.study_id == study_id) & (STUDY_USER_ATTRS.c.key == key)
    connection.execute(STUDY_USER_ATTRS.delete().where(row))
    new = {"study_id": study_id, "key": key, "value_json": json.dumps(value)}
    connection.execute(STUDY_USER_ATTRS.insert().values(new))


def _any(connection: Connection, statement: sqlalchemy.Select[tuple[int]]) -> bool:
    return connection.execute(statement.limit(1)).first() is not None


def _is_over(connection: Connection, study_id: int, budget: Budget) -> bool:
    if budget.timeout is None:
        return False
    begun = _attribute(connection, study_id, BEGUN_KEY)
    if begun is None:
        return False
    # Not by the times of trials, which are those of the machines that took them.
    spent = database_time(connection) - datetime.fromisoformat(begun)
    return spent.total_seconds() > budget.timeout


def _record_begin(connection: Connection, study_id: int) -> None:
    """Note the first claim of a study, from which a timeout counts that may be set later."""
    if _attribute(connection, study_id, BEGUN_KEY) is None:
        lock_study(connection, study_id)  # of two first claims, one notes it
        if _attribute(connection, study_id, BEGUN_KEY) is None:
            now = database_time(connection).isoformat()
            _set_attribute(connection, study_id, BEGUN_KEY, now)


def _left(connection: Connection, study_id: int, budget: Budget, n: int) -> int:
    """Return how many of `n` trials the budget still allows to create."""
    if budget.n_trials is None:
        return n
    return max(0, min(n, budget.n_trials - count_lineages(connection, study_id)))


def _take_waiting(
    connection: Connection,
    study_id: int,
    n: int,
    together: Collection[str],
    like: Mapping[str, Any] | None,
) -> list[int]:
    waiting = (
        select(TRIALS.c.trial_id)
        .where(in_state(study_id, TrialState.WAITING))
        .order_by(TRIALS.c.trial_id)
    )
    window = waiting.limit(max(4 * n, WINDOW) if together else n)
    ids = list(connection.execute(window.with_for_update(skip_locked=True)).scalars())
    if together:
        # All that wait may be locked for a moment by others, who look at more than they take.
        # Only whoever has locked nothing may wait for them.
        if not ids and connection.execute(waiting.limit(1).with_for_update()).first():
            ids = list(connection.execute(window.with_for_update(skip_locked=True)).scalars())
        ids = _agreeing(connection, study_id, ids, together, like)[:n]
    if ids:
        connection.execute(
            TRIALS.update()
            .where(TRIALS.c.trial_id.in_(ids))
            .values(state=TrialState.RUNNING, datetime_start=utc_now())
        )
    return ids


def _agreeing(
    connection: Connection,
    study_id: int,
    ids: Sequence[int],
    together: Collection[str],
    like: Mapping[str, Any] | None,
) -> list[int]:
    """Return those of `ids` that agree with `like`, or else with the first that nobody runs like.

    Where all are run already, that is the first that has parameters.
    """
    found = _levels(connection, PARAMS.c.trial_id.in_(ids), together)
    if like is not None:
        wanted = _rounded({name: like[name] for name in together if name in like})
    else:
        in_order = [found[i] for i in ids if i in found]
        running = select(TRIALS.c.trial_id).where(in_state(study_id, TrialState.RUNNING))
        known = _levels(connection, PARAMS.c.trial_id.in_(running), together).values()
        unlike = (levels for levels in in_order if levels not in known)
        wanted = next(unlike, next(iter(in_order), {}))
    return [i for i in ids if found.get(i, wanted) == wanted]


def _levels(
    connection: Connection, trials: ColumnElement[bool], names: Collection[str]
) -> dict[int, dict[str, Any]]:
    """Return what trials that have parameters have for `names`: trial id -> name -> level."""
    columns = PARAMS.c.trial_id, PARAMS.c.param_name, PARAMS.c.param_value
    found: dict[int, dict[str, Any]] = {}
    for trial_id, name, value, distribution in connection.execute(
        select(*columns, PARAMS.c.distribution_json).where(trials)
    ):
        levels = found.setdefault(trial_id, {})
        if name in names:
            levels[name] = distribution_of(distribution).to_external_repr(value)
    return {trial_id: _rounded(levels) for trial_id, levels in found.items()}


def _rounded(levels: Mapping[str, Any]) -> dict[str, Any]:
    return {k: float(f"{v:.{DIGITS}g}") if isinstance(v, float) else v for k, v in levels.items()}


def _create(connection: Connection, study_id: int, n: int, budget: Budget) -> list[int]:
    lock_study(connection, study_id)
    empty = Point(params={}, distributions={})
    n = _left(connection, study_id, budget, n)
    return insert_trials(connection, study_id, [empty] * n, TrialState.RUNNING)


def _cancel_waiting(connection: Connection, study_id: int, reason: str) -> None:
    # Trials are never deleted: Optuna's numbers are counts, and would be given out twice.
    ids = fail_trials(connection, in_state(study_id, TrialState.WAITING))
    rows = [row for i in ids for row in attr_rows(i, {"fail_reason": reason})]
    if rows:
        connection.execute(USER_ATTRS.insert(), rows)
