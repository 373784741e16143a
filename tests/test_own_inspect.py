"""What is found, and refused, when a user's function is looked at before a study is made of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest

from objectives.data.datasets import Dataset
from objectives.errors import ObjectiveError
from objectives.own import find_space
from objectives.own.inspect import inspect

RNG = np.random.default_rng(0)
X, Y = RNG.random((16, 4, 4), np.float32), np.arange(16) % 3
DATA = Dataset("own", X, Y, X, Y, 0, "", 1.0)


@pytest.fixture(autouse=True)
def _few_random_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Test what is found at fewer settings: test_own_find_space.py is about their number."""
    monkeypatch.setattr(find_space, "RANDOM_SETTINGS", 5)


def network(units: int = 3, rate: float = 0.01) -> keras.Model:
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(units)])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(rate), loss, metrics=["accuracy"])
    return model


def build(trial: Any) -> keras.Model:
    if trial.suggest_categorical("wide", [True, False]):
        return network(rate=trial.suggest_float("rate", 0.1, 0.2))
    return network()


def raises(trial: Any) -> keras.Model:
    raise RuntimeError(f"no network of {trial.suggest_int('n', 1, 2)} layers")


def other_bounds_each_time() -> Callable[[Any], keras.Model]:
    calls: list[int] = []

    def build(trial: Any) -> keras.Model:
        calls.append(1)
        return network(trial.suggest_int("units", 3, 3 + len(calls)))

    return build


def test_the_space_is_found_and_a_network_is_tried() -> None:
    found = inspect(build, DATA, {"epochs": 2}, [], {})
    assert found.space == {
        "wide": [True, False],
        "rate": {"low": 0.1, "high": 0.2, "when": {"wide": [True]}},
    }
    assert set(found.metrics) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert not found.convolves_pictures
    assert found.overridden == []


def test_what_is_fixed_is_not_searched() -> None:
    found = inspect(build, DATA, {"wide": False}, [], {})
    assert found.space == {}
    assert inspect(build, DATA, {"rate": 0.3}, [], {}).space == {"wide": [True, False]}


def test_the_studys_own_bounds_win_and_this_is_told() -> None:
    lines = {"wide": [True, False], "rate": {"low": 0.1, "high": 5.0}}
    settings = [{"wide": True, "rate": 5.0}, {"wide": False}]
    found = inspect(build, DATA, {}, settings, lines)
    assert found.overridden == ["rate"]
    assert found.space == {}
    alike = {"wide": [True, False], "rate": {"low": 0.1, "high": 0.2, "when": {"wide": [True]}}}
    assert inspect(build, DATA, {}, settings, alike).overridden == []


@pytest.mark.parametrize(
    ("shape", "layer", "is_of_pictures"),
    [((4, 4, 1), keras.layers.Conv2D, True), ((16, 1), keras.layers.Conv1D, False)],
)
def test_a_convolution_within_a_network_within_a_network_is_seen(
    shape: tuple[int, ...], layer: Any, is_of_pictures: bool
) -> None:
    def nested(trial: Any) -> keras.Model:
        inner = keras.Sequential([keras.layers.Reshape(shape), layer(2, 2)])
        model = keras.Sequential([inner, keras.layers.Flatten(), keras.layers.Dense(3)])
        model.compile("sgd", "mse")
        return model

    labels = np.zeros((16, 3), np.float32)
    data = Dataset("own", X, labels, X, labels, 0, "", 1.0)
    assert inspect(nested, data, {}, [], {}).convolves_pictures == is_of_pictures


@pytest.mark.parametrize(
    ("function", "fixed", "settings", "words"),
    [
        (
            raises,
            {},
            [],
            "RuntimeError: no network of 1 layers (test_own_inspect.py, line ",
        ),
        (raises, {"n": 2}, [], "), with n=2."),
        (lambda trial: sys.exit("no data"), {}, [], "ExitError: sys.exit('no data') (test_own_"),
        (lambda trial: None, {}, [], "Is a `return` missing?"),
        (lambda trial: 0.9, {}, [], "the number 0.9"),
        (lambda trial: keras.Sequential([keras.layers.Dense(3)]), {}, [], "model.compile"),
        (lambda trial: network(2), {}, [], "labels from 0 to 1, for 2 outputs"),
        (other_bounds_each_time(), {}, [], "units to have one range"),
        (build, {"depth": 3}, [], "a parameter that the function asks for, one of rate, wide"),
        (build, {}, [{"wide": True}], "Write rate = { low = 0.1, high = 0.2 } into [space]"),
        (build, {}, [{"wide": False, "rate": 1.0}], "Received: rate"),
        (build, {}, [{"wide": False, "weight": 1.0}], "Received: weight"),
        (lambda trial: trial.report(0.5, 1), {}, [], "Received: trial.report"),
        (lambda trial: network(trial.suggest_int("n", 4, 3)), {}, [], "low <= high for n"),
    ],
)
def test_a_mistake_of_the_code_or_of_the_study_is_told(
    function: Any, fixed: dict[str, Any], settings: list[dict[str, Any]], words: str
) -> None:
    with pytest.raises(ObjectiveError) as caught:
        inspect(function, DATA, fixed, settings, {})
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_training_reads_need_not_be_asked_for_but_can_be() -> None:
    def asks(trial: Any) -> keras.Model:
        return network(trial.suggest_int("batch_size", 3, 4))

    assert inspect(asks, DATA, {"epochs": 2}, [], {}).space == {"batch_size": {"low": 3, "high": 4}}
    assert inspect(asks, DATA, {"epochs": 2, "batch_size": 3}, [], {}).space == {}
