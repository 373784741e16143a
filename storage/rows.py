"""The statements on Optuna's tables from which the queue is built, for use within a transaction.

Optuna offers them one trial at a time, through an ORM: adding 10,000 trials takes it seven minutes
on PostgreSQL. The schema of these tables has not changed since Optuna 3.2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import sqlalchemy
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import Connection, func, select

from storage.errors import StudyGoneError
from storage.study_attributes import (
    FIXED_PARAMS_KEY,
    POINT_KEY,
    RETRY_HISTORY_KEY,
    RETRY_KEY,
    SEED_KEY,
)
from storage.tables import PARAMS, STUDIES, SYSTEM_ATTRS, TRIALS, USER_ATTRS

FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
STARTED = (TrialState.RUNNING, *FINISHED)
UNFINISHED = (TrialState.WAITING, TrialState.RUNNING)


@dataclass(frozen=True)
class Point:
    """The parameters of a trial to be queued, and the user attributes that it begins with.

    Attributes:
        params: Its parameters.
        distributions: The distribution of each.
        user_attrs: Its user attributes.
        fixed_params: Values of parameters that are suggested later, as `Study.enqueue_trial` takes
            them: their distributions are not known yet.
        system_attrs: Its system attributes beside those.
    """

    params: Mapping[str, Any]
    distributions: Mapping[str, BaseDistribution]
    user_attrs: Mapping[str, Any] = field(default_factory=dict)
    fixed_params: Mapping[str, Any] = field(default_factory=dict)
    system_attrs: Mapping[str, Any] = field(default_factory=dict)


def first_attempt(trial: FrozenTrial) -> int:
    """Return the number of the first attempt in a trial's lineage: its own unless it is a retry."""
    return int(trial.system_attrs.get(RETRY_KEY, trial.number))


def latest_attempts(trials: Sequence[FrozenTrial]) -> list[FrozenTrial]:
    """Return the trials without those attempts whose retry is among them too."""
    former = {n for trial in trials for n in trial.system_attrs.get(RETRY_HISTORY_KEY, ())}
    return [trial for trial in trials if trial.number not in former]


def in_state(study_id: int, state: TrialState) -> sqlalchemy.ColumnElement[bool]:
    """Return the condition for trials of a study in one state."""
    return sqlalchemy.and_(TRIALS.c.study_id == study_id, TRIALS.c.state == state)


def lock_study(connection: Connection, study_id: int) -> None:
    """Lock the row of a study until the transaction ends.

    Raises:
        StudyGoneError: The study was deleted.
    """
    locked = select(STUDIES.c.study_id).where(STUDIES.c.study_id == study_id).with_for_update()
    if connection.execute(locked).first() is None:
        raise StudyGoneError(f"There is no study with id {study_id}: it was deleted.")


def lock_trial(connection: Connection, trial_id: int) -> TrialState | None:
    """Lock the row of a trial until the transaction ends; return its state, None if deleted."""
    locked = select(TRIALS.c.state).where(TRIALS.c.trial_id == trial_id).with_for_update()
    return connection.execute(locked).scalar()


def count_trials(connection: Connection, study_id: int) -> int:
    """Return the number of all trials of a study."""
    counted = select(func.count()).select_from(TRIALS).where(TRIALS.c.study_id == study_id)
    return int(connection.execute(counted).scalar_one())


def next_number(connection: Connection, study_id: int) -> int:
    """Return the number of the next trial of a study, which must be locked.

    It follows the last number. A count of rows would give a number twice once a row was deleted.
    """
    last = select(func.max(TRIALS.c.trial_id)).where(TRIALS.c.study_id == study_id)
    number = select(TRIALS.c.number).where(TRIALS.c.trial_id == last.scalar_subquery())
    found = connection.execute(number).scalar()
    return 0 if found is None else int(found) + 1


def count_lineages(connection: Connection, study_id: int) -> int:
    """Return the number of lineages of a study: its trials without the retries."""
    retries = (
        select(func.count())
        .select_from(SYSTEM_ATTRS.join(TRIALS, TRIALS.c.trial_id == SYSTEM_ATTRS.c.trial_id))
        .where(TRIALS.c.study_id == study_id, SYSTEM_ATTRS.c.key == RETRY_KEY)
    )
    return count_trials(connection, study_id) - int(connection.execute(retries).scalar_one())


def count_queued(connection: Connection, study_id: int) -> int:
    """Return how many points `enqueue` has queued, without trials that others have added."""
    has_seed = USER_ATTRS.c.trial_id == TRIALS.c.trial_id, USER_ATTRS.c.key == SEED_KEY

    def has(key: str) -> sqlalchemy.ColumnElement[bool]:
        of_trial = SYSTEM_ATTRS.c.trial_id == TRIALS.c.trial_id
        return select(1).where(of_trial, SYSTEM_ATTRS.c.key == key).exists()

    counted = select(func.count()).select_from(TRIALS).where(TRIALS.c.study_id == study_id)
    queued = counted.where(
        select(1).where(*has_seed).exists(),
        ~has(RETRY_KEY),
        ~has(FIXED_PARAMS_KEY) | has(POINT_KEY),
    )
    return int(connection.execute(queued).scalar_one())


def insert_trials(
    connection: Connection, study_id: int, points: Sequence[Point], state: TrialState
) -> list[int]:
    """Insert trials and return their ids in the order of the points; the study must be locked."""
    if not points:
        return []
    first = next_number(connection, study_id)
    start = utc_now() if state is TrialState.RUNNING else None
    rows = [
        {"study_id": study_id, "number": first + i, "state": state, "datetime_start": start}
        for i in range(len(points))
    ]
    connection.execute(TRIALS.insert(), rows)
    # Not by RETURNING: to keep the order, SQLAlchemy would send SQLite one statement a row.
    last = select(TRIALS.c.trial_id).where(TRIALS.c.study_id == study_id)
    latest = last.order_by(TRIALS.c.trial_id.desc()).limit(len(rows))
    ids = sorted(connection.execute(latest).scalars())
    params = [row for i, p in zip(ids, points, strict=True) for row in _param_rows(i, p)]
    attrs = [row for i, p in zip(ids, points, strict=True) for row in attr_rows(i, p.user_attrs)]
    if params:
        connection.execute(PARAMS.insert(), params)
    if attrs:
        connection.execute(USER_ATTRS.insert(), attrs)
    system = [row for i, p in zip(ids, points, strict=True) for row in attr_rows(i, _system(p))]
    if system:
        connection.execute(SYSTEM_ATTRS.insert(), system)
    return ids


def _system(point: Point) -> dict[str, Any]:
    fixed = {FIXED_PARAMS_KEY: point.fixed_params, POINT_KEY: True} if point.fixed_params else {}
    return {**point.system_attrs, **fixed}


def _param_rows(trial_id: int, point: Point) -> list[dict[str, Any]]:
    return [
        {
            "trial_id": trial_id,
            "param_name": name,
            "param_value": point.distributions[name].to_internal_repr(value),
            "distribution_json": distribution_to_json(point.distributions[name]),
        }
        for name, value in point.params.items()
    ]


def attr_rows(trial_id: int, attributes: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a table of attributes."""
    return [
        {"trial_id": trial_id, "key": key, "value_json": json.dumps(value)}
        for key, value in attributes.items()
    ]


def set_user_attrs(connection: Connection, trial_id: int, attributes: Mapping[str, Any]) -> None:
    """Write user attributes of a trial, and replace those of the same keys."""
    if not attributes:
        return
    replaced = (USER_ATTRS.c.trial_id == trial_id) & USER_ATTRS.c.key.in_(list(attributes))
    connection.execute(USER_ATTRS.delete().where(replaced))
    connection.execute(USER_ATTRS.insert(), attr_rows(trial_id, attributes))


def read_attrs(connection: Connection, table: sqlalchemy.Table, trial_id: int) -> dict[str, Any]:
    """Return the attributes of a trial from `table` (USER_ATTRS or SYSTEM_ATTRS)."""
    rows = connection.execute(
        select(table.c.key, table.c.value_json).where(table.c.trial_id == trial_id)
    )
    return {key: json.loads(value) for key, value in rows}


def fail_trials(connection: Connection, condition: sqlalchemy.ColumnElement[bool]) -> list[int]:
    """End the trials that meet `condition` as FAIL, and return their ids."""
    ended = TRIALS.update().where(condition).returning(TRIALS.c.trial_id)
    values = {"state": TrialState.FAIL, "datetime_complete": utc_now()}
    return list(connection.execute(ended.values(values)).scalars())


def database_time(connection: Connection) -> datetime:
    """Return the time by the database's clock, which all machines share: UTC, naive."""
    if connection.dialect.name == "sqlite":
        return utc_now()  # SQLite has this machine's clock, but returns whole seconds
    now: datetime = connection.execute(select(func.current_timestamp())).scalar_one()
    return now.replace(tzinfo=None)


def utc_now() -> datetime:
    """Return the time as Optuna stores it, by this machine's clock: UTC, naive."""
    return datetime.now(UTC).replace(tzinfo=None)
