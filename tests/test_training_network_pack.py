"""Networks of a user's, side by side in one program on JAX: as each is trained by Keras's own fit.

In float64 on JAX; the last test runs all the others there, with those of two more files.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from double_precision import compute_in_double
from keras import layers, ops
from nested import IS_NESTED, said_by, start_tests
from packed_networks import (
    BATCH,
    DATA,
    SPARSE,
    THERE,
    Build,
    N,
    Setting,
    X,
    Y,
    check_equal,
    compiled,
    task,
    train,
)

from objectives.data.arrays import rows
from objectives.data.datasets import Dataset
from objectives.training.fit_pack import FitPack, FitTask
from objectives.training.network_pack import NetworkPack
from objectives.training.program_cache import ProgramCache
from objectives.training.result import TrainingResult
from objectives.training.schedule import epoch_order

on_jax = pytest.mark.skipif(not THERE, reason="on JAX in float64: see the last test")
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
EVEN = Dataset("even", X[:16], Y[:16], X[:8], Y[:8], 2, "", 1.0)  # without a smaller last batch


@pytest.fixture(autouse=True)
def _keras_in_double(monkeypatch: pytest.MonkeyPatch) -> None:
    if THERE:
        compute_in_double(monkeypatch)


def dense(setting: Setting) -> keras.Model:
    """Return dropout in a network in the network, and an optimizer with numbers of its own."""
    inner = keras.Sequential([layers.Dense(5, "gelu"), layers.Dropout(setting.get("drop", 0.3))])
    parts = [layers.Flatten(), inner, layers.BatchNormalization(), layers.Dense(2)]
    momentum = setting.get("momentum", 0.8)
    optimizer = keras.optimizers.SGD(setting.get("rate", 0.1), momentum=momentum)
    return compiled(keras.Sequential(parts), setting, optimizer)


def residual(setting: Setting) -> keras.Model:
    """Return layer normalization, a shared layer, dropout in one of two branches, AdamW."""
    inputs = keras.Input((8, 8, 1))
    flat = layers.Dense(6)(layers.Flatten()(inputs))
    shared = layers.Dense(6, kernel_regularizer=keras.regularizers.L2(0.01))
    one = layers.Dropout(setting.get("drop", 0.4))(shared(layers.LayerNormalization()(flat)))
    outputs = layers.Dense(2)(layers.add([flat, one, 0.5 * shared(flat)]))
    numbers = {"beta_1": 0.7, "weight_decay": 0.1, "global_clipnorm": 0.5}
    optimizer = keras.optimizers.AdamW(setting.get("rate", 0.1) / 10, **numbers)
    return compiled(keras.Model(inputs, outputs), setting, optimizer)


def convolutional(setting: Setting) -> keras.Model:
    inner = keras.Sequential([
        layers.SeparableConv2D(3, 3, activation="relu"), layers.DepthwiseConv2D(3),
        layers.SpatialDropout2D(0.2),
    ])  # fmt: skip
    pooled = [inner, layers.GlobalAveragePooling2D(), layers.Dropout(setting.get("drop", 0.1))]
    return compiled(keras.Sequential([*pooled, layers.Dense(2)]), setting)


def recurrent(setting: Setting) -> keras.Model:
    inputs = keras.Input((8, 8, 1))
    steps = layers.Reshape((8, 8))(inputs)
    one = layers.Bidirectional(layers.LSTM(2, dropout=0.2))(steps)
    other = layers.GRU(3)(layers.Dropout(setting.get("drop", 0.2))(steps))
    return compiled(keras.Model(inputs, layers.Dense(2)(layers.concatenate([one, other]))), setting)


def attention(setting: Setting) -> keras.Model:
    inputs = keras.Input((8, 8, 1))
    tokens = layers.Embedding(8, 4)(layers.Rescaling(7.9)(layers.Reshape((64,))(inputs)))
    seen = layers.MultiHeadAttention(2, 2, dropout=0.1)(tokens, tokens)
    return compiled(
        keras.Model(inputs, layers.Dense(2)(layers.GlobalMaxPooling1D()(seen))), setting
    )


def binary(setting: Setting) -> keras.Model:
    """Return a sigmoid, weights that are given and frozen, a schedule, a metric with states."""
    given = layers.Dense(4, trainable=False)
    model = keras.Sequential([layers.Flatten(), given, layers.Dense(1, "sigmoid")])
    model.build((None, 8, 8, 1))
    given.set_weights([np.linspace(-1, 1, 256).reshape(64, 4), np.zeros(4)])
    schedule = keras.optimizers.schedules.ExponentialDecay(0.3, 4, 0.9)
    model.compile(keras.optimizers.RMSprop(schedule), "binary_crossentropy", metrics=["auc", "mae"])
    return model


def regression(setting: Setting) -> keras.Model:
    model = keras.Sequential([layers.Flatten(), layers.GaussianNoise(0.1), layers.Dense(1)])
    model.compile(keras.optimizers.Nadam(setting.get("rate", 0.1)), "mse", metrics=["mae"])
    return model


def several(setting: Setting) -> keras.Model:
    """Return two inputs, two outputs with weights of their losses, examples with weights."""
    picture, number = keras.Input((8, 8, 1), name="picture"), keras.Input((1,), name="number")
    seen = layers.Dropout(setting.get("drop", 0.2))(layers.Flatten()(picture))
    both = layers.Dense(4, "tanh")(layers.concatenate([seen, number]))
    outputs = {"kind": layers.Dense(2)(both), "size": layers.Dense(1)(both)}
    model = keras.Model({"picture": picture, "number": number}, outputs)
    model.compile(
        keras.optimizers.SGD(setting.get("rate", 0.1)),
        {"kind": SPARSE(True), "size": "mse"},
        loss_weights={"kind": 1.0, "size": 0.3},
        metrics={"kind": ["accuracy"]},
        weighted_metrics={"size": ["mae"]},
    )
    return model


def some_of_several(n: int) -> tuple[Any, Any]:
    numbers = X.std((1, 2, 3))[:n, None]
    return {"picture": X[:n], "number": numbers}, {"kind": Y[:n], "size": 3 * numbers}


WEIGHTS = {"kind": np.linspace(0.5, 2, N), "size": np.linspace(3, 1, N)}
SEVERAL = Dataset(
    "several", *some_of_several(N), *some_of_several(12), 2, "", 1.0, train_weights=WEIGHTS
)


class Shifted(layers.Layer):  # type: ignore[misc]
    """A layer of a user's: a variable that begins at random, and one that a step changes."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def build(self, shape: Any) -> None:
        """Make the variables."""
        self.shift = self.add_weight(shape=shape[1:], initializer="random_normal")
        self.mean = self.add_weight(initializer="zeros", trainable=False)

    def call(self, x: Any, training: bool = False) -> Any:
        """Scale and shift the inputs, of any shape."""
        if training:
            self.mean.assign(0.9 * self.mean + 0.1 * ops.mean(x))
        return self.factor * (x - self.mean) + self.shift


class Share(keras.metrics.Metric):  # type: ignore[misc]
    """A metric of a user's: how much of the inputs' sum is above zero."""

    def __init__(self) -> None:
        super().__init__(name="share")
        self.above = self.add_weight(name="above", initializer="zeros")
        self.all = self.add_weight(name="all", initializer="zeros")

    def update_state(self, y_true: Any, y_pred: Any, sample_weight: Any = None) -> None:
        """Add a batch."""
        self.above.assign_add(ops.sum(ops.relu(y_pred)))
        self.all.assign_add(ops.sum(ops.abs(y_pred)))

    def result(self) -> Any:
        """Return the share."""
        return self.above / (self.all + 1e-7)

    def reset_state(self) -> None:
        """Begin anew."""
        self.above.assign(0.0)
        self.all.assign(0.0)


def with_own_code(setting: Setting) -> keras.Model:
    """Return a layer, an activation, a loss and a metric that are not Keras's."""
    slope = 0.9

    def focal(y_true: Any, y_pred: Any) -> Any:
        return slope * SPARSE(True)(y_true, y_pred) ** 2

    parts = [layers.Flatten(), Shifted(0.7), layers.Dense(4, lambda x: x * ops.sigmoid(slope * x)),
             layers.Dropout(setting.get("drop", 0.2)), layers.Dense(2)]  # fmt: skip
    model = keras.Sequential(parts)
    model.compile(keras.optimizers.SGD(setting.get("rate", 0.1)), focal, metrics=[Share()])
    return model


# A smaller last batch is a second step to compile, in Keras's fit and for each number of lanes. It
# matters to the weights of examples, to normalization, to metrics and losses of all kinds, and to
# steps that are taken one by one.
WITH_A_SMALLER_BATCH = (with_own_code, dense, convolutional, several)
BUILDS = [with_own_code, dense, residual, convolutional, recurrent, attention, binary, regression]


def plain(build: Build, data: Dataset, each: FitTask) -> tuple[list[dict[str, float]], Any]:
    """Train by Keras's `fit` alone; return the metrics of each epoch, and its weights."""
    keras.utils.set_random_seed(each.seed)
    model = build(each.setting)
    logs, weights = [], []
    for epoch in range(1, each.hyperparameters.epochs + 1):
        order = epoch_order(data.n_train, each.seed, epoch)
        x, y, *sample_weight = rows(data.train, order)
        wanted = each.hyperparameters.weights_of_classes() or {}
        by_class = {int(label): weight for label, weight in wanted.items()}
        found = model.fit(
            x, y, BATCH, sample_weight=sample_weight[0] if sample_weight else None, shuffle=False,
            class_weight=by_class or None,
            validation_data=data.validation, validation_batch_size=BATCH, verbose=0,
        )  # fmt: skip
        logs.append({name: value for name, (value,) in found.history.items()})
        weights.append(model.get_weights())
    return logs, weights


def check_plain(result: TrainingResult, logs: list[dict[str, float]], weights: Any) -> None:
    for name, values in result.history.items():
        np.testing.assert_allclose(values, [log[name] for log in logs], atol=1e-8, err_msg=name)
    for ours, theirs in zip(result.weights, weights[result.best_epoch - 1], strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-8)


def remember_builds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a pack build one network for all trials of a seed: building takes the longest."""
    read_anew, known = vars(NetworkPack)["_read"], {}

    def read_once(pack: NetworkPack, each: FitTask) -> Any:
        if each.seed not in known:
            known[each.seed] = read_anew(pack, each)
        return known[each.seed]

    monkeypatch.setattr(NetworkPack, "_read", read_once)


def scored(setting: Setting) -> keras.Model:
    model = keras.Sequential([layers.Flatten(), layers.Dense(1, "sigmoid")])
    f1 = keras.metrics.F1Score(threshold=0.5, name="f1")  # an array of one number
    model.compile("sgd", "binary_crossentropy", metrics=[f1])
    return model


@on_jax
@pytest.mark.parametrize("kind", [NetworkPack, FitPack])
def test_a_metric_that_is_an_array_of_one_number_is_that_number(kind: Any) -> None:
    column = Y[:16, None]
    data = Dataset("even", X[:16], column, X[:8], column[:8], 2, "", 1.0)
    pack = (
        NetworkPack(scored, data, ProgramCache()) if kind is NetworkPack else FitPack(scored, data)
    )
    (result,) = train(pack, [task(0, epochs=2)])
    logs, _ = plain(scored, data, task(0, epochs=2))
    expected = [np.asarray(log["val_f1"]).item() for log in logs]
    np.testing.assert_allclose(result.history["val_f1"], expected, atol=1e-8)


@on_jax
@pytest.mark.parametrize("build", [*BUILDS, several])
def test_alone_in_three_and_in_seventeen_a_network_becomes_what_fit_makes_of_it(
    build: Build, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    programs = ProgramCache()
    data = SEVERAL if build is several else DATA if build in WITH_A_SMALLER_BATCH else EVEN
    settings = [{"drop": 0.1 + 0.02 * i, "rate": 0.05 + 0.01 * i} for i in range(3)]
    weighted = [{"class_weight": {"1": 1.0 + i}} if build is dense else {} for i in range(3)]
    tasks = [task(i, setting=settings[i], epochs=2, **weighted[i]) for i in range(3)]
    by_keras = plain(build, data, tasks[1])
    pack = NetworkPack(build, data, programs)
    way = "program" if build is convolutional else "lanes"
    packed = train(pack, tasks)
    assert [pack.trained_by(each)[0] for each in tasks] == [way] * 3
    check_plain(packed[1], *by_keras)
    assert packed[0].history["loss"] != packed[1].history["loss"]
    remember_builds(monkeypatch)
    (alone,) = train(NetworkPack(build, data, programs), tasks[1:2])
    check_plain(alone, *by_keras)
    many = [replace(tasks[i % 3]) for i in range(17)]
    check_plain(train(NetworkPack(build, data, programs), many)[16], *by_keras)
    assert programs.built == 1
    network = packed[1].model()
    if build is not with_own_code:  # which Keras would not read
        network.save(tmp_path / "network.keras")
        network = keras.models.load_model(tmp_path / "network.keras")
    x, y, *_ = data.validation
    found = network.evaluate(x, y, batch_size=BATCH, verbose=0, return_dict=True)
    assert found["loss"] == pytest.approx(packed[1].value, abs=1e-8)


@on_jax
def test_among_trials_of_other_lengths_and_with_a_schedule_a_network_is_the_same() -> None:
    # The program is made of a network without dropout, and trains those with it.
    settings = [{"drop": 0.1 * (i % 3), "momentum": 0.5 + 0.02 * i} for i in range(5)]
    tasks = [
        task(i, setting=setting, epochs=2 + i % 2, learning_rate_schedule="cosine")
        for i, setting in enumerate(settings)
    ]
    programs = ProgramCache()
    packed = train(NetworkPack(dense, DATA, programs), tasks)
    assert programs.built == 1
    for i in (0, 1, 3):
        (by_fit,) = train(FitPack(dense, DATA), [tasks[i]])
        check_equal(packed[i], by_fit)


@on_jax
def test_a_trial_goes_on_from_its_checkpoint_beside_others() -> None:
    programs, plateau = ProgramCache(), {"plateau_patience": 1, "plateau_factor": 0.5, "epochs": 5}
    (whole,) = train(NetworkPack(dense, DATA, programs), [task(3, **plateau)])
    pack = NetworkPack(dense, DATA, programs)
    (trial,) = pack.add([task(3, **plateau)])
    pack.train_epoch()
    pack.train_epoch()
    checkpoint = pack.checkpoint(trial)
    begun = task(3, **plateau)
    again = FitTask(begun.hyperparameters, {}, 3, "val_loss", False, checkpoint)
    other = NetworkPack(dense, DATA, programs)
    resumed, _ = train(other, [again, task(4, setting={"rate": 0.02})])
    check_equal(resumed, whole)
    trial.stop()
    ((_, result),) = pack.take_ended()
    assert (result.stopped, result.last_epoch) == ("by_report", 2)


@on_jax
def test_a_checkpoint_of_another_way_begins_the_trial_anew() -> None:
    begun = task(1, epochs=2)
    by_fit, in_program = FitPack(dense, DATA), NetworkPack(dense, DATA, ProgramCache())
    (whole,) = train(in_program, [begun])
    checkpoints = []
    for pack in (by_fit, in_program):
        (trial,) = pack.add([begun])
        pack.train_epoch()
        checkpoints.append(pack.checkpoint(trial))
    by_fit.close()
    others = [FitTask(begun.hyperparameters, {}, 1, "val_loss", False, c) for c in checkpoints]
    in_program.trials[0].stop()
    in_program.take_ended()
    check_equal(train(in_program, others[:1])[0], whole)
    check_equal(train(by_fit, others[1:])[0], whole)


@pytest.mark.skipif(IS_NESTED, reason="this is JAX in float64")
def test_all_of_this_on_jax_in_float64() -> None:
    others = ("test_training_structure.py", "test_training_own_code.py")
    files = [__file__, *(str(Path(__file__).with_name(name)) for name in others)]
    (words,) = said_by(start_tests(*files, floatx="float64"))
    assert " passed" in words
