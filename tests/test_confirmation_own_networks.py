"""A confirmation of networks and data that a user's functions return, by a worker."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from confirmations import tell

from studies import load_study
from studies.confirmation.confirm import confirm_by
from studies.confirmation.looks import Wanted
from studies.confirmation.ways import Ways
from studies.create import create_study
from studies.definition.study import parse_definition
from studies.errors import DefinitionError, TrialError
from studies.fleet.own_code import prepare
from studies.worker.loop import WorkerOptions, work

CODE = """
import keras
import numpy as np

x = np.random.default_rng(0).random((60, 4)).astype("float32")
y = (x.sum(1) > 2).astype("int32")

def load(n):
    return {"train": (x[:n], y[:n]), "validation": (x[n:], y[n:])}

def build(trial):
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    optimizer = keras.optimizers.Adam(trial.suggest_float("learning_rate", 1e-6, 1.0))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer, loss, metrics=["accuracy"])
    return model
"""


def test_own_networks_on_own_data_are_confirmed_and_a_missing_test_part_is_told_first(
    sqlite_url: str, tmp_path: Path
) -> None:
    file = tmp_path / "own_confirmed.py"
    file.write_text(CODE)
    allowed = [str(file)]
    lines = {
        "name": "s",
        "objective": f"{file}:build",
        "dataset": f"{file}:load",
        "metric": "val_accuracy",
        "data": {"n": 40},
        "search": {"design": "grid"},
        "fixed": {"epochs": 3},
        "space": {"learning_rate": [1e-6, 1.0]},
    }
    study = create_study(
        prepare(parse_definition(lines), allowed), sqlite_url, artifacts=tmp_path / "artifacts"
    )
    tell(study, lambda x, seed: x)
    told: list[str] = []

    def work_here(own: optuna.Study) -> bool:
        return work(sqlite_url, [own.study_name], WorkerOptions(allow_modules=allowed)) > 0

    ways = Ways(work_here, lambda definition: prepare(definition, allowed), told.append)
    found = confirm_by("s", sqlite_url, Wanted(seeds=6), ways, allowed)
    own, _ = load_study("s-confirm", sqlite_url)
    assert {trial.user_attrs["trained_by"] for trial in own.trials} == {"lanes"}
    assert list(found.settings["n"]) == [6, 6]
    assert found.settings["mean"].between(0, 1).all()
    assert "--splits" not in found.over  # the function divides its data itself
    data = {trial.user_attrs["data_sha256"] for trial in own.trials}
    assert data == {own.user_attrs["data_sha256"]}
    with pytest.raises(TrialError, match="under the key test"):
        confirm_by("s", sqlite_url, Wanted(on="test"), ways, allowed)
    assert told == []  # no network is trained in vain
    file.write_text(CODE + "\n# changed\n")
    with pytest.raises(DefinitionError, match=r"hpo create --accept-code s$"):
        confirm_by("s", sqlite_url, Wanted(seeds=6, name="again"), ways, allowed)
