"""What a user's `build(trial)` returns, checked before training."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

import keras
import numpy as np
import pytest

from objectives.errors import SettingError
from objectives.own.built import check_built, evaluate, make_variables, metric_names
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


class OfPairs(keras.Model):  # type: ignore[misc]
    """A network with the `test_step` of Keras's guide, which takes `x, y = data`."""

    def __init__(self) -> None:
        super().__init__()
        self.dense = keras.layers.Dense(1)
        self.error = keras.metrics.MeanAbsoluteError(name="mae")

    def call(self, x: Any) -> Any:
        """Return one output."""
        return self.dense(x)

    @property
    def metrics(self) -> list[Any]:
        """The one that it updates."""
        return [self.error]

    def test_step(self, *states: Any) -> Any:
        """Update it, as each backend does."""
        x, y = states[-1]
        if len(states) == 1:
            self.error.update_state(y, self(x))
            return {"mae": self.error.result()}
        weights, others, own = states[0]
        y_pred, others = self.stateless_call(weights, others, x)
        own = self.error.stateless_update_state(own, y, y_pred)
        return {"mae": self.error.stateless_result(own)}, (weights, others, own)


def test_a_test_step_of_the_users_gets_what_keras_gives_it() -> None:
    model = OfPairs()
    model.compile("sgd")
    batch = IMAGES[:, 0], np.ones(4, np.float32)
    assert metric_names(check_built(model), batch, batch) == ["mae", "val_mae"]


def test_examples_that_have_weights_are_evaluated_with_them() -> None:
    model = check_built(network(1, optimizer="sgd", loss="mse", weighted_metrics=["mae"]))
    y, weights = np.array([1.0, 2.0, 3.0, 4.0]), np.array([0.0, 0.0, 1.0, 3.0])
    found = evaluate(model, (IMAGES, y, weights), 2)  # of zeros it predicts zeros
    assert found["mae"] == pytest.approx((3 + 3 * 4) / 4)
    assert found["loss"] == pytest.approx((9 + 3 * 16) / 4)


@pytest.mark.parametrize(("units", "average"), [(4, None), (4, "macro"), (1, None)])
def test_a_metric_with_a_number_for_each_of_several_classes_is_refused(
    units: int, average: str | None
) -> None:
    f1 = keras.metrics.F1Score(average, threshold=0.5, name="f1")
    model = check_built(network(units, optimizer="sgd", loss="mse", metrics=[f1]))
    batch = IMAGES, keras.utils.to_categorical(CLASSES)[:, :units]
    if units > 1 and average is None:
        with pytest.raises(SettingError, match=r'Received: f1, of 4\. .* average="macro"'):
            metric_names(model, batch, batch)
    else:
        assert "val_f1" in metric_names(model, batch, batch)


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
