"""How studies stand, in a few statements that never load their trials."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from optuna.trial import TrialState
from sqlalchemy import func, select

from storage.connect import STARTED, TrialStorage
from storage.rows import (
    INTERMEDIATE_VALUES,
    STUDIES,
    STUDY_USER_ATTRS,
    TRIALS,
    count_lineages,
    count_trials,
    in_state,
    utc_now,
)

RECENT = 30  # ended trials from which the rate is told


@dataclass(frozen=True)
class Overview:
    """How a study stands.

    Attributes:
        counts: Number of trials in each state.
        retried: How many of the FAIL ones were queued again after their worker was lost.
        per_minute: Trials that ended a minute, of late; None before two have ended.
        epochs: Number of each RUNNING trial -> the last step it reported, 0 before the first.
    """

    counts: dict[TrialState, int]
    retried: int
    per_minute: float | None
    epochs: dict[int, int]

    @property
    def ended(self) -> int:
        """The number of lineages that have come to their end."""
        ended = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
        return sum(self.counts[state] for state in ended) - self.retried


def overview(storage: TrialStorage, study_id: int) -> Overview:
    """Return how a study stands.

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


def study_attributes(storage: TrialStorage, key: str, *, having: str) -> dict[str, Any]:
    """Return the user attribute `key` of each study that has the attribute `having` too.

    Args:
        storage: The storage.
        key: The attribute to read.
        having: Another one, whose value is not read, for it may be large.

    Returns:
        Name of the study -> value, in the order in which the studies were made.
    """
    others = select(STUDY_USER_ATTRS.c.study_id).where(STUDY_USER_ATTRS.c.key == having)
    statement = (
        select(STUDIES.c.study_name, STUDY_USER_ATTRS.c.value_json)
        .join(STUDY_USER_ATTRS, STUDY_USER_ATTRS.c.study_id == STUDIES.c.study_id)
        .where(STUDY_USER_ATTRS.c.key == key, STUDIES.c.study_id.in_(others))
        .order_by(STUDIES.c.study_id)
    )
    with storage.reading() as connection:
        return {name: json.loads(text) for name, text in connection.execute(statement)}


def _rate(ended_at: list[datetime]) -> float | None:
    """Return trials a minute, from the times at which trials ended, the latest first."""
    if len(ended_at) < 2:
        return None
    seconds = (max(utc_now(), ended_at[0]) - ended_at[-1]).total_seconds()
    return 60 * (len(ended_at) - 1) / max(seconds, 1e-3)
