"""Check what a user's `build(trial)` has returned, before any training."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np

from objectives.errors import SettingError
from objectives.hyperparameters import TrainingHyperparameters
from objectives.types import Array

RULE = (
    "With a dataset the function returns a compiled Keras network, which the service trains; "
    "without one it returns a number."
)


def check_built(built: Any) -> keras.Model:
    """Return what `build` has returned if that is a compiled network.

    Raises:
        SettingError: It is something else.
    """
    if built is None:
        raise SettingError(f"Expected a network. Received: None. Is a `return` missing? {RULE}")
    if not isinstance(built, keras.Model):
        shown = f"the number {built}" if isinstance(built, int | float) else type(built).__name__
        raise SettingError(f"Expected a network. Received: {shown}. {RULE}")
    if not built.compiled:
        raise SettingError(
            "Expected a compiled network. Received: one without optimizer and loss. "
            "Call model.compile(...) before it is returned."
        )
    return built


def make_variables(network: keras.Model, example: Array) -> None:
    """Make the weights that a network makes when it is first called, and those of its optimizer.

    A file of its weights has both, and Keras reads it only into a network that has both.

    Args:
        network: The compiled network.
        example: Some inputs, (n, ...).
    """
    network(keras.ops.convert_to_tensor(example))
    if not network.optimizer.built:
        network.optimizer.build(network.trainable_variables)


def metric_names(model: keras.Model, x: Array, y: Array) -> list[str]:
    """Evaluate a network on a few examples, and return the metrics that its training reports.

    Args:
        model: The compiled network.
        x: Inputs, (n, ...).
        y: What they stand for, (n, ...).

    Raises:
        SettingError: The inputs do not fit the network, or its outputs do not fit the labels.
    """
    try:
        outputs = model(keras.ops.convert_to_tensor(x), training=False)
    except Exception as error:
        raise SettingError(
            f"Expected a network that takes the data, of shape {_shape(x)} and type {x.dtype}. "
            f"Received: {_first_line(error)}"
        ) from error
    _check_classes(model, outputs, y)
    try:
        names = list(model.test_on_batch(x, y, return_dict=True))
    except Exception as error:
        shapes = [_shape(each) for each in keras.tree.flatten(outputs)]
        raise SettingError(
            f"Expected outputs that fit the labels, of shape {_shape(y)} and type {y.dtype}. "
            f"Received: outputs of shape {', '.join(shapes)}. {_first_line(error)}"
        ) from error
    return [*names, *(f"val_{name}" for name in names)]


def check_schedule(model: keras.Model, hyperparameters: TrainingHyperparameters) -> None:
    """Check that the study does not change a learning rate for which the optimizer has a schedule.

    Raises:
        SettingError: It does.
    """
    rate = getattr(
        model.optimizer, "learning_rate", None
    )  # a schedule's present value: no variable
    if hyperparameters.changes_rate() and not isinstance(rate, keras.Variable):
        name = "plateau_patience"
        if hyperparameters.learning_rate_schedule != "constant":
            name = "learning_rate_schedule"
        raise SettingError(
            f"Expected an optimizer whose learning rate is a number, for {name}. Received: "
            f"{name}={getattr(hyperparameters, name)!r}, and an optimizer with a schedule of its "
            "own. Leave one of them out."
        )


def _check_classes(model: keras.Model, outputs: Any, y: Array) -> None:
    """Check that each class has an output: JAX would count the others as predicted, silently."""
    loss = model.loss
    name = loss if isinstance(loss, str) else getattr(loss, "name", None) or type(loss).__name__
    is_sparse = "sparse_categorical" in str(name) and np.issubdtype(y.dtype, np.integer)
    if is_sparse and not 0 <= y.min() <= y.max() < outputs.shape[-1]:
        raise SettingError(
            f"Expected labels from 0 to {outputs.shape[-1] - 1}, for {outputs.shape[-1]} outputs. "
            f"Received: labels from {y.min()} to {y.max()}."
        )


def _shape(array: Any) -> str:
    return "(" + ", ".join(["n", *map(str, array.shape[1:])]) + ")"


def _first_line(error: Exception) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0]
