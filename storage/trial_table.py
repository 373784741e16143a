"""The trials of a study as a table that is read part by part: its columns are known before."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import optuna
import sqlalchemy
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import ColumnElement, Connection, bindparam, case, func, or_, select

from storage.errors import StudyGoneError
from storage.optuna_internals import study_id as id_of
from storage.ranking import ids_in_order, points_in_order, select_best
from storage.read_trials import Parts, Time, distribution_of, read_times, read_trials
from storage.rows import STARTED, in_state
from storage.seeds import SeededPoint, seeded_points
from storage.study_attributes import HISTORY_KEY
from storage.tables import PARAMS, STUDIES, SYSTEM_ATTRS, TRIALS, USER_ATTRS
from storage.trial_storage import storage_of

SHOWN = Parts(system_attrs=False, reports=())  # of a trial: what a person may want of it
# The first character of a value in JSON -> the type that it is read as. All others are numbers.
KINDS: dict[str, type] = {'"': str, "{": dict, "[": list, "t": bool, "f": bool, "n": type(None)}
FLOAT_SIGNS = (".", "e", "E", "N", "I")  # one of which each float has: NaN, Infinity
_Chosen = sqlalchemy.Select[int]
_Count = tuple[str, type, int]  # name, type of the value, number of trials


@dataclass(frozen=True)
class Column:
    """The cells of one parameter or attribute.

    Attributes:
        kinds: The types of the values, None apart.
        has_gaps: Whether some of the trials have none, or None.
    """

    kinds: frozenset[type]
    has_gaps: bool


@dataclass(frozen=True)
class TrialTable:
    """Trials as they are at one moment. Made by `trial_table`.

    Attributes:
        ids: The trials, in order.
        params: The column of each parameter that one of them has.
        user_attrs: The column of each user attribute that one of them has, the history among them.
        times: When each began and ended, in UTC.
        points: The best points with these trials, the best first; None where each trial is a point,
            or where the trials are not ranked.
        is_ranked: Whether the best come first.
    """

    ids: list[int]
    params: dict[str, Column]
    user_attrs: dict[str, Column]
    times: dict[int, tuple[Time, Time]]
    points: list[SeededPoint] | None
    is_ranked: bool
    _connection: Connection
    _study_id: int

    def parts(self, rows: int) -> Iterator[list[FrozenTrial]]:
        """Read the trials, without reports and system attributes; at least one part.

        Args:
            rows: How many trials a part has.
        """
        for start in range(0, max(1, len(self.ids)), rows):
            ids = self.ids[start : start + rows]
            trials = read_trials(self._connection, self._study_id, ids, SHOWN)
            for trial in trials:
                trial.user_attrs |= trial.system_attrs  # the history; those of earlier versions
            yield trials


@contextmanager
def trial_table(study: optuna.Study, top: int | None) -> Iterator[TrialTable]:
    """Open the table of a study's trials; they are not loaded.

    Args:
        study: The study.
        top: Of how many points the completed trials, the best point and of each the best seed
            first. None for every trial that has started, by number.

    Raises:
        StudyGoneError: The study was deleted.
    """
    study_id = id_of(study)
    with storage_of(study).snapshot() as connection:
        found = select(STUDIES.c.study_id).where(STUDIES.c.study_id == study_id)
        if connection.execute(found).first() is None:
            raise StudyGoneError(f"There is no study with id {study_id}: it was deleted.")
        chosen, points = _started(study_id), None
        if top is not None:
            chosen = select_best(study_id, study.direction, top)
            points = seeded_points(connection, study_id)
        ids = list(connection.execute(chosen).scalars()) if points is None else []
        if points is not None:
            points = points_in_order(study.direction, points)[:top]
            ids = [i for each in points for i in ids_in_order(study.direction, each.values)]
            chosen = select(TRIALS.c.trial_id).where(TRIALS.c.trial_id.in_(_listed(ids)))
        params = _columns(_params(connection, chosen), len(ids))
        user_attrs = _columns(_user_attrs(connection, chosen), len(ids))
        times = read_times(connection, study_id)
        ranked = top is not None
        yield TrialTable(ids, params, user_attrs, times, points, ranked, connection, study_id)


def started_trials(study: optuna.Study, parts: Parts) -> list[FrozenTrial]:
    """Return the trials that have started, by number, with only some parts of them.

    Args:
        study: The study.
        parts: What is read of them.
    """
    own_id = id_of(study)
    with storage_of(study).snapshot() as connection:
        ids = list(connection.execute(_started(own_id)).scalars())
        return read_trials(connection, own_id, ids, parts)


def waiting_trials(study: optuna.Study, parts: Parts) -> list[FrozenTrial]:
    """Return the trials that wait, by number, with only some parts of them.

    Args:
        study: The study.
        parts: What is read of them.
    """
    own_id, states = id_of(study), (TrialState.WAITING,)
    waiting = select(TRIALS.c.trial_id).where(in_state(own_id, *states)).order_by(TRIALS.c.number)
    with storage_of(study).snapshot() as connection:
        ids = list(connection.execute(waiting).scalars())
        return read_trials(connection, own_id, ids, parts, states)


def _started(study_id: int) -> _Chosen:
    started = (TRIALS.c.study_id == study_id, TRIALS.c.state.in_(STARTED))
    return select(TRIALS.c.trial_id).where(*started).order_by(TRIALS.c.number)


def _listed(ids: Sequence[int]) -> sqlalchemy.BindParameter[Any]:
    """Return a list for a statement: in its text, since databases limit how many are beside it."""
    return bindparam("ids", ids, expanding=True, literal_execute=True)


def _params(connection: Connection, chosen: _Chosen) -> Iterator[_Count]:
    text = PARAMS.c.distribution_json
    is_choice = text.startswith('{"name": "Categorical', autoescape=True)
    choice = case((is_choice, PARAMS.c.param_value)).label("choice")
    cells = select(PARAMS.c.param_name, text, choice).where(PARAMS.c.trial_id.in_(chosen))
    for name, text_of_it, index, count in _counted(connection, cells):
        distribution = distribution_of(text_of_it)
        if isinstance(distribution, CategoricalDistribution):
            yield name, type(distribution.choices[int(index)]), count
        else:
            yield name, float if isinstance(distribution, FloatDistribution) else int, count


def _user_attrs(connection: Connection, chosen: _Chosen) -> Iterator[_Count]:
    history = SYSTEM_ATTRS.c.key == HISTORY_KEY
    for table, which in ((USER_ATTRS, sqlalchemy.true()), (SYSTEM_ATTRS, history)):
        yield from _attrs(connection, table, table.c.trial_id.in_(chosen) & which)


def _attrs(
    connection: Connection, table: sqlalchemy.Table, which: ColumnElement[bool]
) -> Iterator[_Count]:
    text = table.c.value_json
    first = func.substr(text, 1, 1)
    is_float = or_(*(text.contains(sign) for sign in FLOAT_SIGNS))
    kind = case((first.in_(KINDS), first), (is_float, "."), else_="0").label("kind")
    for key, sign, count in _counted(connection, select(table.c.key, kind).where(which)):
        yield key, KINDS.get(sign, float if sign == "." else int), count


def _counted(connection: Connection, cells: sqlalchemy.Select[Any]) -> Sequence[Any]:
    """Return the different rows of `cells`, and how often there is each."""
    each = cells.subquery()
    return connection.execute(select(*each.c, func.count()).group_by(*each.c)).all()


def _columns(counts: Iterable[_Count], n: int) -> dict[str, Column]:
    """Return the columns of `n` trials by name, in alphabetical order."""
    found: dict[str, Counter[type]] = defaultdict(Counter)
    for name, kind, count in counts:
        found[name][kind] += count
    nothing = type(None)
    return {
        name: Column(frozenset(kinds) - {nothing}, kinds.total() - kinds[nothing] < n)
        for name, kinds in sorted(found.items())
    }
