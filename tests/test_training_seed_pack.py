"""Trials of several seeds: each comes to what it comes to alone, and the trial to their mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest

import objectives
from objectives import DataOptions
from objectives.data import datasets
from objectives.own.hyperparameters import OwnHyperparameters
from objectives.training.fit_pack import FitTask
from objectives.training.mean_pack import FoldPack, SeedPack
from objectives.training.network_pack import NetworkPack
from objectives.training.pack import Pack, TrainingTask
from objectives.training.program_cache import ProgramCache
from objectives.training.result import TrainingResult

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
MLP = objectives.get("mlp")
DATA = datasets.load("digits", DataOptions(train_size=60))
PROGRAMS = ProgramCache()
SEEDS = 3


def task(**settings: Any) -> TrainingTask:
    """Return a trial of the network `mlp`, from seed 5 on."""
    own = {"hidden_units": [8], "batch_size": 30, "epochs": 4, "dropout": 0.1, **settings}
    return TrainingTask(MLP.hyperparameters(**own), 5, "val_accuracy", maximize=True)


def build(setting: Any) -> keras.Model:
    """Build an own network."""
    layers = [keras.layers.Flatten(), keras.layers.Dense(8, "relu"), keras.layers.Dense(10)]
    model = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(setting["rate"]), loss, metrics=["accuracy"])
    return model


def own_task(**settings: Any) -> FitTask:
    """Return a trial of an own network, from seed 5 on."""
    hyperparameters = OwnHyperparameters(batch_size=30, epochs=4, rate=0.01, **settings)
    return FitTask(hyperparameters, hyperparameters.given(), 5, "val_accuracy", maximize=True)


def trained(pack: Any, tasks: Sequence[Any]) -> list[TrainingResult]:
    """Train trials side by side to their ends, and return their results in order."""
    trials = pack.add(tasks)
    results: dict[Any, TrainingResult] = {}
    while len(results) < len(trials):
        pack.train_epoch()
        results |= dict(pack.take_ended())
    assert pack.trials == []
    return [results[trial] for trial in trials]


def new_pack(kind: str) -> Any:
    """Return a pack of networks, which trains a trial of one seed."""
    if kind == "own":
        return NetworkPack(build, DATA, ProgramCache())
    if kind == "folds":
        folds = datasets.load_folds("digits", DataOptions(train_size=60, folds=2))
        return FoldPack([Pack(MLP, fold, PROGRAMS) for fold in folds])
    return Pack(MLP, DATA, PROGRAMS)


@pytest.mark.parametrize("kind", ["mlp", "own", "folds"])
@pytest.mark.parametrize("packs", [1, SEEDS])
def test_a_trial_is_the_mean_of_its_seeds(kind: str, packs: int) -> None:
    one = own_task() if kind == "own" else task()
    pack = SeedPack([new_pack(kind) for _ in range(packs)], SEEDS)
    result, other = trained(pack, [one, replace(one, seed=50)])
    alone = [trained(new_pack(kind), [replace(one, seed=5 + i)])[0] for i in range(SEEDS)]
    values = [each.value for each in alone if each.value is not None]
    assert result.value == pytest.approx(np.mean(values), abs=1e-6)
    assert other.value is not None
    for name, mean in result.history.items():
        theirs = np.mean([each.history[name] for each in alone], axis=0)
        np.testing.assert_allclose(mean, theirs, rtol=1e-5, atol=1e-6)
    assert result.seeds is not None
    assert result.seeds.values == pytest.approx(values, abs=1e-6)
    best = int(np.argmax(values))
    assert result.seeds.best.seed == 5 + best
    for kept, own in zip(result.weights, alone[best].weights, strict=True):
        np.testing.assert_allclose(kept, own, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("kind", ["mlp", "own"])
def test_it_goes_on_from_its_checkpoint(kind: str) -> None:
    one = own_task() if kind == "own" else task()
    first = SeedPack([new_pack(kind)], SEEDS)
    (trial,) = first.add([one])
    first.train_epoch()
    first.train_epoch()
    checkpoint = first.checkpoint(trial)
    (resumed,) = trained(SeedPack([new_pack(kind)], SEEDS), [replace(one, checkpoint=checkpoint)])
    (undisturbed,) = trained(SeedPack([new_pack(kind)], SEEDS), [one])
    assert resumed.value == pytest.approx(undisturbed.value, abs=1e-6)
    for name, values in undisturbed.history.items():
        np.testing.assert_allclose(resumed.history[name], values, rtol=1e-5)


def test_the_mean_stops_a_trial_early_and_a_seed_that_diverges_ends_it() -> None:
    (early,) = trained(
        SeedPack([new_pack("mlp")], SEEDS),
        [task(epochs=8, early_stopping_patience=1, early_stopping_min_delta=0.9)],
    )
    assert (early.stopped, early.last_epoch) == ("early_stopping", 2)
    wild = task(optimizer="sgd", learning_rate=1e30)
    (diverged,) = trained(SeedPack([new_pack("mlp")], SEEDS), [wild])
    assert (diverged.stopped, diverged.value) == ("diverged", None)
