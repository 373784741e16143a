"""Weights of examples in built-in networks: as Keras counts them, in `loss` and `val_loss`.

It runs on the backend that KERAS_BACKEND names; test_training_train.py runs it on the other one.
"""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import objectives
from objectives.data.datasets import Dataset
from objectives.training import evaluate
from objectives.training.program_cache import ProgramCache
from objectives.training.train import train

# Keras 3.15 reads its variables in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

RNG = np.random.default_rng(0)
X = RNG.normal(size=(40, 6)).astype(np.float32)
Y = (X[:, 0] > 0).astype(np.int32)
WEIGHTS = np.where(np.arange(40) % 4, 1.5, 0.0).astype(np.float32)
SPOILED = np.where(WEIGHTS == 0, 1 - Y, Y)


def data(y: Any, weights: Any) -> Dataset:
    train, held = slice(28), slice(28, 40)
    parts = (X[train], y[train], X[held], y[held])
    own = (None, None) if weights is None else (weights[train], weights[held])
    return Dataset("d", *parts, 2, "", 1.0, train_weights=own[0], validation_weights=own[1])


def trained(y: Any, weights: Any, programs: ProgramCache) -> list[dict[str, float]]:
    seen: list[dict[str, float]] = []
    objective = objectives.get("mlp")
    setting = objective.hyperparameters(epochs=3, batch_size=8, hidden_units=[4])
    train(
        objective,
        setting,
        data(y, weights),
        seed=0,
        metric="val_loss",
        maximize=False,
        report=lambda epoch, metrics: seen.append(metrics) or True,
        programs=programs,
    )
    return seen


def test_a_row_of_weight_zero_is_not_learned_nor_in_the_loss_that_validates() -> None:
    programs = ProgramCache()
    one, other, plain = (
        trained(y, weights, programs)
        for y, weights in ((Y, WEIGHTS), (SPOILED, WEIGHTS), (Y, None))
    )
    for name in ("loss", "val_loss"):
        np.testing.assert_allclose([e[name] for e in one], [e[name] for e in other], rtol=1e-6)
    # Other metrics are of all rows alike, as Keras's `metrics` are.
    assert one[-1]["val_accuracy"] != pytest.approx(other[-1]["val_accuracy"])
    assert one[-1]["val_loss"] != pytest.approx(plain[-1]["val_loss"])


def test_the_loss_that_validates_is_that_of_keras_evaluate() -> None:
    network = keras.Sequential([keras.layers.Dense(2, "softmax")])
    network.compile(loss="sparse_categorical_crossentropy")
    network(X[:1])
    head = objectives.get("mlp").head_of(objectives.get("mlp").hyperparameters(), None)
    scores = evaluate.losses_and_predictions(network, head, X, Y)
    expected = network.evaluate(X, Y, sample_weight=WEIGHTS, batch_size=16, verbose=0)
    assert evaluate.metrics(head, scores, Y, WEIGHTS)["loss"] == pytest.approx(expected, rel=1e-5)
