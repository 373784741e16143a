"""The loop that the author of a public script would write: Optuna, or KerasTuner, and `model.fit`.

    python public_loop.py STUDY.toml SEED

The settings are those of the study's grid, the data and their parts those that hpo trains on. It
prints the value of each, in a line of JSON.
"""

from __future__ import annotations

import itertools
import json
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np

from objectives import DataOptions
from objectives.code.find_function import find_function
from objectives.data import datasets
from objectives.data.datasets import Dataset
from objectives.data.encoding import AS_STORED

FILE = Path(sys.argv[1]).resolve()
study = tomllib.loads(FILE.read_text())
SEED = int(sys.argv[2])
METRIC = study["metric"]
MAXIMIZE = METRIC.endswith(("accuracy", "auc"))
# What the study fixes for the function, and what belongs to the call of `fit`.
FIT = {name: study["fixed"][name] for name in ("epochs", "batch_size") if name in study["fixed"]}
FIXED = {name: value for name, value in study["fixed"].items() if name not in FIT}


def beside(key: str) -> str:
    """Return what a line of the study names, which is beside its file."""
    return str(FILE.parent / study[key])


def load() -> list[Dataset]:
    """Load what the study trains on, once for each fold."""
    lines = study.get("data", {})
    known = {name: value for name, value in lines.items() if name in DataOptions.model_fields}
    own = {name: value for name, value in lines.items() if name not in known}
    return datasets.load_folds(beside("dataset"), DataOptions(**known, arguments=own), AS_STORED)


def arguments(data: Dataset) -> dict[str, Any]:
    """Return the arguments of `fit`."""
    if data.streams is not None:
        return {"x": data.streams.train, "validation_data": data.streams.validation}
    names = ("x", "y", "sample_weight")
    return dict(zip(names, data.train, strict=False)) | {"validation_data": data.validation}


def by_optuna(build: Any, folds: Sequence[Dataset]) -> list[float]:
    """Search by Optuna."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)

    def objective(trial: optuna.Trial) -> float:
        curves = []
        for data in folds:
            keras.backend.clear_session()
            keras.utils.set_random_seed(SEED)
            model = build(trial)
            run = model.fit(**arguments(data), **FIT, verbose=0)
            curves.append(run.history[METRIC])
        mean = np.mean(curves, axis=0)
        return float(max(mean) if MAXIMIZE else min(mean))

    direction = "maximize" if MAXIMIZE else "minimize"
    search = optuna.create_study(direction=direction)
    levels = itertools.product(*study["space"].values())
    settings = [dict(zip(study["space"], values, strict=True)) for values in levels]
    for setting in settings:
        search.enqueue_trial(FIXED | setting)
    search.optimize(objective, n_trials=len(settings))
    return [float(trial.values[0]) for trial in search.trials]


def by_keras_tuner(model: Any, folds: Sequence[Dataset]) -> list[float]:
    """Search by KerasTuner, whose code names the levels of the grid itself."""
    import keras_tuner

    keras.utils.set_random_seed(SEED)
    # A tuner that finds a folder of its name goes on with what another one has left there.
    with TemporaryDirectory() as folder:
        tuner = keras_tuner.GridSearch(
            model,
            objective=keras_tuner.Objective(METRIC, "max" if MAXIMIZE else "min"),
            max_trials=1000,
            directory=folder,
        )
        tuner.search(**arguments(folds[0]), **FIT, verbose=0)
    return [trial.score for trial in tuner.oracle.trials.values()]


if __name__ == "__main__":
    found = find_function(beside("objective"))
    search = by_keras_tuner if isinstance(found, type) else by_optuna
    own = found() if isinstance(found, type) else found
    print(json.dumps({"values": search(own, load())}))
