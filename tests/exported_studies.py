"""Studies for tests of exports: every kind of trial and column; and what an export says."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState, create_trial
from queues import write

from storage import TrialStorage, create_storage

SPACE: dict[str, BaseDistribution] = {
    "kind": CategoricalDistribution(["a", "b"]),
    "x": FloatDistribution(-90.0, 90.0),
}
PLAIN = ["number", "value", "state", "datetime_start", "datetime_complete", "duration"]
FULL = [*PLAIN, "params_kind", "params_x", "user_attrs_epochs", "user_attrs_history"]


def add(study: optuna.Study, value: float | None, state: str = "COMPLETE", **attrs: Any) -> None:
    """Add a trial; its start is 12 o'clock UTC, its duration 90 seconds."""
    number = len(study.trials)
    trial = create_trial(
        state=TrialState[state],
        value=value,
        params={"kind": "ab"[number % 2], "x": -1.5 - number},
        distributions=SPACE,
        user_attrs=attrs,
    )
    trial.datetime_start = datetime(2030, 1, 1, 12, tzinfo=UTC).astimezone().replace(tzinfo=None)
    if trial.state.is_finished():
        trial.datetime_complete = trial.datetime_start + timedelta(seconds=90)
    study.add_trial(trial)


def every_state(storage: TrialStorage) -> optuna.Study:
    """Make a study `s` with every kind of trial."""
    made = optuna.create_study(storage=storage, study_name="s", direction="maximize")
    add(made, 0.5, history=[{"loss": 1.0}, {"loss": 0.5}], epochs=2)
    add(made, 0.9, history=[], epochs=3)
    add(made, None, "FAIL")
    add(made, 0.9, epochs=4)
    add(made, None, "RUNNING")
    add(made, 0.7)
    return made


def read(text: str) -> list[dict[str, str]]:
    """Return the rows of a CSV."""
    return list(csv.DictReader(io.StringIO(text)))


def varied_study(storage: TrialStorage, storage_url: str) -> optuna.Study:
    """Make a study whose columns have one type, several, gaps, or types that come late."""
    study = optuna.create_study(storage=storage, study_name="v", direction="maximize")
    cells: list[dict[str, Any]] = [
        {"whole": 1, "mixed": 1, "number": 1, "flag": True, "often": True, "late": None},
        {"whole": 2, "mixed": "=a", "number": 0.5, "flag": False, "nested": [1, {"a": None}]},
        {"whole": 3, "mixed": 2.5, "number": float("nan"), "flag": True, "nested": {"b": [2]}},
        {"whole": 4, "mixed": True, "number": float("-inf"), "flag": False, "text": "-x\r\ny"},
        {"whole": 5, "number": 1e-7, "flag": True, "rare": 2**31, "often": False},
        {"whole": 6, "number": 3, "flag": False, "late": 7, "often": True, "text": "é|\n"},
        {"whole": 7, "number": 1e300, "flag": True, "late": 8, "mixed": 3},
    ]
    for i, attributes in enumerate(cells):
        space: dict[str, BaseDistribution] = {
            "x": FloatDistribution(0.0, 9.0),
            "n": IntDistribution(0, 9),
            "choice": CategoricalDistribution([None, 1, 2.5, "a", True]),
        }
        if i % 3 == 2:
            del space["n"]
        params = {"x": i / 3, "n": i, "choice": [1, None, 2.5, 1, 1, "a", True][i]}
        study.add_trial(
            create_trial(
                value=None if i == 2 else [0.1, 0.7, 0.0, float("inf"), 0.7, -1.0, 0.3][i],
                state=TrialState.FAIL if i == 2 else TrialState.COMPLETE,
                params={name: params[name] for name in space},
                distributions=space,
                user_attrs=attributes,
            )
        )
    write(storage, "UPDATE trials SET datetime_start = '2030-01-01 00:00:00' WHERE number > 2")
    study.enqueue_trial({"x": 1.0})
    return optuna.load_study(storage=create_storage(storage_url), study_name="v")
