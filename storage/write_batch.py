"""Write the changes of a batch into Optuna's tables, as Optuna would have written them.

Each row is inserted or replaces the row of the same key, so that a second write changes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from typing import Any

import sqlalchemy
from optuna.distributions import BaseDistribution, distribution_to_json
from optuna.trial import TrialState
from sqlalchemy import Connection, bindparam, select
from sqlalchemy.dialects import sqlite

from storage.errors import StudyGoneError
from storage.optuna_internals import intermediate_to_stored, value_to_stored
from storage.rows import lock_study
from storage.tables import (
    INTERMEDIATE_VALUES,
    PARAMS,
    STUDY_SYSTEM_ATTRS,
    STUDY_USER_ATTRS,
    SYSTEM_ATTRS,
    TRIALS,
    USER_ATTRS,
    VALUES,
)

_Row = dict[str, Any]


@dataclass
class Changes:
    """The changes to one trial.

    Attributes:
        params: Name -> value in Optuna's internal representation, and distribution.
        intermediate_values: Step -> value.
        user_attrs: Key -> JSON.
        system_attrs: Key -> JSON.
        values: One for each objective.
        state: How the trial ended, None while it runs.
        ended_at: When, in UTC.
    """

    params: dict[str, tuple[float, BaseDistribution]] = field(default_factory=dict)
    intermediate_values: dict[int, float] = field(default_factory=dict)
    user_attrs: dict[str, str] = field(default_factory=dict)
    system_attrs: dict[str, str] = field(default_factory=dict)
    values: Sequence[float] = ()
    state: TrialState | None = None
    ended_at: datetime | None = None


@dataclass
class StudyChanges:
    """The changes to the attributes of a study: key -> JSON."""

    user_attrs: dict[str, str] = field(default_factory=dict)
    system_attrs: dict[str, str] = field(default_factory=dict)


def write_changes(
    connection: Connection, study_id: int, trials: Mapping[int, Changes], study: StudyChanges
) -> set[int]:
    """Write all changes to those trials that are still RUNNING.

    The row of the study is locked before the rows of trials, and these in the order of their ids,
    as in all transactions that lock several rows: no two of them can wait for each other.

    Returns:
        The ids of the trials that ended otherwise or were deleted: nothing of them was written.
    """
    has_study = False
    if study.user_attrs or study.system_attrs:
        with suppress(StudyGoneError):  # the trials, which are gone too, are returned as lost
            lock_study(connection, study_id)
            has_study = True
    running, written = _lock(connection, study_id, trials)
    if has_study:
        for table, attrs in (
            (STUDY_USER_ATTRS, study.user_attrs),
            (STUDY_SYSTEM_ATTRS, study.system_attrs),
        ):
            rows = [
                {"study_id": study_id, "key": key, "value_json": text}
                for key, text in sorted(attrs.items())
            ]
            _upsert(connection, table, ("study_id", "key"), rows)
    _write(connection, {i: trials[i] for i in running})
    return set(trials) - set(running) - written


def _lock(
    connection: Connection, study_id: int, trials: Mapping[int, Changes]
) -> tuple[list[int], set[int]]:
    """Lock trials; return those RUNNING, and those that these changes have already ended."""
    if not trials:
        return [], set()
    rows = connection.execute(
        select(TRIALS.c.trial_id, TRIALS.c.state, TRIALS.c.datetime_complete)
        .where(TRIALS.c.study_id == study_id, TRIALS.c.trial_id.in_(trials))
        .order_by(TRIALS.c.trial_id)
        .with_for_update()
    ).all()
    running = [i for i, state, _ in rows if state is TrialState.RUNNING]
    # After a connection broke in COMMIT, nobody knows whether the transaction was committed.
    written = {i for i, *end in rows if end == [trials[i].state, trials[i].ended_at]}
    return running, written


def _write(connection: Connection, trials: Mapping[int, Changes]) -> None:
    each = list(trials.items())
    _upsert(connection, PARAMS, ("trial_id", "param_name"), _params(each))
    _upsert(
        connection,
        INTERMEDIATE_VALUES,
        ("trial_id", "step"),
        [_reported(i, *step) for i, new in each for step in new.intermediate_values.items()],
    )
    for table, field_name in ((USER_ATTRS, "user_attrs"), (SYSTEM_ATTRS, "system_attrs")):
        rows = [
            {"trial_id": i, "key": key, "value_json": text}
            for i, new in each
            for key, text in getattr(new, field_name).items()
        ]
        _upsert(connection, table, ("trial_id", "key"), rows)
    values = [_valued(i, n, v) for i, new in each for n, v in enumerate(new.values)]
    _upsert(connection, VALUES, ("trial_id", "objective"), values)
    ended = [
        {"id": i, "state": new.state, "datetime_complete": new.ended_at}
        for i, new in each
        if new.state is not None
    ]
    if ended:
        connection.execute(TRIALS.update().where(TRIALS.c.trial_id == bindparam("id")), ended)


def _params(trials: Sequence[tuple[int, Changes]]) -> list[_Row]:
    texts: dict[int, str] = {}  # by identity: a pack shares the distributions of its study
    rows = []
    for trial_id, new in trials:
        for name, (value, distribution) in new.params.items():
            text = texts.get(id(distribution)) or distribution_to_json(distribution)
            texts[id(distribution)] = text
            row = {"trial_id": trial_id, "param_name": name, "param_value": value}
            rows.append({**row, "distribution_json": text})
    return rows


def _reported(trial_id: int, step: int, value: float) -> _Row:
    stored, kind = intermediate_to_stored(value)
    row = {"trial_id": trial_id, "step": step}
    return {**row, "intermediate_value": stored, "intermediate_value_type": kind}


def _valued(trial_id: int, objective: int, value: float) -> _Row:
    stored, kind = value_to_stored(value)
    return {"trial_id": trial_id, "objective": objective, "value": stored, "value_type": kind}


def _upsert(
    connection: Connection, table: sqlalchemy.Table, key: Sequence[str], rows: Sequence[_Row]
) -> None:
    if not rows:
        return
    if connection.dialect.name == "postgresql":
        # All rows as one JSON value take half the time of a list of parameters for each row.
        connection.execute(_insert_json(table.name, tuple(rows[0]), tuple(key)), _as_json(rows))
        return
    new = sqlite.insert(table)
    replaced = {column: new.excluded[column] for column in rows[0] if column not in key}
    connection.execute(new.on_conflict_do_update(index_elements=key, set_=replaced), rows)


@cache
def _insert_json(
    table: str, columns: tuple[str, ...], key: tuple[str, ...]
) -> sqlalchemy.TextClause:
    replaced = ", ".join(f"{c} = excluded.{c}" for c in columns if c not in key)
    names = ", ".join(columns)
    return sqlalchemy.text(
        f"INSERT INTO {table} ({names}) SELECT {names} "
        f"FROM json_populate_recordset(NULL::{table}, CAST(:rows AS json)) "
        f"ON CONFLICT ({', '.join(key)}) DO UPDATE SET {replaced}"
    )


def _as_json(rows: Sequence[_Row]) -> dict[str, str]:
    return {"rows": json.dumps(rows, default=lambda member: member.name)}  # of an Enum
