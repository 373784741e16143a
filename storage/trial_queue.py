"""Hand each trial to exactly one worker: enqueue, claim, heartbeat.

Only this file makes waiting trials RUNNING. The points of a design wait as rows; an adaptive
sampler has no waiting rows, and the claim creates its trial in the transaction that checks the
budget; rounds are queued by rounds.py, one at once. Each way the number of trials is exact, however
many the workers.

Every transaction that creates trials locks the row of the study first, since Optuna's trial numbers
are counts without a constraint. A claim is the exception: it locks WAITING trials first, and the
study's row second. A transaction that holds the row therefore never waits for WAITING trials, only
for RUNNING ones, and no two can wait for each other. On SQLite every transaction holds the write
lock from its beginning (database.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import sqlalchemy
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import ColumnElement, Connection, func, select

from storage.budget import Budget, get_budget, is_ended, left_of, read_budget, write_budget
from storage.lacking import has_gap, lacking
from storage.read_trials import distribution_of
from storage.rounds import is_round_due
from storage.rows import (
    Point,
    count_queued,
    in_state,
    insert_trials,
    lock_study,
    utc_now,
)
from storage.tables import HEARTBEATS, PARAMS, TRIALS
from storage.trial_storage import TrialStorage
from storage.worked_time import count_time

WINDOW = 64  # the least number of waiting trials that a claim searches for those that agree
EQUAL_DIGITS = 12  # significant digits in which two floats must agree to count as one level


def enqueue(storage: TrialStorage, study_id: int, points: Sequence[Point], budget: Budget) -> int:
    """Queue the points that the study does not have yet, in one bulk write.

    The points queued so far are the first ones of the list: a second call with the same list adds
    nothing, and one with a longer list adds the difference. Trials that others have added, as by
    Optuna's `enqueue_trial`, take no point's place. Points of a design whose rows were deleted are
    queued anew.

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
        if not budget.adaptive and has_gap(connection, study_id):
            new = lacking(connection, study_id, points)  # rows of some were deleted
        else:
            new = list(points[count_queued(connection, study_id) :])
        write_budget(connection, study_id, budget)
        insert_trials(connection, study_id, new, TrialState.WAITING)
    return len(new)


def claim(
    storage: TrialStorage,
    study_id: int,
    n: int = 1,
    *,
    together: Collection[str] = (),
    like: Mapping[str, Any] | None = None,
    worked_for: float = 0.0,
) -> list[FrozenTrial]:
    """Claim up to `n` trials, which are RUNNING and the caller's alone from then on.

    Waiting trials come first, then new ones of an adaptive sampler, up to the budget. Each gets its
    first heartbeat here, without which it would never be found lost.

    Args:
        storage: The storage.
        study_id: The study to claim from.
        n: The largest number of trials to claim.
        together: Parameters in which the trials must agree, such as those that decide the program.
            Values that no RUNNING trial has are preferred. Trials without parameters fit any.
        like: The values of `together` to take; a name missing from it must be absent.
        worked_for: Seconds for which the caller has executed trials of this study without a break;
            they count towards its timeout.

    Returns:
        At most `n` trials: none when the budget or the time is spent, and fewer where `together`
        finds none that agree among the first that wait.

    Raises:
        StudyGoneError: The study was deleted, or has no budget.
    """
    timeout = get_budget(storage, study_id).timeout
    # Before the transaction of the claim, which must not lock the study before waiting trials.
    # Without a timeout only the beginning is noted here; the worker counts its time as it beats.
    if timeout is not None or not worked_for:
        seconds = count_time(storage, study_id, worked_for)
        if timeout is not None and seconds > timeout:
            return []
    with storage.transaction() as connection:
        budget = read_budget(connection, study_id)
        if budget.stopped_by is not None:
            return []
        ids = _take_waiting(connection, study_id, n, together, like)
        if budget.creates and len(ids) < n:
            ids += _create(connection, study_id, n - len(ids), budget)
        if ids:
            connection.execute(HEARTBEATS.insert(), [{"trial_id": i} for i in ids])
    return storage.adopt(study_id, ids)


def count_claimable(storage: TrialStorage, study_id: int) -> int | None:
    """Return how many trials can be claimed from a study now; None where there is no limit.

    Those of a round that is due count once they are queued.

    Raises:
        StudyGoneError: The study was deleted, or has no budget.
    """
    waiting = select(func.count()).select_from(TRIALS)
    with storage.reading() as connection:
        budget = read_budget(connection, study_id)
        if is_ended(connection, study_id, budget):
            return 0
        if budget.creates and budget.n_trials is None:
            return None
        n = connection.execute(waiting.where(in_state(study_id, TrialState.WAITING))).scalar_one()
        most = budget.n_trials if budget.creates else 0
        return int(n) + left_of(connection, study_id, budget, most or 0)


def is_claimable(storage: TrialStorage, study_id: int) -> bool:
    """Tell whether a claim would find a trial now, once a round that is due is queued.

    Raises:
        StudyGoneError: The study was deleted, or has no budget.
    """
    with storage.reading() as connection:
        budget = read_budget(connection, study_id)
        if is_ended(connection, study_id, budget):
            return False
        waiting = select(TRIALS.c.trial_id).where(in_state(study_id, TrialState.WAITING))
        if _any(connection, waiting):
            return True
        if budget.in_rounds:
            return is_round_due(connection, study_id, budget)
        return budget.adaptive and left_of(connection, study_id, budget, 1) > 0


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


def _any(connection: Connection, statement: sqlalchemy.Select[tuple[int]]) -> bool:
    return connection.execute(statement.limit(1)).first() is not None


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
    # Trials of a design that agree stand next to each other.
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
    n = left_of(connection, study_id, budget, n)
    return insert_trials(connection, study_id, [empty] * n, TrialState.RUNNING)
