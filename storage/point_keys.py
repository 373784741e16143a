"""Which trials have the same point: equal parameters and the same seed, as they are stored."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import sqlalchemy
from optuna.trial import TrialState
from sqlalchemy import ColumnElement, Connection, select

from storage.study_attributes import SEED_KEY
from storage.tables import PARAMS, TRIALS, USER_ATTRS

EQUAL_DIGITS = 12  # significant digits in which two parameters must agree to count as one
HOLDING = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED)
PointKey = tuple[frozenset[tuple[str, str]], object]
_Select = sqlalchemy.Select[tuple[Any, ...]]


def point_key(params: Mapping[str, float], seed: object) -> PointKey:
    """Return what equal points have in common.

    Args:
        params: Name -> value in Optuna's internal representation.
        seed: The seed that is recorded with the trial, None if there is none.
    """
    return frozenset((name, f"{v:.{EQUAL_DIGITS}g}") for name, v in params.items()), seed


def point_keys(connection: Connection, which: ColumnElement[bool]) -> dict[int, PointKey]:
    """Return the point of each trial that has parameters, by its id.

    Args:
        connection: A connection in a transaction.
        which: A condition on the table of trials.
    """
    params = select(PARAMS.c.trial_id, PARAMS.c.param_name, PARAMS.c.param_value)
    seeds = select(USER_ATTRS.c.trial_id, USER_ATTRS.c.value_json)
    found: dict[int, dict[str, float]] = {}
    # Not by the names of columns, which takes twice as long.
    values: Iterable[Any] = connection.execute(_of(params, PARAMS).where(which))
    for trial_id, name, value in values:
        found.setdefault(trial_id, {})[name] = value
    rows = connection.execute(_of(seeds, USER_ATTRS).where(which, USER_ATTRS.c.key == SEED_KEY))
    seed_of = {row.trial_id: json.loads(row.value_json) for row in rows}
    return {i: point_key(params, seed_of.get(i)) for i, params in found.items()}


def held_since(
    connection: Connection, study_id: int, first: int, but: Collection[int]
) -> set[PointKey]:
    """Return the points that trials of a study hold, or that they have ended with.

    Args:
        connection: A connection in a transaction.
        study_id: The study.
        first: The least id of these trials.
        but: Ids of trials that do not count.
    """
    of_study = (TRIALS.c.study_id == study_id) & (TRIALS.c.trial_id >= first)
    holding = TRIALS.c.state.in_(HOLDING) & TRIALS.c.trial_id.not_in(but)
    return set(point_keys(connection, of_study & holding).values())


def _of(statement: _Select, table: sqlalchemy.Table) -> _Select:
    return statement.join(TRIALS, TRIALS.c.trial_id == table.c.trial_id)
