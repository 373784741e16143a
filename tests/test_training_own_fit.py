"""Networks trained by the `fit` of a KerasTuner `HyperModel`: reported, stopped, resumed, kept."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import keras
import keras_tuner
import numpy as np
import pytest
from keras import layers

from objectives.data.datasets import Dataset
from objectives.errors import ObjectiveError
from objectives.own import find_space
from objectives.own.builder import Builder
from objectives.own.hyper_model import builder_of
from objectives.own.hyperparameters import OwnHyperparameters
from objectives.own.inspect import inspect
from objectives.own.tuner_fit import TunerFit
from objectives.training.checkpoint import Checkpoint
from objectives.training.fit_pack import FitPack, FitTask
from objectives.training.result import TrainingResult

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
N = 30
rng = np.random.default_rng(0)
X = rng.random((N, 6)).astype("float32")
Y = (X.mean(1) > 0.5).astype("int32")
DATA = Dataset("toy", X, Y, X[:20], Y[:20], 2, "", 1.0)
EAGERLY = keras.backend.backend() != "jax"  # TensorFlow takes as long to trace as to take 50 steps
SETTING = {"units": 4, "batch_size": 10}


class Net(keras_tuner.HyperModel):  # type: ignore[misc]
    """The fit that KerasTuner's guide shows."""

    def build(self, hp: Any) -> keras.Model:
        """Build a network with dropout, whose random states a checkpoint must hold."""
        parts = [layers.Dense(hp.Int("units", 4, 6)), layers.Dropout(0.3), layers.Dense(2)]
        model = keras.Sequential(parts)
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile("adam", loss, metrics=["accuracy"], run_eagerly=EAGERLY)
        return model

    def fit(self, hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        """Ask for the batch size."""
        batch_size = hp.Choice("batch_size", [10, 16])
        return model.fit(*args, batch_size=batch_size, epochs=4, **kwargs)


class Plain(Net):
    """The same network, which the service trains."""

    fit = keras_tuner.HyperModel.fit


class Number(Net):
    """Returns what no epoch reports."""

    def fit(self, hp: Any, model: keras.Model, x: Any, y: Any, **kwargs: Any) -> float:
        """Train on changed data, without validation; return a number."""
        shown, known = kwargs.pop("validation_data")
        model.fit(2 * x, y, epochs=hp.Int("rounds", 2, 3), **kwargs)
        return float(np.mean(np.argmax(model.predict(shown, verbose=0), -1) != known))


class Loop(Net):
    """A loop of its own, without the network's `fit`."""

    def fit(self, hp: Any, model: keras.Model, x: Any, y: Any, callbacks: Any, epochs: int) -> Any:
        """Report each epoch."""
        n = hp.Int("size", 10, 12)
        model.run_eagerly = True  # nine steps are not worth a compilation
        for callback in callbacks:
            callback.set_model(model)
        for epoch in range(epochs):
            for i in range(0, len(x), n):
                loss = model.train_on_batch(x[i : i + n], y[i : i + n])[0]
            for callback in callbacks:
                callback.on_epoch_end(epoch, logs={"val_mine": loss})
        return {"val_mine": loss}


class Twice(Net):
    """Trains in two calls, the first of which a callback of its own stops."""

    def fit(self, hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        """Stop the first call after its second epoch."""
        stop = keras.callbacks.EarlyStopping("val_loss", patience=1, min_delta=100.0)
        callbacks = kwargs.pop("callbacks")
        model.fit(*args, callbacks=[*callbacks, stop], epochs=4, batch_size=16, **kwargs)
        return model.fit(*args, callbacks=callbacks, epochs=3, **kwargs)


def pack_of(kind: type[Net]) -> FitPack:
    function = builder_of(kind, kind.__name__)
    own = function if isinstance(function, TunerFit) else None
    return FitPack(Builder(function), DATA, own)


def task(metric: str, checkpoint: Checkpoint | None = None, **settings: Any) -> FitTask:
    hyperparameters = OwnHyperparameters(**SETTING, **settings)
    return FitTask(hyperparameters, hyperparameters.given(), 7, metric, False, checkpoint)


def rest(pack: FitPack) -> TrainingResult:
    while not (ended := pack.take_ended()):
        pack.train_epoch()
    ((_, result),) = ended
    return result


def trained(kind: type[Net], metric: str = "val_loss", **settings: Any) -> TrainingResult:
    pack = pack_of(kind)
    pack.add([task(metric, **settings)])
    return rest(pack)


@pytest.fixture(autouse=True)
def _no_thread_stays() -> Iterator[None]:
    yield
    assert [each.name for each in threading.enumerate() if each.name == "fit"] == []


def test_a_trial_is_what_the_service_trains_and_goes_on_from_its_checkpoint() -> None:
    whole = trained(Net)
    assert (whole.stopped, whole.last_epoch) == ("finished", 4)  # the epochs of the code
    plain = trained(Plain, epochs=4)
    assert whole.history.keys() == plain.history.keys()
    for name, values in plain.history.items():
        assert whole.history[name] == pytest.approx(values, abs=1e-6)
    pack = pack_of(Net)
    (trial,) = pack.add([task("val_loss")])
    pack.train_epoch()
    pack.train_epoch()
    checkpoint = pack.checkpoint(trial)
    trial.stop()  # as when it is pruned
    ((_, pruned),) = pack.take_ended()
    assert (pruned.stopped, pruned.last_epoch) == ("by_report", 2)
    second = pack_of(Net)
    (again,) = second.add([task("val_loss", checkpoint)])
    assert again.epochs.completed == 2
    resumed = rest(second)
    assert resumed.last_epoch == 4
    for name, values in whole.history.items():
        assert resumed.history[name] == pytest.approx(values, abs=1e-6)
    shown = resumed.model().evaluate(X[:20], Y[:20], verbose=0, return_dict=True)
    assert shown["loss"] == pytest.approx(resumed.value, abs=1e-5)


def test_epochs_and_batch_size_of_the_study_win_over_those_of_the_code() -> None:
    result = trained(Net, epochs=2)
    assert result.last_epoch == 2


def test_what_fit_returns_is_the_value_where_no_epoch_reports_the_metric() -> None:
    result = trained(Number, "default_objective", rounds=2)
    assert (result.stopped, result.last_epoch) == ("finished", 1)
    guesses = result.model().predict(X[:20], verbose=0)
    assert result.value == np.mean(np.argmax(guesses, -1) != Y[:20])


def test_a_loop_of_the_users_own_is_reported_and_stopped_and_begins_anew() -> None:
    result = trained(Loop, "val_mine", size=10, epochs=3)
    assert (result.stopped, result.last_epoch) == ("finished", 3)
    pack = pack_of(Loop)
    (trial,) = pack.add([task("val_mine", size=10, epochs=3)])
    pack.train_epoch()
    checkpoint = pack.checkpoint(trial)
    trial.stop()
    assert [each.last_epoch for _, each in pack.take_ended()] == [1]
    second = pack_of(Loop)
    (again,) = second.add([task("val_mine", checkpoint, size=10, epochs=3)])
    assert again.epochs.completed == 0
    assert rest(second).history == result.history


def test_a_second_call_of_the_networks_fit_adds_its_epochs() -> None:
    result = trained(Twice)
    assert (result.stopped, result.last_epoch) == ("finished", 2 + 3)
    shown = result.model().evaluate(X[:20], Y[:20], verbose=0, return_dict=True)
    assert shown["loss"] == pytest.approx(result.value, abs=1e-5)


@pytest.mark.parametrize(
    ("kind", "asked", "metrics", "training", "note"),
    [
        (Net, "batch_size", "val_loss", {"epochs": 4, "batch_size": None}, "with a fit of its own"),
        (Number, "rounds", "default_objective", {"epochs": None}, "Its fit changes the data"),
        (Loop, "size", "val_mine", {}, "with a fit of its own"),
    ],
)
def test_what_fit_asks_for_and_reports_is_found(
    kind: type[Net],
    asked: str,
    metrics: str,
    training: dict[str, Any],
    note: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(find_space, "RANDOM_SETTINGS", 3)
    function = builder_of(kind, "Net")
    found = inspect(function, DATA, {}, [], {})
    assert list(found.space) == ["units", asked]
    assert metrics in found.metrics
    assert found.training == training
    assert isinstance(function, TunerFit)
    assert note in " ".join(function.notes())


class Fails(Net):
    """Makes a mistake before it trains."""

    def fit(self, hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        """Look for what is not given."""
        return kwargs["generator"]


class Nonsense(Net):
    """Returns what is no metric."""

    def fit(self, hp: Any, model: keras.Model, *args: Any, **kwargs: Any) -> Any:
        """Return text."""
        return "done"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Fails, "KeyError: 'generator' (test_training_own_fit.py, line"),
        (Nonsense, "Expected a fit that returns a History, a number, or a dict of metrics."),
    ],
)
def test_a_mistake_of_fit_is_told_before_any_training(kind: type[Net], words: str) -> None:
    with pytest.raises(ObjectiveError) as caught:
        inspect(builder_of(kind, "Net"), DATA, {"units": 4}, [], {})
    assert words in str(caught.value)
