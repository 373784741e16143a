"""Trials of several seeds: each comes to what it comes to alone, and the trial to their mean."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
from nested import IS_NESTED, said_by, start_tests

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
from objectives.training.sequence_pack import SequencePack

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
MLP, CLOCK = objectives.get("mlp"), objectives.get("clock")
DATA = datasets.load("digits", DataOptions(train_size=60))
PROGRAMS = ProgramCache()
SEEDS = 3
JAX = keras.backend.backend() == "jax"
MODES = ("together", "one by one")


def task(**settings: Any) -> TrainingTask:
    """Return a trial of the network `mlp`, from seed 5 on."""
    own = {"hidden_units": [8], "batch_size": 30, "epochs": 4, "dropout": 0.1, **settings}
    return TrainingTask(MLP.hyperparameters(**own), 5, "val_accuracy", maximize=True)


def build(setting: Any) -> keras.Model:
    """Build an own network."""
    layers = [keras.layers.Flatten(), keras.layers.Dense(8, "relu"), keras.layers.Dense(10)]
    model = keras.Sequential(layers)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Adam(setting["rate"])
    # TensorFlow takes as long to trace a step as to take fifty.
    model.compile(optimizer, loss, metrics=["accuracy"], run_eagerly=not JAX)
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
    if kind == "clock":
        options = DataOptions(n_images=72, size=32, rotation=0.0)
        return Pack(CLOCK, datasets.load("clock", options), PROGRAMS)
    return Pack(MLP, DATA, PROGRAMS)


def seed_pack(kind: str, mode: str) -> Any:
    """Return a pack of trials of several seeds, as a child has it on this backend."""
    if mode == "one by one":
        return SequencePack(new_pack(kind), SEEDS)
    return SeedPack([new_pack(kind) for _ in range(1 if JAX else SEEDS)], SEEDS)


def trial_of(kind: str, **more: Any) -> Any:
    """Return the task of a trial."""
    if kind == "clock":
        own = {"head": "von_mises", "first_filters": 2, "patterns": 1, "hidden_units": [4]}
        setting = CLOCK.hyperparameters(**own, batch_size=30, epochs=2, **more)
        return TrainingTask(setting, 5, "val_common_sense_error", maximize=False)
    return own_task(**more) if kind == "own" else task(**more)


@pytest.mark.parametrize("kind", ["mlp", "own", "folds"] if JAX else ["mlp", "own", "clock"])
@pytest.mark.parametrize("mode", MODES)
def test_a_trial_is_the_mean_of_its_seeds(kind: str, mode: str) -> None:
    one = trial_of(kind)
    # On TensorFlow one network trains at a time.
    others = [replace(one, seed=50)] if JAX else []
    result, *_ = trained(seed_pack(kind, mode), [one, *others])
    alone = [trained(new_pack(kind), [replace(one, seed=5 + i)])[0] for i in range(SEEDS)]
    values = [each.value for each in alone if each.value is not None]
    best = int(np.argmax(values) if one.maximize else np.argmin(values))
    assert result.value == pytest.approx(np.mean(values), abs=1e-6)
    assert result.seeds is not None
    assert result.seeds.values == pytest.approx(values, abs=1e-6)
    assert result.seeds.best.seed == 5 + best
    for name, history in result.history.items():
        theirs = [each.history[name] for each in alone]
        expected = np.mean(theirs, axis=0) if mode == "together" else theirs[best]
        np.testing.assert_allclose(history, expected, rtol=1e-5, atol=1e-6)
    for kept, own in zip(result.weights, alone[best].weights, strict=True):
        np.testing.assert_allclose(kept, own, rtol=1e-4, atol=1e-6)
    if kind != "folds":
        assert result.model().count_params() == result.parameter_count


@pytest.mark.parametrize("kind", ["mlp", "own", "folds"] if JAX else ["mlp"])
@pytest.mark.parametrize(
    ("mode", "epochs"), [("together", 2), ("one by one", 4), ("one by one", 6)]
)
def test_it_goes_on_from_its_checkpoint(kind: str, mode: str, epochs: int) -> None:
    one, first = trial_of(kind), seed_pack(kind, mode)
    (trial,) = first.add([one])
    for _ in range(epochs):  # one by one, a seed has four
        first.train_epoch()
    checkpoint = first.checkpoint(trial)
    (undisturbed,) = trained(seed_pack(kind, mode), [one])
    second = seed_pack(kind, mode)
    (resumed,) = trained(second, [replace(one, checkpoint=checkpoint)])
    assert resumed.value == pytest.approx(undisturbed.value, abs=1e-6)
    assert resumed.seeds is not None
    assert undisturbed.seeds is not None
    assert resumed.seeds.values == pytest.approx(undisturbed.seeds.values, abs=1e-6)
    for name, values in undisturbed.history.items():
        np.testing.assert_allclose(resumed.history[name], values, rtol=1e-5)
    for kept, own in zip(resumed.weights, undisturbed.weights, strict=True):
        np.testing.assert_allclose(kept, own, rtol=1e-4, atol=1e-6)


def test_the_mean_stops_a_trial_early() -> None:
    setting = {"epochs": 8, "early_stopping_patience": 1, "early_stopping_min_delta": 0.9}
    (early,) = trained(seed_pack("mlp", "together"), [task(**setting)])
    assert (early.stopped, early.last_epoch) == ("early_stopping", 2)


@pytest.mark.parametrize("mode", MODES)
def test_a_seed_that_diverges_ends_its_trial_and_a_trial_may_be_stopped(mode: str) -> None:
    wild = task(optimizer="sgd", learning_rate=100.0, activation="exponential")
    (diverged,) = trained(seed_pack("mlp", mode), [wild])
    assert (diverged.stopped, diverged.value) == ("diverged", None)
    assert "Expected a finite" in str(diverged.fail_reason())
    pack = seed_pack("mlp", mode)
    (trial,) = pack.add([task()])
    pack.train_epoch()
    trial.stop()
    ((_, result),) = pack.take_ended()
    assert (result.stopped, pack.trials) == ("by_report", [])


@pytest.mark.skipif(IS_NESTED, reason="this is the other backend")
def test_all_of_this_on_jax() -> None:
    (words,) = said_by(start_tests(__file__))
    assert " passed" in words
