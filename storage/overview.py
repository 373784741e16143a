"""The progress of a study, in a few statements that never load its trials."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from optuna.trial import TrialState
from sqlalchemy import and_, func, select

from storage.rows import FINISHED, STARTED, count_lineages, count_trials, in_state, utc_now
from storage.study_attributes import FAIL_REASON_KEY
from storage.tables import INTERMEDIATE_VALUES, TRIALS, USER_ATTRS
from storage.trial_storage import TrialStorage

RECENT = 30  # the rate is computed from so many trials, the last to end


@dataclass(frozen=True)
class Overview:
    """The progress of a study.

    Attributes:
        counts: State -> number of trials.
        retried: The number of FAIL trials that were queued again.
        per_minute: Trials that ended per minute recently; None before two have ended.
        epochs: Number of each RUNNING trial -> the last step it reported, 0 before the first.
    """

    counts: dict[TrialState, int]
    retried: int
    per_minute: float | None
    epochs: dict[int, int]

    @property
    def lineages(self) -> int:
        """The number of lineages, whatever their state."""
        return sum(self.counts.values()) - self.retried

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
    recent = (
        select(TRIALS.c.datetime_complete)
        .where(TRIALS.c.study_id == study_id, TRIALS.c.datetime_complete.is_not(None))
        .order_by(TRIALS.c.datetime_complete.desc())
        .limit(RECENT)
    )
    running = (
        select(TRIALS.c.number, func.max(INTERMEDIATE_VALUES.c.step))
        .outerjoin(INTERMEDIATE_VALUES, INTERMEDIATE_VALUES.c.trial_id == TRIALS.c.trial_id)
        .where(in_state(study_id, TrialState.RUNNING))
        .group_by(TRIALS.c.number)
    )
    with storage.reading() as connection:
        counts = {s: n for s, n in connection.execute(counted.group_by(TRIALS.c.state))}
        return Overview(
            counts={state: counts.get(state, 0) for state in (*STARTED, TrialState.WAITING)},
            retried=count_trials(connection, study_id) - count_lineages(connection, study_id),
            per_minute=_rate(list(connection.execute(recent).scalars())),
            epochs={number: step or 0 for number, step in connection.execute(running)},
        )


def latest_failures(storage: TrialStorage, study_id: int, n: int) -> dict[int, str | None]:
    """Return the last `n` failed trials in the order of their numbers: number -> reason, if known.

    Args:
        storage: The storage.
        study_id: The study.
        n: The largest number of trials.
    """
    reason = and_(USER_ATTRS.c.trial_id == TRIALS.c.trial_id, USER_ATTRS.c.key == FAIL_REASON_KEY)
    statement = (
        select(TRIALS.c.number, USER_ATTRS.c.value_json)
        .outerjoin(USER_ATTRS, reason)
        .where(in_state(study_id, TrialState.FAIL))
        .order_by(TRIALS.c.number.desc())
        .limit(n)
    )
    with storage.reading() as connection:
        rows = connection.execute(statement).all()
    reasons = {number: text and json.loads(text) for number, text in reversed(rows)}
    return {number: None if value is None else str(value) for number, value in reasons.items()}


def _rate(ended_at: list[datetime]) -> float | None:
    """Return trials per minute, from the times at which trials ended, the latest first."""
    if len(ended_at) < 2:
        return None
    seconds = (max(utc_now(), ended_at[0]) - ended_at[-1]).total_seconds()
    return 60 * (len(ended_at) - 1) / max(seconds, 1e-3)
