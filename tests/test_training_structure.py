"""Which of a user's networks share a program: those that differ in no constant of their structure.

On JAX in float64: the last test of test_training_network_pack.py runs them there.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import pytest
from double_precision import compute_in_double
from keras import layers
from packed_networks import (
    BATCH,
    DATA,
    SPARSE,
    THERE,
    Build,
    Setting,
    X,
    Y,
    check_equal,
    compiled,
    task,
    train,
)

from objectives.errors import SettingError, UnknownNameError
from objectives.training.fit_pack import FitPack
from objectives.training.keras_internals import create_all_variables
from objectives.training.network_pack import NetworkPack, way_of
from objectives.training.program_cache import ProgramCache
from objectives.training.structure import UnreadableStructureError, read

pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy"),
    pytest.mark.skipif(not THERE, reason="on JAX in float64: see test_training_network_pack.py"),
]


@pytest.fixture(autouse=True)
def _keras_in_double(monkeypatch: pytest.MonkeyPatch) -> None:
    compute_in_double(monkeypatch)


def built(build: Build) -> keras.Model:
    def here() -> keras.Model:
        keras.utils.set_random_seed(0)
        model = build({})
        create_all_variables(model, (X[:BATCH], Y[:BATCH]))
        return model

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(here).result()


def made(*parts: Any, loss: Any = None, **optimizer: Any) -> Build:
    def build(_: Setting) -> keras.Model:
        own = [part() if callable(part) else part for part in parts]
        model = keras.Sequential([layers.Flatten(), *own, layers.Dense(2)])
        numbers = {"learning_rate": 0.1, **optimizer}
        model.compile(keras.optimizers.SGD(**numbers), loss or SPARSE(True))
        return model

    return build


def excluded(_: Setting) -> keras.Model:
    model = made(weight_decay=0.1)({})
    model.optimizer.exclude_from_weight_decay(var_names=["bias"])
    return model


def decay(steps: int) -> Any:
    return keras.optimizers.schedules.CosineDecay(0.1, steps)


def multiplied(factor: float) -> Build:
    def build(_: Setting) -> keras.Model:
        inputs = keras.Input((8, 8, 1))
        return compiled(keras.Model(inputs, layers.Dense(2)(layers.Flatten()(inputs) * factor)), {})

    return build


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (made(loss=SPARSE(True)), made(loss=SPARSE(False))),
        (made(clipnorm=1.0), made(clipnorm=2.0)),
        (made(learning_rate=decay(9)), made(learning_rate=decay(8))),
        (made(lambda: layers.Dense(3)), made(lambda: layers.Dense(3, trainable=False))),
        (made(lambda: layers.Dense(3)), made(lambda: layers.Dense(3, dtype="mixed_bfloat16"))),
        (made(lambda: layers.LeakyReLU(0.1)), made(lambda: layers.LeakyReLU(0.2))),
        (made(lambda: layers.GaussianDropout(0.1)), made(lambda: layers.GaussianDropout(0.2))),
        (made(lambda: layers.Dropout(0.1)), made(lambda: layers.Dropout(1.0))),
        (made(momentum=0.9), made(momentum=0.0)),
        (made(momentum=0.9), made(momentum=0.9, nesterov=True)),
        (made(weight_decay=0.1), excluded),
        (made(weight_decay=0.1), made()),
        (made(global_clipnorm=1.0), made(global_clipnorm=0.0)),
        (
            made(lambda: layers.Dense(3, kernel_regularizer=keras.regularizers.L2(0.1))),
            made(lambda: layers.Dense(3, kernel_regularizer=keras.regularizers.L2(0.2))),
        ),
        (
            made(lambda: layers.Dense(3, bias_constraint=keras.constraints.MaxNorm(1))),
            made(lambda: layers.Dense(3, bias_constraint=keras.constraints.MaxNorm(2))),
        ),
        (multiplied(2.0), multiplied(3.0)),
        (made(lambda: layers.Activation("relu")), made(lambda: layers.Activation("tanh"))),
    ],
)
def test_networks_that_differ_in_a_constant_do_not_share_a_program(
    one: Build, other: Build
) -> None:
    first, again, second = (read(built(build)).key for build in (one, one, other))
    assert first == again
    assert first != second


def dropped(setting: Setting) -> keras.Model:
    """Return a network of two dropouts, the rates of which are given."""
    model = keras.Sequential([keras.Input((8, 8, 1)), layers.Flatten()])
    for rate in (setting["first"], setting["second"]):
        model.add(layers.Dense(4, "relu"))
        model.add(layers.Dropout(rate))
    model.add(layers.Dense(2))
    return compiled(model, setting)


def test_whichever_dropout_is_at_rate_zero_one_program_trains_all_as_fit_does() -> None:
    """Of these the generator is made last, and has another name."""
    rates = [(0.3, 0.2), (0.0, 0.4), (0.5, 0.0), (0.0, 0.0)]
    tasks = [
        task(i, setting={"first": first, "second": second})
        for i, (first, second) in enumerate(rates)
    ]
    programs = ProgramCache()
    packed = train(NetworkPack(dropped, DATA, programs), tasks)
    assert programs.built == 1
    for one, own in zip(packed, tasks, strict=True):
        (by_fit,) = train(FitPack(dropped, DATA), [own])
        check_equal(one, by_fit)


def test_label_smoothing_and_loss_weights_are_constants_too() -> None:
    def build(**settings: Any) -> Build:
        def smoothed(_: Setting) -> keras.Model:
            model = keras.Sequential([layers.Flatten(), layers.Dense(1)])
            weights = settings.pop("loss_weights", None)
            loss = keras.losses.BinaryCrossentropy(True, **settings)
            model.compile("sgd", loss, loss_weights=weights)
            return model

        return smoothed

    keys = {
        read(built(each)).key
        for each in (
            build(),
            build(label_smoothing=0.1),
            build(label_smoothing=0.2),
            build(loss_weights=[0.5]),
            build(loss_weights=[0.6]),
        )
    }
    assert len(keys) == 5


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (made(lambda: layers.Lambda(lambda x: x * np.random.random())), "<lambda> uses"),
        (made(lambda: layers.Normalization(mean=0.5, variance=1.0)), "a tensor of its own"),
        (made(use_ema=True), "averages the weights"),
    ],
)
def test_what_cannot_be_compared_is_trained_by_fit(build: Build, named: str) -> None:
    way, reason = way_of(built(build), (X[:BATCH], Y[:BATCH]))
    assert way == "fit"
    assert named in reason
    with pytest.raises(UnreadableStructureError, match=named):
        read(built(build))


def test_trials_of_any_structures_train_in_one_pack() -> None:
    def build(setting: Setting) -> keras.Model:
        optimizer = {"use_ema": True} if setting["ema"] else {}
        return made(lambda: layers.Dense(setting["units"]), **optimizer)({})

    settings = [{"ema": False, "units": 3}, {"ema": True, "units": 3}, {"ema": False, "units": 4}]
    tasks = [task(1, setting=setting, epochs=2) for setting in settings]
    pack = NetworkPack(build, DATA, ProgramCache())
    results = train(pack, tasks)
    assert [pack.trained_by(each)[0] for each in tasks] == ["lanes", "fit", "lanes"]
    for each, result in zip(tasks, results, strict=True):
        check_equal(result, train(FitPack(build, DATA), [each])[0])
    pack.add([task(metric="val_acuracy", setting=settings[0])])
    with pytest.raises(UnknownNameError, match="Received: val_acuracy"):
        pack.train_epoch()
    assert pack.trials == []
    of_none = NetworkPack(lambda _: None, DATA, ProgramCache())
    with pytest.raises(SettingError, match="Received: None"):
        of_none.add([task()])
