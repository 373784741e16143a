"""Studies on data that a user's function returns, by the commands."""

from __future__ import annotations

import csv
from pathlib import Path

import keras
import numpy as np
import optuna
from commands import hpo, hpo_here

CODE = """
import keras
import numpy as np
import pandas as pd  # as users' own code does, although a process that trains leaves it out

def load(n):
    rng = np.random.default_rng(0)
    def part(n):
        x = {"title": rng.random((n, 4)).astype("float32"), "body": rng.random((n, 3, 2))}
        kind = (x["title"].sum(1) > 2).astype("int32")
        weights = pd.Series(np.ones(n)).to_numpy()
        return x, {"kind": kind, "size": x["body"].sum((1, 2))}, {"kind": weights, "size": weights}
    return {"train": part(n), "validation": part(20), "test": lambda: part(30)}

def pictures():
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (80, 6, 6)).astype("uint8")
    return {"train": (x, np.where(x.mean((1, 2)) > 127, "light", "dark"))}

def build(trial):
    layers = keras.layers
    title, body = keras.Input((4,), name="title"), keras.Input((3, 2), name="body")
    both = layers.concatenate([layers.Dense(3)(title), layers.LSTM(2)(body)])
    outputs = {"kind": layers.Dense(2)(both), "size": layers.Dense(1)(both)}
    model = keras.Model({"title": title, "body": body}, outputs)
    model.compile(
        keras.optimizers.SGD(trial.suggest_float("learning_rate", 1e-3, 1e-1)),
        {"kind": keras.losses.SparseCategoricalCrossentropy(from_logits=True), "size": "mse"},
        loss_weights={"kind": 1.0, "size": 0.5},
        metrics={"kind": ["accuracy"]},
    )
    return model
"""
TOML = """
name = "own-data"
objective = "net.py:build"
dataset = "net.py:load"
metric = "val_kind_accuracy"
[data]
n = 40
[search]
design = "grid"
[fixed]
epochs = 2
[space]
learning_rate = [0.001, 0.01]
"""
PICTURES = """
name = "pictures"
objective = "mlp"
dataset = "net.py:pictures"
[search]
n_trials = 1
[fixed]
epochs = 1
[space]
learning_rate = [0.001, 0.01]
"""


def test_a_function_returns_the_data_of_own_and_of_built_in_networks(
    sqlite_url: str, tmp_path: Path
) -> None:
    for name, text in {"net.py": CODE, "own.toml": TOML, "pictures.toml": PICTURES}.items():
        (tmp_path / name).write_text(text)
    here = {"url": sqlite_url, "folder": tmp_path}
    ran = hpo("run", "own.toml", "-j2", **here)
    assert ran.returncode == 0, ran.stderr
    with (tmp_path / "own-data.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["user_attrs_trained_by"] for row in rows] == ["lanes"] * 2
    untrusted = hpo_here("test", "own-data", **here)
    assert f"--allow-module {tmp_path / 'net.py'}" in untrusted.stderr
    tested = hpo_here("test", "own.toml", **here)
    assert "on the 30 examples of the test part" in tested.stdout, tested.stderr
    kept = hpo_here("model", "own-data", "-o", "best.keras", **here)
    assert kept.returncode == 0, kept.stderr
    network = keras.models.load_model(tmp_path / "best.keras")
    found = network({"title": np.zeros((1, 4)), "body": np.zeros((1, 3, 2))})
    assert found["kind"].shape == (1, 2)
    refused = hpo_here("create", "own.toml", "--set=data.m=3", "--name=other", **here)
    assert "dataset: Expected a function that returns data" in refused.stderr
    assert "unexpected keyword argument 'm'" in refused.stderr
    assert optuna.get_all_study_names(sqlite_url) == ["own-data"]  # a mistake leaves no study

    made = hpo_here("create", "pictures.toml", **here)
    assert "Pixels are divided by 255" in made.stdout, made.stderr
    study = optuna.load_study(study_name="pictures", storage=sqlite_url)
    assert study.user_attrs["data_encoding"]["labels"] == ["dark", "light"]
    untrusted = hpo_here("worker", "pictures", **here)
    assert "Expected data of an allowed package or file" in untrusted.stderr
    assert hpo("worker", "pictures.toml", **here).returncode == 0
    assert [trial.state.name for trial in study.trials] == ["COMPLETE"]
    (tmp_path / "net.py").write_text(CODE.replace("rng(0)", "rng(1)"))
    changed = hpo("run", "pictures.toml", "-n2", **here)
    assert changed.returncode == 1
    assert "Expected the data that the study was begun with" in changed.stderr
