"""Any compiled network, trained by Keras's own fit: as in plain Keras, and resumed to the bit."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers, ops

from objectives.data.datasets import Dataset
from objectives.errors import SettingError, UnknownNameError
from objectives.hyperparameters import TrainingHyperparameters
from objectives.training.checkpoint import Checkpoint
from objectives.training.fit_pack import FitPack, FitTask
from objectives.training.result import TrainingResult
from objectives.training.schedule import epoch_order

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
N, BATCH = 70, 16
rng = np.random.default_rng(0)
X = rng.random((N, 6, 4)).astype("float32")
Y = (X.mean((1, 2)) > 0.5).astype("int32")
DATA = Dataset("toy", X, Y, X[:20], Y[:20], 2, "", 1.0)
Build = Callable[[Mapping[str, Any]], keras.Model]


def compiled(model: keras.Model, optimizer: Any = "adam") -> keras.Model:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer=optimizer, loss=loss, metrics=["accuracy"])
    return model


def dense(setting: Mapping[str, Any]) -> keras.Model:
    parts = [layers.Flatten(), layers.Dense(8), layers.BatchNormalization(), layers.Dropout(0.3)]
    model = keras.Sequential([*parts, layers.Activation("relu"), layers.Dense(2)])
    return compiled(model, keras.optimizers.SGD(setting.get("rate", 0.1), momentum=0.9))


def recurrent(setting: Mapping[str, Any]) -> keras.Model:
    inputs = keras.Input((6, 4))
    one = layers.Bidirectional(layers.LSTM(3, dropout=0.2))(inputs)
    other = layers.GlobalAveragePooling1D()(
        layers.Conv1D(3, 2)(layers.SpatialDropout1D(0.2)(inputs))
    )
    return compiled(keras.Model(inputs, layers.Dense(2)(layers.concatenate([one, other]))))


class TwoOptimizers(keras.Model):  # type: ignore[misc]
    """An autoencoder with noise, whose two halves have an optimizer each: its own `train_step`."""

    def __init__(self) -> None:
        super().__init__()
        self.flatten = layers.Flatten()
        self.encoder = layers.Dense(3)
        self.decoder = layers.Dense(24)
        self.noise = layers.GaussianNoise(0.1)
        self.of_encoder = keras.optimizers.Adam(0.01)
        self.of_decoder = keras.optimizers.SGD(0.1, momentum=0.9)

    def call(self, x: Any, training: bool = False) -> Any:
        """Return the inputs again, (n, 24)."""
        return self.decoder(self.noise(self.encoder(self.flatten(x)), training=training))

    def compute_loss(
        self, x: Any = None, y: Any = None, y_pred: Any = None, *_: Any, **__: Any
    ) -> Any:
        """Return the mean squared error."""
        return ops.mean(ops.square(y_pred - self.flatten(x)))

    def train_step(self, data: Any) -> dict[str, Any]:
        """Update each half by its optimizer."""
        import tensorflow as tf

        x, _ = data
        with tf.GradientTape(persistent=True) as tape:
            loss = self.compute_loss(x=x, y_pred=self(x, training=True))
        halves = (self.encoder, self.of_encoder), (self.decoder, self.of_decoder)
        for half, optimizer in halves:
            weights = half.trainable_weights
            optimizer.apply_gradients(zip(tape.gradient(loss, weights), weights, strict=True))
        self._loss_tracker.update_state(loss)
        return {"loss": self._loss_tracker.result()}


def two_optimizers(setting: Mapping[str, Any]) -> keras.Model:
    model = TwoOptimizers()
    model.compile(optimizer="sgd")
    return model


BUILDS = [dense, recurrent]
if keras.backend.backend() == "tensorflow":
    BUILDS.append(two_optimizers)


def task(checkpoint: Checkpoint | None = None, **settings: Any) -> FitTask:
    settings = {"epochs": 4, "batch_size": BATCH, "restore_best_weights": False, **settings}
    hyperparameters = TrainingHyperparameters(**settings)
    return FitTask(hyperparameters, {}, 7, "val_loss", maximize=False, checkpoint=checkpoint)


def train(pack: FitPack) -> TrainingResult:
    while not (ended := pack.take_ended()):
        pack.train_epoch()
    ((_, result),) = ended
    return result


def trained(build: Build, **settings: Any) -> TrainingResult:
    pack = FitPack(build, DATA)
    pack.add([task(**settings)])
    return train(pack)


def equal(one: TrainingResult, other: TrainingResult) -> bool:
    assert one.history.keys() == other.history.keys()
    pairs = zip(one.weights, other.weights, strict=True)
    return one.history == other.history and all(np.array_equal(a, b) for a, b in pairs)


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    yield
    assert [each.name for each in threading.enumerate() if each.name == "fit"] == []


@pytest.mark.parametrize("build", BUILDS)
def test_a_trial_goes_on_from_its_checkpoint_as_if_undisturbed(build: Build) -> None:
    whole = trained(build)
    pack = FitPack(build, DATA)
    (trial,) = pack.add([task()])
    pack.train_epoch()
    pack.train_epoch()
    checkpoint = pack.checkpoint(trial)
    trial.stop()
    pack.take_ended()
    second = FitPack(build, DATA)
    second.add([task(checkpoint)])
    resumed = train(second)
    assert equal(resumed, whole)
    assert len(whole.history["loss"]) == 4
    assert whole.history["loss"][-1] < whole.history["loss"][0]


def test_it_is_what_plain_keras_trains() -> None:
    result = trained(dense, epochs=2)
    keras.utils.set_random_seed(7)
    plain = dense({})
    for epoch in (1, 2):
        order = epoch_order(N, 7, epoch)
        found = plain.fit(
            X[order], Y[order], batch_size=BATCH, shuffle=False, verbose=0,
            validation_data=(X[:20], Y[:20]),
        ).history  # fmt: skip
        for name, (value,) in found.items():
            assert result.history[name][epoch - 1] == pytest.approx(value, abs=1e-6)
    for own, kept in zip(plain.get_weights(), result.weights, strict=True):
        np.testing.assert_allclose(kept, own, atol=1e-6)


def test_the_tenth_network_is_built_as_the_first_and_is_kept_whole() -> None:
    results = [trained(dense, epochs=1) for _ in range(3)]
    assert equal(results[0], results[-1])
    model = results[-1].model()
    assert model.layers[1].name == "dense"
    shown = model.evaluate(X[:20], Y[:20], verbose=0, return_dict=True)
    assert shown["loss"] == pytest.approx(results[-1].value, abs=1e-6)


def test_schedule_steps_and_early_stopping_are_those_of_the_study() -> None:
    rates: list[float] = []

    class Watched(keras.optimizers.SGD):  # type: ignore[misc]
        def finalize_variable_values(self, _: Any) -> None:
            rates.append(float(self.learning_rate))

    def build(setting: Mapping[str, Any]) -> keras.Model:
        return compiled(keras.Sequential([layers.Flatten(), layers.Dense(2)]), Watched(0.2))

    schedule = {"learning_rate_schedule": "linear", "learning_rate_final": 0.5}
    trained(build, epochs=3, **schedule)
    assert rates[-1] == pytest.approx(0.1)
    n_steps = -(-N // BATCH)
    short = trained(dense, steps=n_steps + 2)
    assert short.last_epoch == 2
    full = trained(dense, epochs=2)
    assert short.history["loss"][0] == full.history["loss"][0]
    assert short.history["loss"][1] != full.history["loss"][1]
    stopped = trained(dense, epochs=9, early_stopping_patience=1, early_stopping_min_delta=100)
    assert (stopped.stopped, stopped.last_epoch) == ("early_stopping", 2)


def test_the_best_epoch_is_kept() -> None:
    result = trained(lambda _: dense({"rate": 5.0}), epochs=6, restore_best_weights=True)
    scores = result.history["val_loss"]
    assert result.value == min(scores) == scores[result.best_epoch - 1]
    assert result.best_epoch < 6
    shown = result.model().evaluate(X[:20], Y[:20], verbose=0, return_dict=True)
    assert shown["loss"] == pytest.approx(result.value, abs=1e-5)


def test_what_the_function_or_fit_raises_comes_out_and_nothing_stays_behind() -> None:
    def raises(setting: Mapping[str, Any]) -> keras.Model:
        raise KeyError("no such parameter")

    def misfit(setting: Mapping[str, Any]) -> keras.Model:
        return compiled(keras.Sequential([keras.Input((9,)), layers.Dense(2)]))

    with pytest.raises(KeyError, match="no such parameter"):
        FitPack(raises, DATA).add([task()])
    pack = FitPack(misfit, DATA)
    pack.add([task()])
    with pytest.raises(ValueError, match="shape"):
        pack.train_epoch()
    with pytest.raises(SettingError, match="one trial at a time"):
        FitPack(dense, DATA).add([task(), task()])


def test_a_metric_that_the_network_does_not_report_is_named() -> None:
    pack = FitPack(dense, DATA)
    settings = TrainingHyperparameters(epochs=1)
    pack.add([FitTask(settings, {}, 0, "val_acuracy", maximize=True)])
    with pytest.raises(UnknownNameError, match="Did you mean val_accuracy"):
        pack.train_epoch()
    assert pack.trials == []


def test_a_checkpoint_of_another_network_is_left_and_the_trial_begins_anew() -> None:
    pack = FitPack(recurrent, DATA)
    (trial,) = pack.add([task()])
    pack.train_epoch()
    checkpoint = pack.checkpoint(trial)
    trial.stop()
    pack.take_ended()
    other = FitPack(dense, DATA)
    other.add([task(checkpoint)])
    assert equal(train(other), trained(dense))


@pytest.mark.skipif("HPO_OTHER_BACKEND" in os.environ, reason="this is the other backend")
def test_all_of_this_on_jax() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-n", "0", "-p", "no:cacheprovider", __file__],
        env={**os.environ, "KERAS_BACKEND": "jax", "HPO_OTHER_BACKEND": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout
