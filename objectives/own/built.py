"""Check what a user's `build(trial)` has returned, before any training."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import keras
import numpy as np

from objectives.data.arrays import named, rows
from objectives.errors import SettingError
from objectives.training_hyperparameters import TrainingHyperparameters
from objectives.types import Array, Arrays, Batch

EXAMPLES = 8  # on which a network is tried

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


def make_variables(network: keras.Model, example: Arrays) -> None:
    """Make the weights that a network makes when it is first called, and those of its optimizer.

    A file of its weights has both, and Keras reads it only into a network that has both.

    Args:
        network: The compiled network.
        example: Some inputs, (n, ...).
    """
    if not network.built:
        _call_with_any_number(network, example)
    # JAX would compile each operation of the call, and a graph of layers has made all of them.
    if not (network.built and getattr(network, "inputs", None)):
        network(keras.tree.map_structure(keras.ops.convert_to_tensor, example))
    if not network.optimizer.built:
        network.optimizer.build(network.trainable_variables)


def _call_with_any_number(network: keras.Model, example: Arrays) -> None:
    """Have a network make its weights for any number of examples, where its layers allow that.

    Keras would show for ever, in `summary()`, how many examples it was called with first.
    """
    inputs = keras.tree.map_structure(_of_any_number, example)
    # What the layers do not allow is left to a call with real examples.
    with suppress(Exception):
        if isinstance(network, keras.Sequential):  # one that has failed takes no others any more
            keras.models.clone_model(network)(inputs)
        network(inputs)


def _of_any_number(example: Array) -> keras.KerasTensor:
    return keras.KerasTensor((None, *example.shape[1:]), dtype=str(example.dtype))


def metric_names(model: keras.Model, train: Batch, validation: Batch) -> list[str]:
    """Evaluate a network on a few examples, and return the metrics that its training reports.

    Args:
        model: The compiled network.
        train: The examples to train on.
        validation: Those to validate on.

    Raises:
        SettingError: The inputs do not fit the network, or its outputs do not fit the labels.
    """
    batch = rows(train, slice(EXAMPLES))
    x, y = batch[0], batch[1] if len(batch) > 1 else None
    try:
        outputs = model(keras.tree.map_structure(keras.ops.convert_to_tensor, x), training=False)
    except Exception as error:
        raise SettingError(
            f"Expected a network that takes the data, {_described(x)}. "
            f"Received: {_first_line(error)}"
        ) from error
    for part in (train, validation):
        if len(part) > 1:
            _check_classes(model, outputs, part[1])
    try:
        found = evaluate(model, batch, EXAMPLES)
    except Exception as error:
        shapes = [_shape(each) for each in keras.tree.flatten(outputs)]
        raise SettingError(
            f"Expected outputs that fit the labels, {_described(y) or 'of which there are none'}. "
            f"Received: outputs of shape {', '.join(shapes)}. {_first_line(error)}"
        ) from error
    for name, value in found.items():
        if np.size(value) != 1:
            raise SettingError(
                f"Expected metrics of one number each. Received: {name}, of {np.size(value)}. "
                'Give one of Keras\'s that has them average="macro", or leave it out.'
            )
    return [*found, *(f"val_{name}" for name in found)]


def evaluate(model: keras.Model, batch: Batch, batch_size: int) -> dict[str, Any]:
    """Return the metrics of a network on examples, by name; weights of these count as in `fit`.

    A `test_step` of the user's gets what Keras gives it: `(x, y)` where there are no weights.
    """
    x, y, weights = (*batch, None, None)[:3]
    found: dict[str, Any] = model.evaluate(
        x, y, sample_weight=weights, batch_size=batch_size, verbose=0, return_dict=True
    )
    return found


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
    if isinstance(outputs, dict) or keras.tree.is_nested(outputs):
        for loss, output, labels in _of_each_output(model, outputs, y):
            _check_output(loss, output, labels)
    else:
        _check_output(model.loss, outputs, y)


def _of_each_output(
    model: keras.Model, outputs: Arrays, y: Arrays
) -> Iterator[tuple[Any, Any, Array]]:
    """Yield loss, output and labels of each output that has all of them."""
    names = list(outputs) if isinstance(outputs, dict) else getattr(model, "output_names", [])
    flat = list(outputs.values()) if isinstance(outputs, dict) else list(outputs)
    for i, output in enumerate(flat):
        found = [_one_of(each, i, names) for each in (model.loss, y)]
        if all(each is not None for each in found):
            yield found[0], output, found[1]


def _one_of(parts: Any, i: int, names: Sequence[str]) -> Any:
    """Return what belongs to an output: by its name, by its place, or what is for all of them."""
    if isinstance(parts, dict):
        return parts.get(names[i]) if i < len(names) else None
    if isinstance(parts, list | tuple):
        return parts[i] if i < len(parts) else None
    return parts


def _check_output(loss: Any, outputs: Any, y: Array) -> None:
    name = loss if isinstance(loss, str) else getattr(loss, "name", None) or type(loss).__name__
    is_sparse = "sparse_categorical" in str(name) and np.issubdtype(y.dtype, np.integer)
    if is_sparse and not 0 <= y.min() <= y.max() < outputs.shape[-1]:
        raise SettingError(
            f"Expected labels from 0 to {outputs.shape[-1] - 1}, for {outputs.shape[-1]} outputs. "
            f"Received: labels from {y.min()} to {y.max()}."
        )


def _described(arrays: Arrays) -> str:
    """Return shape and type of one array, or of each of several."""
    return "; ".join(
        f"{f'{name} ' if name else ''}of shape {_shape(array)} and type {array.dtype}"
        for name, array in named(arrays).items()
    )


def _shape(array: Any) -> str:
    return "(" + ", ".join(["n", *map(str, array.shape[1:])]) + ")"


def _first_line(error: Exception) -> str:
    """Return the first line of an error that says something; Keras begins with where it was."""
    text = re.sub(r"\x1b\[\d*m", "", str(error))  # colors of a terminal
    lines = [line for line in map(str.strip, text.splitlines()) if line]
    said = [line for line in lines if not line.startswith("Exception encountered when calling")]
    return (said or lines or [type(error).__name__])[0]
