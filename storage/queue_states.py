"""What waits and runs in all studies, in one statement: what a worker without work looks at."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from optuna.trial import TrialState
from sqlalchemy import ColumnElement, and_, literal, select

from storage.study_attributes import BUDGET_KEY
from storage.tables import HEARTBEATS, STUDIES, STUDY_USER_ATTRS, TRIALS
from storage.trial_storage import TrialStorage


@dataclass(frozen=True)
class QueueState:
    """What waits and runs in one study.

    A study in which nothing can be claimed stays so until its state changes. Each trial that is
    queued changes it, whether by a larger budget or after a lost worker.

    Attributes:
        study_id: The study.
        mark: The attribute that was asked for, such as the time at which the study was made.
        budget: The budget as it is stored; None where the study has none.
        waits: Whether a trial waits.
        runs: Whether a worker runs a trial, which is queued again if it is lost. RUNNING trials
            without a heartbeat belong to a user's own `study.optimize` and do not count.
    """

    study_id: int
    mark: Any
    budget: str | None
    waits: bool
    runs: bool


def queue_states(storage: TrialStorage, key: str, *, having: str) -> dict[str, QueueState]:
    """Return what waits and runs in each study that has two attributes.

    Args:
        storage: The storage.
        key: The attribute of the study that tells it from another one of its name.
        having: The other attribute. Its value is not read, since it may be large.

    Returns:
        Name of the study -> what waits and runs there, in the order in which the studies were made.
    """
    mark, budget, other = (STUDY_USER_ATTRS.alias(name) for name in ("mark", "budget", "other"))

    def of_study(table: Any, name: str) -> ColumnElement[bool]:
        return and_(table.c.study_id == STUDIES.c.study_id, table.c.key == name)

    def has(state: TrialState, *more: ColumnElement[bool]) -> ColumnElement[bool]:
        found = (TRIALS.c.study_id == STUDIES.c.study_id, TRIALS.c.state == state, *more)
        return select(literal(1)).where(*found).correlate(STUDIES).exists()

    beats = select(literal(1)).where(HEARTBEATS.c.trial_id == TRIALS.c.trial_id).exists()
    columns = STUDIES.c.study_name, STUDIES.c.study_id, mark.c.value_json, budget.c.value_json
    statement = (
        select(*columns, has(TrialState.WAITING), has(TrialState.RUNNING, beats))
        .join(mark, of_study(mark, key))
        .outerjoin(budget, of_study(budget, BUDGET_KEY))
        .where(select(literal(1)).where(of_study(other, having)).correlate(STUDIES).exists())
        .order_by(STUDIES.c.study_id)
    )
    with storage.reading() as connection:
        return {
            name: QueueState(study_id, json.loads(text), *rest)
            for name, study_id, text, *rest in connection.execute(statement)
        }
