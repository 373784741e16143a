"""A user's networks on toy data, for tests of how they train side by side in one program."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
import numpy as np

from objectives.data.datasets import Dataset
from objectives.training.fit_pack import FitPack, FitTask
from objectives.training.network_pack import NetworkPack
from objectives.training.result import TrainingResult
from objectives.training_hyperparameters import TrainingHyperparameters

THERE = keras.backend.backend() == "jax" and keras.backend.floatx() == "float64"
N, BATCH = 20, 8
rng = np.random.default_rng(0)
X = rng.random((N, 8, 8, 1))
Y = (X.mean((1, 2, 3)) > 0.5).astype("int32")
DATA = Dataset("toy", X, Y, X[:12], Y[:12], 2, "", 1.0)
Setting = Mapping[str, Any]
Build = Callable[[Setting], keras.Model]
SPARSE = keras.losses.SparseCategoricalCrossentropy


def compiled(model: keras.Model, setting: Setting, optimizer: Any = None) -> keras.Model:
    """Compile a network as all are that ask for nothing else."""
    rate = setting.get("rate", 0.1)
    model.compile(optimizer or keras.optimizers.SGD(rate), SPARSE(True), metrics=["accuracy"])
    return model


def task(
    seed: int = 0, metric: str = "val_loss", setting: Setting | None = None, **settings: Any
) -> FitTask:
    """Return a trial of few epochs."""
    settings = {"epochs": 3, "batch_size": BATCH, **settings}
    return FitTask(TrainingHyperparameters(**settings), setting or {}, seed, metric, maximize=False)


def train(pack: NetworkPack | FitPack, tasks: Sequence[FitTask]) -> list[TrainingResult]:
    """Train trials to their ends."""
    results: dict[FitTask, TrainingResult] = {}
    pack.add(tasks)
    while pack.trials:
        pack.train_epoch()
        results |= {trial.task: result for trial, result in pack.take_ended()}
    return [results[each] for each in tasks]


def check_equal(one: TrainingResult, other: TrainingResult, tolerance: float = 1e-8) -> None:
    """Check that two ways to train came to the same."""
    assert one.history.keys() == other.history.keys()
    for name, values in one.history.items():
        np.testing.assert_allclose(values, other.history[name], atol=tolerance, err_msg=name)
    assert (one.best_epoch, one.stopped) == (other.best_epoch, other.stopped)
    for ours, theirs in zip(one.weights, other.weights, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=tolerance)
