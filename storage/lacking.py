"""The points of a design that a study lacks, as where somebody has deleted a row of its trials."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import sqlalchemy
from sqlalchemy import Connection, func, select

from storage.rows import Point
from storage.study_attributes import SEED_KEY
from storage.tables import PARAMS, TRIALS, USER_ATTRS
from storage.trial_storage import TrialStorage

EQUAL_DIGITS = 12  # significant digits in which two parameters must agree to count as one
_Select = sqlalchemy.Select[tuple[Any, ...]]
_Key = tuple[frozenset[tuple[str, str]], object]


def lacking_points(storage: TrialStorage, study_id: int, points: Sequence[Point]) -> list[Point]:
    """Return those of a design's points of which a study has no trial, because rows were deleted.

    Args:
        storage: The storage.
        study_id: The study.
        points: The points that were queued, in order.
    """
    with storage.reading() as connection:
        return lacking(connection, study_id, points) if has_gap(connection, study_id) else []


def has_gap(connection: Connection, study_id: int) -> bool:
    """Tell whether a number of a trial is missing before the last one."""
    numbers = func.count(TRIALS.c.number.distinct()), func.max(TRIALS.c.number)
    n, last = connection.execute(select(*numbers).where(TRIALS.c.study_id == study_id)).one()
    return last is not None and n <= last


def lacking(connection: Connection, study_id: int, points: Sequence[Point]) -> list[Point]:
    """Return those of `points` of which a study has no trial with the parameters and the seed."""
    of_study = TRIALS.c.study_id == study_id
    params = select(PARAMS.c.trial_id, PARAMS.c.param_name, PARAMS.c.param_value)
    seeds = select(USER_ATTRS.c.trial_id, USER_ATTRS.c.value_json)
    of_seed = USER_ATTRS.c.key == SEED_KEY
    found: dict[int, dict[str, float]] = {}
    for row in connection.execute(_of(params, PARAMS).where(of_study)):
        found.setdefault(row.trial_id, {})[row.param_name] = row.param_value
    rows = connection.execute(_of(seeds, USER_ATTRS).where(of_study, of_seed))
    seed_of = {row.trial_id: json.loads(row.value_json) for row in rows}
    known = {_key(values, seed_of.get(i)) for i, values in found.items()}
    return [p for p in points if _key(_internal(p), p.user_attrs.get(SEED_KEY)) not in known]


def _of(statement: _Select, table: sqlalchemy.Table) -> _Select:
    return statement.join(TRIALS, TRIALS.c.trial_id == table.c.trial_id)


def _internal(point: Point) -> dict[str, float]:
    return {name: point.distributions[name].to_internal_repr(v) for name, v in point.params.items()}


def _key(params: dict[str, float], seed: object) -> _Key:
    return frozenset((name, f"{v:.{EQUAL_DIGITS}g}") for name, v in params.items()), seed
