"""Studies whose trials are made again, for tests of `hpo rerun` and `hpo show`."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from commands import start_worker
from small_studies import table

from storage import TrialStorage, create_storage, storage_of, trial_id
from storage.study_attributes import HISTORY_KEY
from studies import create_study, load_study
from studies.definition.study import parse_definition

FUNCTION = """
import random
import optuna

def f(trial):
    kind = trial.suggest_categorical("kind", ["plain", "drawn", "fails", "pruned", "moody"])
    x = trial.suggest_float("x", 0, 1)
    trial.report(x / 3, 1)
    if kind == "fails":
        raise ValueError(f"no such thing as {object()}")
    if kind == "moody":
        raise ValueError(str(random.random()))
    if kind == "pruned":
        raise optuna.TrialPruned
    trial.report(x, 2)
    return random.random() if kind == "drawn" else x + trial.seed / 7
"""
KINDS = ["plain", "drawn", "fails", "pruned", "moody"]


def trained(url: str, folder: Path, *words: str, **lines: Any) -> optuna.Study:
    """Make a study of networks, and work on all that there are."""
    study = create_study(parse_definition(table(**lines)), url, artifacts=folder / "artifacts")
    name = study.study_name
    assert start_worker(name, *words, url=url, folder=folder).wait(timeout=300) == 0
    return load_study(name, url)[0]


def functions(url: str, folder: Path) -> tuple[optuna.Study, str]:
    """Make a study of a function, a trial of each kind, and call it; return its file too."""
    file = folder / "mine.py"
    file.write_text(FUNCTION)
    definition = parse_definition(
        {
            "name": "calls",
            "objective": f"{file}:f",
            "direction": "minimize",
            "search": {
                "sampler": "random",
                "n_trials": len(KINDS),
                "seed": 3,
                "enqueue": [{"kind": kind, "x": 0.1} for kind in KINDS],
            },
        }
    )
    create_study(definition, url, artifacts=folder / "artifacts")
    words = ("calls", f"--allow-module={file}")
    assert start_worker(*words, url=url, folder=folder).wait(timeout=300) == 0
    return load_study("calls", url)[0], str(file)


def change_history(
    study: optuna.Study, number: int, change: Callable[[dict[str, list[Any]]], None]
) -> None:
    """Change the history of an ended trial in the database."""
    storage, i = storage_of(study), trial_id(study.trials[number])
    history = storage.get_trial(i).system_attrs[HISTORY_KEY]
    change(history)
    _write(storage, "trial_system_attributes", i, HISTORY_KEY, history)


def change_attribute(study: optuna.Study, number: int, key: str, value: Any) -> None:
    """Change a user attribute of an ended trial in the database; None removes it."""
    storage, i = storage_of(study), trial_id(study.trials[number])
    _write(storage, "trial_user_attributes", i, key, value)


def _write(storage: TrialStorage, name: str, i: int, key: str, value: Any) -> None:
    where = {"i": i, "key": key}
    sql = f"UPDATE {name} SET value_json = :value WHERE trial_id = :i AND key = :key"
    if value is None:
        sql = f"DELETE FROM {name} WHERE trial_id = :i AND key = :key"
    with storage.transaction() as connection:
        values = where if value is None else {**where, "value": json.dumps(value)}
        assert connection.execute(sqlalchemy.text(sql), values).rowcount == 1


def opened(study: optuna.Study, url: str) -> optuna.Study:
    """Return a study as it is in the database now, past all that is in memory."""
    return optuna.load_study(study_name=study.study_name, storage=create_storage(url))
