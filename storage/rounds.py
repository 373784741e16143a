"""Rounds: trials that are queued together, once those of the rounds before have ended.

A plan, which the caller gives, tells from the slots that have ended which points come next. It is
asked under the lock of the study, so that each slot gets one trial however many workers ask. A
retry takes its slot over: a slot is a lineage.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite
from typing import Any

from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import ColumnElement, Connection, select

from storage.budget import Budget, get_budget, is_ended, left_of, read_budget, write_budget
from storage.read_trials import Parts, read_trials
from storage.rows import (
    FINISHED,
    UNFINISHED,
    Point,
    in_state,
    insert_trials,
    latest_attempts,
    lock_study,
)
from storage.seeds import mean
from storage.study_attributes import SEED_VALUES_KEY, SLOT_KEY
from storage.tables import SYSTEM_ATTRS, TRIALS
from storage.trial_storage import TrialStorage

_READ = Parts(user_attrs=(SEED_VALUES_KEY,), histories=False, reports=(TrialState.PRUNED,))


@dataclass(frozen=True)
class Slot:
    """A place in a round whose trial has ended.

    Attributes:
        round: The number of the round, from 1.
        place: The place in the round, from 1.
        params: The parameters of its trial.
        value: The value of its trial; where it was pruned the last report, or the mean over the
            seeds that had ended. None where it has failed or diverged: no value is worse.
    """

    round: int
    place: int
    params: Mapping[str, Any]
    value: float | None


@dataclass(frozen=True)
class Round:
    """What comes next.

    Attributes:
        number: The number of the round, from 1.
        points: The points that the study lacks of it, by their places.
    """

    number: int
    points: Mapping[int, Point]


@dataclass(frozen=True)
class RoundsOver:
    """Nothing comes next.

    Attributes:
        reason: Why, in words.
    """

    reason: str


# From the slots, in order, to what comes next. It must return the same for the same slots.
Plan = Callable[[Sequence[Slot]], Round | RoundsOver]


def queue_round(storage: TrialStorage, study_id: int, plan: Plan) -> None:
    """Queue the trials that come next, where those of the round before have ended.

    What the budget does not allow is queued once it does. Where the rounds are over, the budget of
    the study says so from then on.

    Args:
        storage: The storage.
        study_id: The study, in rounds.
        plan: Tells what comes next.

    Raises:
        StudyGoneError: The study was deleted, or has no budget.
    """
    with storage.reading() as connection:  # which waits for no lock; mostly a round is not due
        if not is_round_due(connection, study_id, read_budget(connection, study_id)):
            return
    with storage.transaction() as connection:
        lock_study(connection, study_id)
        budget = read_budget(connection, study_id)
        if not is_round_due(connection, study_id, budget):
            return
        found = plan(_ended_slots(connection, study_id))
        if isinstance(found, RoundsOver):
            write_budget(connection, study_id, replace(budget, over=found.reason))
            return
        points = [
            replace(point, system_attrs={SLOT_KEY: [found.number, place]})
            for place, point in sorted(found.points.items())
        ]
        n = left_of(connection, study_id, budget, len(points))
        insert_trials(connection, study_id, points[:n], TrialState.WAITING)


def is_round_due(connection: Connection, study_id: int, budget: Budget) -> bool:
    """Tell whether `queue_round` would ask its plan now."""
    return (
        budget.in_rounds
        and budget.over is None
        and not is_ended(connection, study_id, budget)
        and not _is_any_open(connection, study_id)
        and left_of(connection, study_id, budget, 1) > 0
    )


def awaited_slots(storage: TrialStorage, study_id: int) -> tuple[int, int] | None:
    """Return for what a study waits in which nothing can be claimed yet.

    Returns:
        How many slots run, and the number of their round; None where a trial can be claimed, or
        where nothing comes after those that run.

    Raises:
        StudyGoneError: The study was deleted, or has no budget.
    """
    budget = get_budget(storage, study_id)
    if not budget.in_rounds:
        return None
    waiting = select(TRIALS.c.trial_id).where(in_state(study_id, TrialState.WAITING)).limit(1)
    with storage.reading() as connection:
        if (
            is_ended(connection, study_id, budget)
            or connection.execute(waiting).first()
            or not left_of(connection, study_id, budget, 1)
        ):
            return None
        slots = [json.loads(text) for text in connection.execute(_open(study_id)).scalars()]
    return (len(slots), max(number for number, _ in slots)) if slots else None


def _is_any_open(connection: Connection, study_id: int) -> bool:
    return connection.execute(_open(study_id).limit(1)).first() is not None


def _open(study_id: int) -> Any:
    """Return the statement for the slots whose trials wait or run."""
    is_open = (TRIALS.c.study_id == study_id) & TRIALS.c.state.in_(UNFINISHED)
    return select(SYSTEM_ATTRS.c.value_json).join(TRIALS, _has_slot()).where(is_open)


def _has_slot() -> ColumnElement[bool]:
    return (SYSTEM_ATTRS.c.trial_id == TRIALS.c.trial_id) & (SYSTEM_ATTRS.c.key == SLOT_KEY)


def _ended_slots(connection: Connection, study_id: int) -> list[Slot]:
    """Return the slots of a study none of which is open, in order."""
    ended = (TRIALS.c.study_id == study_id) & TRIALS.c.state.in_(FINISHED)
    chosen = select(TRIALS.c.trial_id).join(SYSTEM_ATTRS, _has_slot()).where(ended)
    ids = list(connection.execute(chosen).scalars())
    trials = read_trials(connection, study_id, ids, _READ)
    slots = [_slot(trial) for trial in latest_attempts(trials)]
    return sorted(slots, key=lambda slot: (slot.round, slot.place))


def _slot(trial: FrozenTrial) -> Slot:
    number, place = trial.system_attrs[SLOT_KEY]
    value: float | None = None
    if trial.state is TrialState.COMPLETE:
        value = trial.value
    elif trial.state is TrialState.PRUNED and trial.user_attrs.get(SEED_VALUES_KEY):
        # The last report may be of one seed, and a lucky one would lead the round.
        value = mean(trial.user_attrs[SEED_VALUES_KEY])
    elif trial.state is TrialState.PRUNED and trial.intermediate_values:
        value = trial.intermediate_values[max(trial.intermediate_values)]
    is_worst = value is None or not isfinite(value)
    return Slot(number, place, trial.params, None if is_worst else value)
