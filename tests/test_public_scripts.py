"""What people tune with Keras: the networks of tests/public_scripts, each trained for two epochs.

On JAX; the last test runs all the others there.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from nested import FULL, IS_NESTED, said_by, start_tests
from PIL import Image

from objectives import DataOptions
from objectives.code.find_function import find_function
from objectives.data import datasets
from objectives.data.encoding import AS_STORED
from objectives.own.build_trial import BuildTrial
from objectives.own.builder import Builder
from objectives.own.built import metric_names
from objectives.training.fit_pack import FitTask
from objectives.training.mean_pack import FoldPack
from objectives.training.network_pack import NetworkPack
from objectives.training.program_cache import ProgramCache
from objectives.training_hyperparameters import TrainingHyperparameters

SCRIPTS = Path(__file__).parent / "public_scripts"
THERE = keras.backend.backend() == "jax"
on_jax = pytest.mark.skipif(not THERE, reason="on JAX: see the last test")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

CASES = {  # function -> its data, the options of these, the metric, the way of training
    "text:build": ("text.py:load", {}, "val_auc", "lanes"),
    "series:build": ("series.py:load", {}, "val_mae", "lanes"),
    "unet:build": ("unet.py:load", {}, "val_loss", "program"),
    "transfer:build": ("transfer.py:load", {}, "val_accuracy", "program"),
    "vae:build": ("vae.py:load", {}, "val_loss", "fit"),
    "wide_deep:build": ("wide_deep.py:load", {}, "val_bought_accuracy", "lanes"),
    "signals:build": ("signals.py:load", {}, "val_accuracy", "program"),
    "denoise:build": ("denoise.py:load", {}, "val_loss", "lanes"),
    "stream:build": ("stream.py:load", {}, "val_accuracy", "fit"),
    "table:build": ("{}/houses.csv", {"target": "price", "group": "street"}, "val_mae", "lanes"),
    "table:build_classes": ("{}/houses.csv", {"target": "kind", "drop": ["street"]}, "val_auc",
                            "lanes"),
    "table:build (folds)": ("{}/houses.csv", {"target": "price", "drop": ["street"], "folds": 3},
                            "val_mae", "lanes"),
    "birds:build": ("{}/birds", {"size": 16}, "val_accuracy", "program"),
}  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write a table and a folder of pictures."""
    made, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(0)
    area = rng.normal(80, 20, 120)
    table = pd.DataFrame({
        "price": area * 2 + rng.normal(0, 5, 120), "area": area, "rooms": rng.integers(1, 7, 120),
        "town": rng.choice(["Aa", "Bb"], 120), "street": rng.integers(0, 30, 120),
        "kind": np.where(area > 80, "house", "flat"),
    })  # fmt: skip
    table.to_csv(made / "houses.csv", index=False)
    for i in range(40):
        place = made / "birds" / ("owl" if i % 2 else "jay")
        place.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 200, (20, 20, 3)) + (i % 2) * np.array([50, 0, 0])
        Image.fromarray(pixels.astype(np.uint8)).save(place / f"{i}.png")
    return made


@pytest.fixture(autouse=True)
def _forget_modules() -> Iterator[None]:
    yield
    for script in SCRIPTS.glob("*.py"):
        sys.modules.pop(script.stem, None)


@on_jax
@pytest.mark.parametrize("name", CASES)
def test_a_network_as_people_write_it_is_trained(name: str, folder: Path) -> None:
    data_name, options, metric, way = CASES[name]
    module, _, function = name.partition(" ")[0].partition(":")
    build = find_function(f"{SCRIPTS / module}.py:{function}")
    if data_name.endswith(":load"):
        data_name = str(SCRIPTS / data_name)
    folds = datasets.load_folds(data_name.format(folder), DataOptions(**options), AS_STORED)

    asking = BuildTrial({}, lambda parameter: parameter.levels()[0])
    build(asking)
    setting = asking.params
    reported = metric_names(Builder(build)(setting), folds[0].train, folds[0].validation)
    assert metric in reported
    hyperparameters = TrainingHyperparameters(epochs=2, batch_size=32)
    packs = [NetworkPack(Builder(build), fold, ProgramCache()) for fold in folds]
    pack: Any = packs[0] if len(packs) == 1 else FoldPack(packs)
    pack.add([FitTask(hyperparameters, setting, 0, metric, maximize="loss" not in metric)])
    for _ in range(2):
        ((trial, metrics),) = pack.train_epoch()
    assert packs[-1].trained_by(trial.task)[0] == way
    assert np.isfinite([metrics[each] for each in ("loss", "val_loss", metric)]).all()
    ((_, result),) = pack.take_ended()
    assert result.history["loss"][1] < result.history["loss"][0]


@pytest.mark.skipif(IS_NESTED, reason="this is JAX")
def test_all_of_this_on_jax() -> None:
    (words,) = said_by(start_tests(__file__, kind=FULL))  # scripts need pandas and TensorFlow
    assert " passed" in words
