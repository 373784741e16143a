"""The progress of a study, in a few statements that never load its trials."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta

from optuna.trial import TrialState
from sqlalchemy import Connection, Exists, and_, func, literal, select

from storage.rows import (
    FINISHED,
    STARTED,
    count_lineages,
    count_trials,
    database_time,
    in_state,
    utc_now,
)
from storage.study_attributes import FAIL_REASON_KEY, RETRIED_AS_KEY
from storage.tables import HEARTBEATS, INTERMEDIATE_VALUES, TRIALS, USER_ATTRS
from storage.trial_storage import TrialStorage
from storage.worked_time import seconds_worked

RECENT = 30  # the rate is that of so many trials, the last to end, or of the latter half of all

SILENT = 60.0  # seconds without a heartbeat, after which a trial may have no worker
UNCOUNTED = 10.0  # seconds of work that no heartbeat may have counted yet


@dataclass(frozen=True)
class Overview:
    """The progress of a study.

    Attributes:
        counts: State -> number of trials.
        retried: The number of FAIL trials that were queued again.
        per_minute: Trials that ended per minute lately; None before two have ended.
        epochs: Number of each RUNNING trial -> the last step it reported, 0 before the first.
        silent: The numbers of RUNNING trials without a heartbeat for `SILENT` seconds, or at all.
    """

    counts: dict[TrialState, int]
    retried: int
    per_minute: float | None
    epochs: dict[int, int]
    silent: frozenset[int]

    @property
    def lineages_by_state(self) -> dict[TrialState, int]:
        """State -> number of lineages whose last attempt has it."""
        return {**self.counts, TrialState.FAIL: self.counts[TrialState.FAIL] - self.retried}

    @property
    def lineages(self) -> int:
        """The number of lineages, whatever their state."""
        return sum(self.counts.values()) - self.retried

    def total(self, n_trials: int | None) -> int | None:
        """Return how many lineages a study with this budget will have; None if it has no limit.

        They are more than the budget where Optuna's own `enqueue_trial` has added some.
        """
        return None if n_trials is None else max(n_trials, self.lineages)

    @property
    def started(self) -> int:
        """The number of trials that have started, retries included."""
        return sum(self.counts[state] for state in STARTED)

    @property
    def ended(self) -> int:
        """The number of lineages that have ended."""
        return sum(self.counts[state] for state in FINISHED) - self.retried


def overview(storage: TrialStorage, study_id: int) -> Overview:
    """Return the progress of a study.

    Args:
        storage: The storage.
        study_id: The study.
    """
    counted = select(TRIALS.c.state, func.count()).where(TRIALS.c.study_id == study_id)
    running = (
        select(
            TRIALS.c.number,
            func.max(INTERMEDIATE_VALUES.c.step).label("step"),
            func.max(HEARTBEATS.c.heartbeat).label("beat"),
        )
        .outerjoin(INTERMEDIATE_VALUES, INTERMEDIATE_VALUES.c.trial_id == TRIALS.c.trial_id)
        .outerjoin(HEARTBEATS, HEARTBEATS.c.trial_id == TRIALS.c.trial_id)
        .where(in_state(study_id, TrialState.RUNNING))
        .group_by(TRIALS.c.number)
    )
    with storage.snapshot() as connection:
        since = database_time(connection) - timedelta(seconds=SILENT)
        counts = {s: n for s, n in connection.execute(counted.group_by(TRIALS.c.state))}
        now_run = connection.execute(running).all()
        return Overview(
            counts={state: counts.get(state, 0) for state in (*STARTED, TrialState.WAITING)},
            retried=count_trials(connection, study_id) - count_lineages(connection, study_id),
            per_minute=_rate(connection, study_id, is_running=TrialState.RUNNING in counts),
            epochs={row.number: row.step or 0 for row in now_run},
            silent=frozenset(r.number for r in now_run if r.beat is None or r.beat < since),
        )


def latest_failures(storage: TrialStorage, study_id: int, n: int) -> dict[int, str | None]:
    """Return the last failed trials that were not queued again: number -> reason, if known.

    Args:
        storage: The storage.
        study_id: The study.
        n: The largest number of trials.
    """
    reason = and_(USER_ATTRS.c.trial_id == TRIALS.c.trial_id, USER_ATTRS.c.key == FAIL_REASON_KEY)
    statement = (
        select(TRIALS.c.number, USER_ATTRS.c.value_json)
        .outerjoin(USER_ATTRS, reason)
        .where(in_state(study_id, TrialState.FAIL), ~_is_retried())
        .order_by(TRIALS.c.number.desc())
        .limit(n)
    )
    with storage.reading() as connection:
        rows = connection.execute(statement).all()
    reasons = {number: text and json.loads(text) for number, text in reversed(rows)}
    return {number: None if value is None else str(value) for number, value in reasons.items()}


def _is_retried() -> Exists:
    """Return the condition that a trial was queued again."""
    attempts = USER_ATTRS.alias("attempts")
    of_retry = attempts.c.trial_id == TRIALS.c.trial_id, attempts.c.key == RETRIED_AS_KEY
    return select(literal(1)).where(*of_retry).correlate(TRIALS).exists()


def _rate(connection: Connection, study_id: int, *, is_running: bool) -> float | None:
    """Return the trials that ended per minute lately; None before two have ended.

    Of the later half of all trials, not of the last few: those of a pack end together. While trials
    run it is the rate up to now, else up to the end of the last one. Pauses do not count, nor do
    attempts that were queued again: Ctrl-C gives up several within one second.
    """
    has_end = TRIALS.c.study_id == study_id, TRIALS.c.datetime_complete.is_not(None)
    ended = and_(*has_end, ~_is_retried())
    n, last = connection.execute(
        select(func.count(), func.max(TRIALS.c.datetime_complete)).where(ended)
    ).one()
    if n < 2:
        return None
    shown = min(n, max(RECENT, n // 2))
    of_shown = select(TRIALS.c.datetime_complete).where(ended)
    latest_first = of_shown.order_by(TRIALS.c.datetime_complete.desc())
    first = connection.execute(latest_first.offset(shown - 1).limit(1)).scalar_one()
    until = max(utc_now(), last) if is_running else last
    seconds = (until - first).total_seconds()
    worked = seconds_worked(connection, study_id)  # without pauses, and a beat behind
    if worked:
        seconds = min(seconds, worked + UNCOUNTED)
    return float(60 * (shown - 1) / max(seconds, 1e-3))
