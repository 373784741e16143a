"""Hand each trial to exactly one worker: enqueue, claim, heartbeat.

Only this file makes trials RUNNING. The points of a design wait as rows; an adaptive sampler has no
waiting rows, and the claim creates its trial in the transaction that checks the budget. Either way
the number of trials is exact, whatever the number of workers.

Every transaction that creates trials locks the row of the study first, since Optuna's trial numbers
are counts without a constraint. A claim may have locked WAITING trials when it asks for that lock;
a transaction that holds the lock therefore waits for RUNNING trials only, so that no two can wait
for each other. On SQLite every transaction holds the write lock from its beginning (database.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

import sqlalchemy
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import ColumnElement, Connection, func, select

from storage.errors import StudyGoneError
from storage.read_trials import distribution_of
from storage.rows import (
    Point,
    attr_rows,
    count_lineages,
    count_queued,
    database_time,
    fail_trials,
    in_state,
    insert_trials,
    lock_study,
    utc_now,
)
from storage.study_attributes import (
    BEGUN_KEY,
    BUDGET_KEY,
    FAIL_REASON_KEY,
    read_study_attribute,
    write_study_attribute,
)
from storage.tables import HEARTBEATS, PARAMS, TRIALS, USER_ATTRS
from storage.trial_storage import TrialStorage

WINDOW = 64  # the least number of waiting trials that a claim searches for those that agree
EQUAL_DIGITS = 12  # significant digits in which two floats must agree to count as one level


@dataclass(frozen=True)
class Budget:
    """What a study may spend.

    Attributes:
        n_trials: Number of lineages, None for no limit. The points of a design count too.
        timeout: Seconds from the first claim on, None for no limit. Trials that still wait
            afterwards end as FAIL, with that reason.
        adaptive: Whether a claim creates a trial when none waits.
    """

    n_trials: int | None
    timeout: float | None
    adaptive: bool


def get_budget(storage: TrialStorage, study_id: int) -> Budget:
    """Return the budget of a study.

    Raises:
        StudyGoneError: The study was deleted, or has no budget: this service did not make it.
    """
    with storage.reading() as connection:
        return _budget(connection, study_id)


def enqueue(storage: TrialStorage, study_id: int, points: Sequence[Point], budget: Budget) -> int:
    """Queue the points that the study does not have yet, in one bulk write.

    The points queued so far are the first ones of the list: a second call with the same list adds
    nothing, and one with a longer list adds the difference. Trials that others have added, as by
    Optuna's `enqueue_trial`, take no point's place.

    Args:
        storage: The storage.
        study_id: The study, which is locked meanwhile.
        points: All points of the study, in order. Each has a seed among its attributes.
        budget: The budget of the study from now on. It is written in the same transaction, so that
            no claim creates a trial in the place of a point.

    Returns:
        The number of trials added.

    Raises:
        StudyGoneError: The study was deleted.
    """
    with storage.transaction() as connection:
        lock_study(connection, study_id)
        new = points[count_queued(connection, study_id) :]
        write_study_attribute(connection, study_id, BUDGET_KEY, asdict(budget))
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
    """Claim up to `n` trials, which are RUNNING and the caller's alone from then on.

    Waiting trials come first, in the order in which they were queued. For an adaptive sampler
    trials are then created, up to the budget. Every claimed trial gets its first heartbeat here:
    a RUNNING trial without a heartbeat would never be found lost.

    Args:
        storage: The storage.
        study_id: The study to claim from.
        n: The largest number of trials to claim.
        together: Parameters that must be equal in all claimed trials, or absent from all. Values
            that no RUNNING trial has come first, so that workers compile different programs.
            Trials without parameters, such as those created here, agree with any.
        like: Values that the trials must have in `together`; a name missing from it must be absent.

    Returns:
        At most `n` trials; none when nothing waits and the budget is spent. With `together` only
        the first `max(4 * n, WINDOW)` waiting trials are searched, since trials of a design that
        agree stand next to each other.

    Raises:
        StudyGoneError: The study was deleted, or has no budget.
    """
    with storage.transaction() as connection:
        budget = _budget(connection, study_id)
        if _is_over(connection, study_id, budget):
            cancel_waiting(connection, study_id, "the study's timeout was over")
            return []
        _record_begin(connection, study_id)
        ids = _take_waiting(connection, study_id, n, together, like)
        if budget.adaptive and len(ids) < n:
            ids += _create(connection, study_id, n - len(ids), budget)
        if ids:
            connection.execute(HEARTBEATS.insert(), [{"trial_id": i} for i in ids])
    return storage.adopt(study_id, ids)


def count_claimable(storage: TrialStorage, study_id: int) -> int | None:
    """Return how many trials can be claimed from a study now; None where there is no limit.

    Raises:
        StudyGoneError: The study was deleted, or has no budget.
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
    """Tell whether a claim would find a trial now, or end waiting ones whose timeout is over.

    Raises:
        StudyGoneError: The study was deleted, or has no budget.
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
    """Tell whether a worker runs a trial of this study, which is queued again if it is lost.

    RUNNING trials without a heartbeat belong to a user's own `study.optimize` and do not count.
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


def _budget(connection: Connection, study_id: int) -> Budget:
    value = read_study_attribute(connection, study_id, BUDGET_KEY)
    if value is None:
        raise StudyGoneError(f"There is no study of this service with id {study_id}.")
    return Budget(**value)


def _any(connection: Connection, statement: sqlalchemy.Select[tuple[int]]) -> bool:
    return connection.execute(statement.limit(1)).first() is not None


def _is_over(connection: Connection, study_id: int, budget: Budget) -> bool:
    if budget.timeout is None:
        return False
    begun = read_study_attribute(connection, study_id, BEGUN_KEY)
    if begun is None:
        return False
    # Not by the times of trials, which come from the clocks of different machines.
    spent = database_time(connection) - datetime.fromisoformat(begun)
    return spent.total_seconds() > budget.timeout


def _record_begin(connection: Connection, study_id: int) -> None:
    """Record the time of a study's first claim: a timeout, even one set later, counts from it."""
    if read_study_attribute(connection, study_id, BEGUN_KEY) is None:
        lock_study(connection, study_id)
        # Another claim may have been first while this one waited for the lock.
        if read_study_attribute(connection, study_id, BEGUN_KEY) is None:
            now = database_time(connection).isoformat()
            write_study_attribute(connection, study_id, BEGUN_KEY, now)


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
        # Other claims may have locked all waiting trials for a moment, since they search more than
        # they take. Waiting for them is safe only while this transaction has locked none itself.
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
    """Return those of `ids` that agree with `like`, or with one of them where `like` is None.

    That one is the first whose levels no RUNNING trial has, or else the first with parameters.
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
    """Return trial id -> name -> level in `names`, of those trials that have parameters."""
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
    return {
        k: float(f"{v:.{EQUAL_DIGITS}g}") if isinstance(v, float) else v for k, v in levels.items()
    }


def _create(connection: Connection, study_id: int, n: int, budget: Budget) -> list[int]:
    lock_study(connection, study_id)
    empty = Point(params={}, distributions={})
    n = _left(connection, study_id, budget, n)
    return insert_trials(connection, study_id, [empty] * n, TrialState.RUNNING)


def cancel_waiting(connection: Connection, study_id: int, reason: str) -> None:
    """End all WAITING trials of a study as FAIL.

    They are not deleted: Optuna's trial numbers are counts, and would be given out twice.
    """
    ids = fail_trials(connection, in_state(study_id, TrialState.WAITING))
    rows = [row for i in ids for row in attr_rows(i, {FAIL_REASON_KEY: reason})]
    if rows:
        connection.execute(USER_ATTRS.insert(), rows)
