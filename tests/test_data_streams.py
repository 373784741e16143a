"""Data that come batch by batch: told apart by what they are, and trained by Keras's `fit`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from written_data import forgotten, load_written

from objectives import DataOptions
from objectives.data import datasets
from objectives.data.encoding import AS_STORED
from objectives.data.streams import NOT_COMPARABLE
from objectives.errors import DataError, SettingError
from objectives.own.hyperparameters import OwnHyperparameters
from objectives.own.inspect import inspect
from objectives.own.tuner_fit import TunerFit
from objectives.training.fit_pack import FitTask
from objectives.training.network_pack import NetworkPack
from objectives.training.passes import Passes
from objectives.training.program_cache import ProgramCache
from objectives.training_hyperparameters import TrainingHyperparameters

# Keras 3.15 reads its variables in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
EAGERLY = keras.backend.backend() != "jax"  # TensorFlow takes as long to trace as to take 50 steps
CODE = """
import keras
import numpy as np
import tensorflow as tf
x, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2
class Own(keras.utils.PyDataset):
    def __len__(self):
        return 4
    def __getitem__(self, i):
        return x[i * 5 : i * 5 + 5], y[i * 5 : i * 5 + 5]
class Endless(Own):
    num_batches = None
    def __getitem__(self, i):
        return super().__getitem__(i % 4)
def forever():
    i = 0
    while True:
        yield x[i % 20 : i % 20 + 3], y[i % 20 : i % 20 + 3]
        i += 3
def batched(n=20, seed=None):
    made = tf.data.Dataset.from_tensor_slices((x[:n], y[:n]))
    made = made if seed is None else made.shuffle(20, seed=seed)
    return made.batch(5)
def load(): return {returned}
"""


@pytest.fixture
def module(tmp_path: Path) -> Iterator[Path]:
    with forgotten(tmp_path / "own_streams.py") as file:
        yield file


def load(module: Path, returned: str) -> datasets.Dataset:
    return load_written(module, CODE.replace("{returned}", returned))


BOTH = "{'train': %s, 'validation': %s}"


def test_streams_are_told_apart_by_their_first_batches(module: Path) -> None:
    one = load(module, BOTH % ("batched()", "batched(10)"))
    assert one.x_train.shape == (5, 2)  # of the first batch
    assert one.sha256 == load(module, BOTH % ("batched()", "batched(10)")).sha256
    assert one.sha256 != load(module, BOTH % ("batched()", "batched(15)")).sha256
    own = load(module, BOTH % ("Own()", "batched(10)"))
    assert len(own.sha256) == 64
    shuffled = load(module, BOTH % ("batched(seed=1)", "batched(10)"))
    assert shuffled.sha256 == NOT_COMPARABLE


@pytest.mark.parametrize("train", ["batched()", "Own()"])
def test_a_network_is_trained_by_fit_and_evaluated_on_all(module: Path, train: str) -> None:
    data = load(module, f"{{'train': {train}, 'validation': batched(10), 'test': batched(15)}}")

    def build(setting: Any) -> keras.Model:
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(1e-4), "mse")
        return model

    def task(**given: Any) -> FitTask:
        setting = TrainingHyperparameters(epochs=2, **given)
        return FitTask(setting, {}, 3, "val_loss", maximize=False)

    pack = NetworkPack(build, data, ProgramCache())
    (trial,) = pack.add([task()])
    for _ in range(2):
        pack.train_epoch()
    assert pack.trained_by(trial.task)[0] == "fit"
    ((_, result),) = pack.take_ended()
    keras.utils.set_random_seed(3)
    plain = build({})
    streams = data.streams
    assert streams is not None
    history = plain.fit(
        streams.train if train == "batched()" else Passes(streams.train, seed=3, first=0),
        validation_data=streams.validation,
        epochs=2,
        steps_per_epoch=4,
        verbose=0,
        shuffle=False,
    )
    for name, values in history.history.items():
        np.testing.assert_allclose(result.history[name], values, rtol=1e-5)
    with pytest.raises(SettingError, match="Expected no class_weight"):
        pack.add([task(class_weight="balanced")])
    x, y = datasets.load_test(f"{module}:load", DataOptions(), AS_STORED)
    assert (x.shape, y.shape) == ((15, 2), (15,))


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        (BOTH % ("forever()", "batched()"), "train of .* Received: a generator"),
        (BOTH % ("batched()", "batched(0)"), "validation of .* Received: none"),
        ("{'train': batched()}", "only one of them"),
        (BOTH % ("batched()", "(x, y)"), "only one of them"),
        (BOTH % ("batched()", "batched().map(lambda a, b: (a[:, :1], b))"), "shape"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(module: Path, returned: str, words: str) -> None:
    with pytest.raises(DataError, match=words):
        load(module, returned)


def a_task(checkpoint: Any = None, **given: Any) -> FitTask:
    return FitTask(OwnHyperparameters(**given), {}, 3, "val_loss", False, checkpoint)


def linear(setting: Any) -> keras.Model:
    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(1e-4), "mse", run_eagerly=EAGERLY)
    return model


ENDLESS = ["batched().repeat()", "forever", "Endless()", "batched(seed=1).repeat()"]


@pytest.mark.parametrize("train", ENDLESS)
def test_an_epoch_of_endless_data_is_as_many_batches_as_the_study_says(
    module: Path, train: str
) -> None:
    data = load(module, BOTH % (train, "forever"))
    assert (data.sha256 == NOT_COMPARABLE) == ("seed" in train)
    given = {"epochs": 3, "steps_per_epoch": 3, "validation_steps": 2}
    pack = NetworkPack(linear, data, ProgramCache())
    pack.add([a_task(**given)])
    for _ in range(3):
        ((trial, _),) = pack.train_epoch()
        if trial.epochs.completed == 2:
            checkpoint = pack.checkpoint(trial)
    ((_, result),) = pack.take_ended()
    again = NetworkPack(linear, data, ProgramCache())
    (trial,) = again.add([a_task(checkpoint, **given)])
    assert trial.epochs.completed == (0 if "seed" in train else 2)
    while trial.epochs.stopped is None:
        again.train_epoch()
    ((_, resumed),) = again.take_ended()
    keras.utils.set_random_seed(3)
    plain, streams = linear({}), data.streams
    x, y = np.arange(40.0).reshape(20, 2), np.arange(20) % 2
    assert streams is not None
    history = plain.fit(
        streams.train() if train == "forever" else streams.train,
        validation_data=(x[:6], y[:6]),  # as a generator would go on, from batch to batch
        validation_batch_size=3,
        epochs=3,
        steps_per_epoch=3,
        shuffle=False,
        verbose=0,
    )
    if "seed" not in train:
        for name, values in history.history.items():
            np.testing.assert_allclose(result.history[name], values, rtol=1e-5)
            np.testing.assert_allclose(resumed.history[name], values, rtol=1e-5)
    assert len(resumed.history["loss"]) == 3


@pytest.mark.parametrize(
    ("returned", "given", "words"),
    [
        (BOTH % ("forever", "batched()"), {}, "Expected steps_per_epoch, the batches"),
        (BOTH % ("batched()", "forever"), {"steps_per_epoch": 2}, "Expected validation_steps"),
        (BOTH % ("batched()", "batched()"), {"steps_per_epoch": 3}, "parts the 4 batches of train"),
        (BOTH % ("batched()", "batched(10)"), {"validation_steps": 3}, "at most the 2 batches"),
        ("{'train': (x, y)}", {"steps_per_epoch": 3}, "and arrays, of which an epoch has all"),
    ],
)
def test_what_an_epoch_has_is_checked_before_any_training(
    module: Path, returned: str, given: dict[str, int], words: str
) -> None:
    data = load(module, returned)
    with pytest.raises(SettingError, match=words):
        inspect(linear, data, given, [given], {})


def test_a_hypermodel_with_a_fit_of_its_own_wants_arrays(module: Path) -> None:
    keras_tuner = pytest.importorskip("keras_tuner")

    class Own(keras_tuner.HyperModel):  # type: ignore[name-defined, misc]
        def build(self, hp: Any) -> keras.Model:
            return linear({})

        def fit(self, hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
            return model.fit(*args, **kwargs)

    data = load(module, "{'train': batched(), 'validation': batched()}")
    with pytest.raises(SettingError, match="Expected arrays for a HyperModel"):
        inspect(TunerFit(Own(), "Own"), data, {"epochs": 1}, [], {})


def test_data_without_an_end_are_no_test_part(module: Path) -> None:
    load(module, "{'train': batched(), 'validation': batched(), 'test': forever}")
    with pytest.raises(DataError, match=r"test of .* that do not end"):
        datasets.load_test(f"{module}:load", DataOptions(), AS_STORED)


def test_built_in_networks_want_arrays(module: Path) -> None:
    load(module, BOTH % ("batched()", "batched()"))
    with pytest.raises(DataError, match="Expected arrays"):
        datasets.load(f"{module}:load", DataOptions())
