"""The networks that are kept of trials, as stock Keras finds them in another process."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import objectives
from objectives.data.datasets import Dataset
from objectives.objective import Objective
from objectives.training import evaluate
from objectives.training.build import build, build_for_reading

# Keras 3.15 reads its variables in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

SMALL: dict[str, Any] = {"patterns": 1, "first_filters": 2, "hidden_units": [4]}
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "mlp": ("mlp", {"hidden_units": [8], "learning_rate": 0.002}),
    "cnn": ("cnn", {"filters": [2], "hidden_units": [], "optimizer": "sgd", "momentum": 0.9}),
    "classes": ("clock", SMALL | {"head": "classification", "n_classes": 720}),
    "hands": ("clock", SMALL | {"head": "both_hands", "optimizer": "rmsprop"}),
}
CODE = """
import json, sys, keras, numpy as np
found = {}
x = np.load(f"{sys.argv[1]}/x.npy")
for name in sys.argv[2:]:
    network = keras.models.load_model(f"{sys.argv[1]}/{name}.keras")
    optimizer = network.optimizer
    about = [type(optimizer).__name__, float(optimizer.learning_rate), network.input.name]
    if network.loss is None:
        found[name] = about, None
        continue
    y = np.load(f"{sys.argv[1]}/{name}.npy")
    found[name] = about, network.evaluate(x, y, return_dict=True, verbose=0)
    if name == "mlp":
        network.fit(x, y, verbose=0)
print(json.dumps(found))
"""


def pictures() -> Dataset:
    """Return random pictures; their labels are minutes of the dial, and classes as well."""
    draw = np.random.default_rng(0)
    x = draw.integers(0, 256, (40, 8, 8, 1)).astype(np.uint8)
    y = draw.integers(0, 720, 40).astype(np.int32)
    return Dataset("noise", x, y, x, y, 720, "", 255.0)


def kept(objective: Objective, setting: dict[str, Any], file: Path) -> dict[str, float]:
    """Keep a network with random weights, and labels of which every other one is what it reads.

    Returns:
        Its metrics, by the head that trains it.
    """
    data = pictures()
    hyperparameters = objective.hyperparameters(**setting)
    head = objective.head_of(hyperparameters)
    network = build_for_reading(objective, hyperparameters, data)
    network.set_weights(build(objective, hyperparameters, data).get_weights())
    network.save(file)
    x, y = data.x_train, data.y_train
    y[::2] = evaluate.losses_and_predictions(network, head, x, y)[::2, 1]
    np.save(file.with_suffix(".npy"), y)
    loss, predicted = evaluate.losses_and_predictions(network, head, x, y).T
    return {"loss": float(loss.mean()), "accuracy": float((predicted == y).mean())}


def test_stock_keras_evaluates_and_fits_what_was_kept_and_tells_its_input(tmp_path: Path) -> None:
    expected = {
        name: kept(objectives.get(objective), setting, tmp_path / f"{name}.keras")
        for name, (objective, setting) in NETWORKS.items()
    }
    np.save(tmp_path / "x.npy", pictures().x_train)
    command = [sys.executable, "-W", "error::UserWarning", "-c", CODE, str(tmp_path), *NETWORKS]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    about = {name: each for name, (each, _) in found.items()}
    entry = "pixels_0_to_255_as_in_the_file"
    assert about == {
        "mlp": ["Adam", pytest.approx(0.002), entry],
        "cnn": ["SGD", pytest.approx(0.01), entry],
        "classes": ["Adam", pytest.approx(0.001), entry],
        "hands": ["RMSprop", pytest.approx(0.001), entry],
    }
    for name in ("mlp", "cnn", "classes"):
        assert found[name][1]["loss"] == pytest.approx(expected[name]["loss"], rel=1e-4)
        # A reading of these many classes may turn by rounding.
        assert found[name][1]["accuracy"] == pytest.approx(expected[name]["accuracy"], abs=0.03)
    assert found["hands"][1] is None
