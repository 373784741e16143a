"""Read many trials in six statements or less, as Optuna's own `FrozenTrial`.

Optuna would read the trials that a worker claims through an ORM, one at a time.
"""

from __future__ import annotations

import copy
import json
from collections import defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

import sqlalchemy
from optuna.distributions import BaseDistribution, json_to_distribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import ColumnElement, Connection, select

from storage.optuna_internals import stored_to_intermediate, stored_to_value
from storage.rows import STARTED
from storage.study_attributes import HISTORY_KEY
from storage.tables import (
    INTERMEDIATE_VALUES,
    PARAMS,
    SYSTEM_ATTRS,
    TRIALS,
    USER_ATTRS,
    VALUES,
)

Time = datetime | None
LISTED = 1000  # more ids than these are read as a range: databases limit the length of a list


@dataclass(frozen=True)
class Parts:
    """What is read of trials beside their states, times, parameters and values.

    Attributes:
        user_attrs: The keys of the user attributes; None for all.
        system_attrs: Whether the system attributes are read, the history apart.
        histories: Whether the history of the metrics is read, which is long.
        reports: The states of the trials whose reports are read.
    """

    user_attrs: Collection[str] | None = None
    system_attrs: bool = True
    histories: bool = True
    reports: Collection[TrialState] = STARTED

    def of(self, trial: FrozenTrial) -> FrozenTrial:
        """Return a trial with only these parts."""
        less = copy.copy(trial)
        if self.user_attrs is not None:
            less.user_attrs = {k: v for k, v in trial.user_attrs.items() if k in self.user_attrs}
        less.system_attrs = {k: v for k, v in trial.system_attrs.items() if self._has_system(k)}
        if trial.state not in self.reports:
            less.intermediate_values = {}
        return less

    def _has_system(self, key: str) -> bool:
        return self.histories if key == HISTORY_KEY else self.system_attrs

    def system_keys(self) -> ColumnElement[bool] | None:
        """Return the condition for the system attributes to read; None for none of them."""
        match self.system_attrs, self.histories:
            case True, True:
                return sqlalchemy.true()
            case True, False:
                return SYSTEM_ATTRS.c.key != HISTORY_KEY
            case False, True:
                return SYSTEM_ATTRS.c.key == HISTORY_KEY
        return None


WHOLE = Parts()


def read_trials(
    connection: Connection,
    study_id: int,
    ids: Sequence[int],
    parts: Parts = WHOLE,
    states: Collection[TrialState] = STARTED,
) -> list[FrozenTrial]:
    """Read trials with their parameters, attributes, values and reports.

    Args:
        connection: A connection in a transaction.
        study_id: The study of the trials.
        ids: The ids of the trials; ids without a trial are left out of the result.
        parts: What is read of them.
        states: Those that the trials are in: started ones, unless others are asked for.

    Returns:
        The trials in the order of `ids`.
    """
    if not ids:
        return []
    wanted = set(ids)
    # The trials come first: all rows that belong to a finished trial were written before its end,
    # so that a trial read as finished is read whole.
    rows = [
        row
        for row in connection.execute(_of(TRIALS, study_id, wanted, states))
        if row.trial_id in wanted
    ]

    def read(table: sqlalchemy.Table, *only: ColumnElement[bool]) -> _Part:
        return _read(connection, table, _of(table, study_id, wanted, states).where(*only))

    reporting = {row.trial_id for row in rows if row.state in parts.reports}
    reports = _of(INTERMEDIATE_VALUES, study_id, reporting, parts.reports)
    keys = [] if parts.user_attrs is None else [USER_ATTRS.c.key.in_(parts.user_attrs)]
    system = parts.system_keys()
    children: tuple[_Part, ...] = (
        read(PARAMS),
        read(USER_ATTRS, *keys),
        {} if system is None else read(SYSTEM_ATTRS, system),
        read(VALUES),
        _read(connection, INTERMEDIATE_VALUES, reports) if reporting else {},
    )
    found = {
        row.trial_id: _frozen(row, *(part.get(row.trial_id, {}) for part in children))
        for row in rows
    }
    return [found[i] for i in ids if i in found]


def history_of(trial: FrozenTrial) -> dict[str, list[float | None]]:
    """Return each metric of a trial, epoch by epoch; of one that an earlier version ended, too."""
    found = trial.system_attrs.get(HISTORY_KEY, trial.user_attrs.get(HISTORY_KEY, {}))
    return cast(dict[str, list[float | None]], found)


def read_times(connection: Connection, study_id: int) -> dict[int, tuple[Time, Time]]:
    """Return when each started trial of a study began and ended, in UTC, by its id.

    Optuna gives local times without a zone. In the hour that comes twice when clocks are put back,
    they tell neither the time nor a duration.
    """
    columns = TRIALS.c.trial_id, TRIALS.c.datetime_start, TRIALS.c.datetime_complete
    started = (TRIALS.c.study_id == study_id) & (TRIALS.c.state != TrialState.WAITING)
    return {
        trial_id: (_in_utc(start), _in_utc(complete))
        for trial_id, start, complete in connection.execute(select(*columns).where(started))
    }


@lru_cache(maxsize=10_000)
def distribution_of(text: str) -> BaseDistribution:
    """Return the distribution that Optuna stored as `text`."""
    return json_to_distribution(text)


def _of(
    table: sqlalchemy.Table, study_id: int, ids: set[int], states: Collection[TrialState]
) -> sqlalchemy.Select[tuple[Any, ...]]:
    """Return the statement that reads the rows of trials: of all `ids`, which are in `states`."""
    if len(ids) <= LISTED:
        return select(table).where(table.c.trial_id.in_(ids))
    between = sqlalchemy.and_(
        TRIALS.c.study_id == study_id,
        TRIALS.c.trial_id.between(min(ids), max(ids)),
        TRIALS.c.state.in_(states),  # not the thousands that may wait between them
    )
    if table is TRIALS:
        return select(TRIALS).where(between)
    return select(table).join(TRIALS, TRIALS.c.trial_id == table.c.trial_id).where(between)


_Part = dict[int, dict[Any, Any]]
_Item = Callable[[Any], tuple[Any, Any]]


def _read(
    connection: Connection, table: sqlalchemy.Table, rows: sqlalchemy.Select[tuple[Any, ...]]
) -> _Part:
    """Return trial id -> key -> value, from one of the tables with rows of trials."""
    item = _CHILDREN[table]
    (order,) = table.primary_key.columns
    part: _Part = defaultdict(dict)
    for row in connection.execute(rows.order_by(order)):
        key, value = item(row)
        part[row.trial_id][key] = value
    return part


def _param(row: Any) -> tuple[str, tuple[Any, BaseDistribution]]:
    distribution = distribution_of(row.distribution_json)
    return row.param_name, (distribution.to_external_repr(row.param_value), distribution)


def _attribute(row: Any) -> tuple[str, Any]:
    return row.key, json.loads(row.value_json)


_CHILDREN: dict[sqlalchemy.Table, _Item] = {
    PARAMS: _param,
    USER_ATTRS: _attribute,
    SYSTEM_ATTRS: _attribute,
    VALUES: lambda row: (row.objective, stored_to_value(row.value, row.value_type)),
    INTERMEDIATE_VALUES: lambda row: (
        row.step,
        stored_to_intermediate(row.intermediate_value, row.intermediate_value_type),
    ),
}


def _frozen(
    row: Any,
    params: dict[str, tuple[Any, BaseDistribution]],
    user_attrs: dict[str, Any],
    system_attrs: dict[str, Any],
    values: dict[int, float],
    intermediate_values: dict[int, float],
) -> FrozenTrial:
    return FrozenTrial(
        number=row.number,
        state=row.state,
        value=None,
        values=[values[i] for i in sorted(values)] or None,
        datetime_start=local_time(row.datetime_start),
        datetime_complete=local_time(row.datetime_complete),
        params={name: value for name, (value, _) in params.items()},
        distributions={name: distribution for name, (_, distribution) in params.items()},
        # Copies, since all trials without attributes share one empty dictionary.
        user_attrs=dict(user_attrs),
        system_attrs=dict(system_attrs),
        intermediate_values=dict(intermediate_values),
        trial_id=row.trial_id,
    )


def local_time(stored: Time) -> Time:
    """Convert a time from the database (UTC, naive) to Optuna's (local, naive)."""
    in_utc = _in_utc(stored)
    return in_utc and in_utc.astimezone().replace(tzinfo=None)


def _in_utc(stored: Time) -> Time:
    return stored and stored.replace(tzinfo=UTC)
