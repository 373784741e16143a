"""What a user's `build(trial)` returns, checked before training."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import keras
import numpy as np
import pytest

from objectives.errors import SettingError
from objectives.own.built import check_built, make_variables, metric_names
from objectives.own.directions import direction_of

# Keras 3.15 reads its variables in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

IMAGES = np.zeros((4, 8, 8), np.float32)
CLASSES = np.arange(4)


def network(units: int = 4, **compiled: Any) -> keras.Model:
    model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(units)])
    if compiled:
        model.compile(run_eagerly=True, **compiled)
    return model


def classifier(units: int = 4) -> keras.Model:
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    return network(units, optimizer="sgd", loss=loss, metrics=["accuracy"])


def for_pictures() -> keras.Model:
    model = keras.Sequential([keras.layers.Conv2D(2, 3), keras.layers.Flatten()])
    model.compile(optimizer="sgd", loss="mse")
    return model


def for_rows() -> keras.Model:
    inputs = keras.Input((5,))
    model = keras.Model(inputs, keras.layers.Dense(4)(inputs))
    model.compile(optimizer="sgd", loss="mse")
    return model


@pytest.mark.parametrize(
    ("built", "words"),
    [
        (None, ["None", "`return`"]),
        (0.93, ["the number 0.93", "without one it returns a number"]),
        ("model", ["str", "compiled Keras network"]),
        (network(), ["without optimizer", "model.compile"]),
    ],
)
def test_what_is_no_compiled_network_is_refused(built: Any, words: list[str]) -> None:
    with pytest.raises(SettingError) as caught:
        check_built(built)
    for word in words:
        assert word in str(caught.value)


def test_the_metrics_are_those_that_training_reports() -> None:
    model = check_built(classifier())
    names = metric_names(model, (IMAGES, CLASSES), (IMAGES, CLASSES))
    assert sorted(names) == ["accuracy", "loss", "val_accuracy", "val_loss"]
    history = model.fit(IMAGES, CLASSES, validation_data=(IMAGES, CLASSES), verbose=0).history
    assert sorted(history) == sorted(names)


@pytest.mark.parametrize(
    ("build", "x", "y", "words"),
    [
        (
            for_rows,
            IMAGES,
            CLASSES,
            ["takes the data, of shape (n, 8, 8)", "float32"],
        ),
        (for_pictures, IMAGES, CLASSES, ["Received: Input 0 with name", "of layer 'conv2d"]),
        (
            lambda: network(3, optimizer="sgd", loss="mse"),
            IMAGES,
            np.zeros((4, 2), np.float32),
            ["the labels, of shape (n, 2)", "outputs of shape (n, 3)"],
        ),
        (lambda: classifier(3), IMAGES, CLASSES, ["labels from 0 to 2", "from 0 to 3"]),
    ],
)
def test_a_network_that_does_not_fit_the_data_is_refused(
    build: Callable[[], keras.Model], x: Any, y: Any, words: list[str]
) -> None:
    with pytest.raises(SettingError) as caught:
        metric_names(build(), (x, y), (x, y))
    assert "\n" not in str(caught.value)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("metric", "direction"),
    [
        ("val_accuracy", "maximize"),
        ("val_sparse_top_k_categorical_accuracy", "maximize"),
        ("val_auc", "maximize"),
        ("val_mean_absolute_error", "minimize"),
        ("val_binary_crossentropy", "minimize"),
        ("val_loss", "minimize"),
        ("val_mae", "minimize"),
        ("val_price_rmse", "minimize"),
        ("val_my_own", None),
    ],
)
def test_the_direction_of_keras_metrics_is_known(metric: str, direction: str | None) -> None:
    assert direction_of(metric) == direction


class _Subclassed(keras.Model):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        self.inner = keras.layers.Dense(3)

    def call(self, x: Any) -> Any:
        return self.inner(x)


@pytest.mark.parametrize("build", [lambda: keras.Sequential([keras.layers.Dense(3)]), _Subclassed])
def test_a_network_does_not_show_on_how_many_examples_it_was_built(
    build: Callable[[], keras.Model],
) -> None:
    model = build()
    model.compile(optimizer="sgd", loss="mse")
    make_variables(model, np.zeros((1, 5), np.float32))
    lines: list[str] = []
    model.summary(print_fn=lines.append)
    assert "(None, 3)" in "\n".join(lines)
    assert "(1, " not in "\n".join(lines)


def test_layers_that_need_a_number_of_examples_get_it() -> None:
    model = keras.Sequential([keras.layers.LSTM(3, stateful=True), keras.layers.Dense(2)])
    model.compile(optimizer="sgd", loss="mse")
    make_variables(model, np.zeros((4, 5, 2), np.float32))
    assert model.output_shape == (4, 2)


@pytest.mark.parametrize("is_graph", [True, False])
def test_a_graph_of_layers_need_not_compute_anything_to_have_its_weights(is_graph: bool) -> None:
    computed: list[int] = []

    class Noted(keras.layers.Dense):  # type: ignore[misc]
        def call(self, inputs: Any) -> Any:
            with suppress(Exception):  # of what has no values
                computed.append(len(np.asarray(inputs)))
            return super().call(inputs)

    class Own(keras.Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.inner = Noted(3)

        def call(self, inputs: Any) -> Any:
            return self.inner(inputs)

    model = keras.Sequential([keras.layers.Flatten(), Noted(3)]) if is_graph else Own()
    model.compile("adam", "mse")
    make_variables(model, np.zeros((2, 5), np.float32))
    assert computed == ([] if is_graph else [2])
    assert [tuple(each.shape) for each in model.weights] == [(5, 3), (3,)]
    assert model.optimizer.built
