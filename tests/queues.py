"""Small studies for tests of the storage: make one, change it, and read it in several ways."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import optuna
import sqlalchemy
from optuna.distributions import IntDistribution
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, Trial, TrialState

from storage import Budget, Point, TrialStorage, enqueue, trial_id
from storage.study_attributes import WORKED_KEY
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

TABLES = (
    PARAMS,
    INTERMEDIATE_VALUES,
    USER_ATTRS,
    SYSTEM_ATTRS,
    VALUES,
    TRIALS,
    STUDY_USER_ATTRS,
    STUDY_SYSTEM_ATTRS,
)
DESIGN = Budget(n_trials=None, timeout=None, adaptive=False)
WHOLE_TRIALS = r"(?s)SELECT trials\.trial_id, trials\.number.*WHERE trials\.trial_id IN"
LONG_AGO = "2001-01-01 00:00:00"  # further back than any grace or timeout here


def points(n: int) -> list[Point]:
    """Return the first `n` points of a design with one factor."""
    return [Point({"x": i}, {"x": IntDistribution(0, 10**6)}, {"seed": i}) for i in range(n)]


def adaptive(n_trials: int | None, timeout: float | None = None) -> Budget:
    """Return the budget of an adaptive study."""
    return Budget(n_trials=n_trials, timeout=timeout, adaptive=True)


def new_study(
    storage: TrialStorage, budget: Budget = DESIGN, n: int = 0, name: str | None = None
) -> int:
    """Make a study with `n` waiting trials, and return its id."""
    study_id = storage.create_new_study([StudyDirection.MINIMIZE], name)
    enqueue(storage, study_id, points(n), budget)
    return study_id


def end(storage: TrialStorage, trial: FrozenTrial, value: float = 0.0) -> None:
    """End a trial as COMPLETE."""
    storage.set_trial_state_values(trial_id(trial), TrialState.COMPLETE, [value])


def write(storage: TrialStorage, sql: str) -> None:
    """Change rows by SQL, past the storage's cache."""
    with storage.transaction() as connection:
        connection.execute(sqlalchemy.text(sql))


def silence(storage: TrialStorage) -> None:
    """Set all heartbeats to a time beyond any grace."""
    write(storage, f"UPDATE trial_heartbeats SET heartbeat = '{LONG_AGO}'")


def run_out(storage: TrialStorage, study_id: int) -> None:
    """Have workers worked on a study for longer than any timeout."""
    worked = {"seconds": 1e9, "until": LONG_AGO}
    storage.set_study_user_attr(study_id, WORKED_KEY, worked)


def write_until(storage: TrialStorage, study_id: int, until: str, **changed: float) -> None:
    """Set the time until which the time of workers is counted, and how many seconds they are."""
    worked = storage.get_study_user_attrs(study_id)[WORKED_KEY]
    storage.set_study_user_attr(study_id, WORKED_KEY, {**worked, "until": until, **changed})


def states(storage: TrialStorage, study_id: int) -> list[str]:
    """Return the states of the trials, by number."""
    return [trial.state.name for trial in storage.get_all_trials(study_id)]


def plain_view(url: str, study_id: int) -> list[FrozenTrial]:
    """Read the trials by Optuna's own storage."""
    plain = optuna.storages.RDBStorage(url)
    try:
        return plain.get_all_trials(study_id)
    finally:
        plain.engine.dispose()


@dataclass
class Traffic:
    """The statements sent to a database, and the ids of the trials read from it."""

    statements: list[str] = field(default_factory=list)
    trials: list[int] = field(default_factory=list)


@contextmanager
def traffic(storage: TrialStorage) -> Iterator[Traffic]:
    """Record the traffic of a storage."""
    counted = Traffic()

    def sent(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        counted.statements.append(statement)
        if re.match(WHOLE_TRIALS, statement):
            ids = parameters.values() if isinstance(parameters, dict) else parameters
            counted.trials.extend(ids)

    sqlalchemy.event.listen(storage.engine, "before_cursor_execute", sent)
    try:
        yield counted
    finally:
        sqlalchemy.event.remove(storage.engine, "before_cursor_execute", sent)


def open_study(storage: TrialStorage, study_id: int) -> optuna.Study:
    """Open a study as Optuna does."""
    return optuna.load_study(study_name=storage.get_study_name_from_id(study_id), storage=storage)


def suggest(trial: Trial) -> float:
    """Suggest parameters of every kind, one of them depending on another."""
    x = trial.suggest_float("x", 1e-3, 1.0, log=True)
    y = trial.suggest_float("y", 0.0, 1.0, step=0.1)
    n = trial.suggest_int("n", 1, 9)
    kind = trial.suggest_categorical("kind", ["a", "b", None])
    z = trial.suggest_float("z", 0.0, 1.0) if kind == "b" else 0.0
    trial.set_user_attr("tuple", (1, 2.5, "ü", None))
    trial.set_user_attr("tuple", (2, x))
    return float(x + y + n + z)


def rows(storage: TrialStorage) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of Optuna's tables, without primary keys and times."""
    found = {}
    with storage.reading() as connection:
        for table in TABLES:
            columns = [
                c for c in table.c if not c.name.startswith("datetime") and c.name != "study_id"
            ]
            columns = [c for c in columns if not c.primary_key or table is TRIALS]
            rows = (tuple(row) for row in connection.execute(sqlalchemy.select(*columns)))
            found[table.name] = sorted((row for row in rows if WORKED_KEY not in row), key=repr)
    return found
