"""Build the networks that trials need: to read shapes from, to compile, and to keep."""

from collections.abc import Mapping, Sequence
from typing import Any

import keras

from objectives.data.datasets import Dataset
from objectives.hyperparameters import Hyperparameters
from objectives.objective import Objective
from objectives.training import tunable_optimizer
from objectives.training.compiled_network import CompiledNetwork
from objectives.training.keras_internals import build_without_values


def build(objective: Objective, hyperparameters: Hyperparameters, data: Dataset) -> keras.Model:
    """Build a stock network for a data set."""
    x = data.x_train
    more: dict[str, Any] = {} if data.target is None else {"target": data.target}
    if data.permuted:
        more["permuted"] = True
    return objective.build(
        hyperparameters, x.shape[1:], data.n_classes, str(x.dtype), data.scale, **more
    )


def build_empty(
    objective: Objective, hyperparameters: Hyperparameters, data: Dataset
) -> keras.Model:
    """Build a stock network for its shapes and settings only: its variables have no values."""
    return build_without_values(lambda: build(objective, hyperparameters, data))


def build_compiled(
    objective: Objective,
    hyperparameters: Hyperparameters,
    data: Dataset,
    levels: Mapping[str, Sequence[Any]],
    reported: Sequence[str] = (),
) -> CompiledNetwork:
    """Build the compiled network of a trial's structure.

    Args:
        objective: What network to build.
        hyperparameters: The setting of any trial of the structure.
        data: What to train and validate on.
        levels: As for `Hyperparameters.structure`.
        reported: Metrics of `Objective.on_request` that the head reports.
    """
    full = hyperparameters.with_all_parts(levels)
    full = full.model_copy(update={"initializer": "zeros"})  # every trial brings its own weights
    return CompiledNetwork(
        build_empty(objective, full, data),
        tunable_optimizer.create(full),
        batch_size(hyperparameters, data),
        hyperparameters.activations(levels),
        lambda numbers: objective.head_of(hyperparameters, data.target, numbers, reported),
        objective.head_numbers,
    )


def build_for_reading(
    objective: Objective, hyperparameters: Hyperparameters, data: Dataset
) -> keras.Model:
    """Build the stock network that is kept of a trial, for its trained weights to be filled in.

    It has no penalty or augmentation. It is compiled with the optimizer that trained it, at its
    beginning, and with the head's loss and metrics where Keras has such ones.
    """
    plain = hyperparameters.for_reading()
    # Zeros, because the weights come from elsewhere. The initializer is put back into the layers'
    # configuration afterwards, so that a network built anew from a saved file draws its weights.
    network = build(objective, plain.model_copy(update={"initializer": "zeros"}), data)
    drawing = build_empty(objective, plain, data)
    for layer, like in zip(network.layers, drawing.layers, strict=True):
        if hasattr(layer, "kernel"):
            layer.kernel_initializer = like.kernel_initializer
    optimizer = tunable_optimizer.create(plain)
    network.compile(optimizer, **objective.head_of(plain, data.target).stock_compile())
    # Keras warns of a saved optimizer without the state that it has in a loaded network.
    optimizer.build(network.trainable_variables)
    return network


def batch_size(hyperparameters: Hyperparameters, data: Dataset) -> int:
    """Return the pictures in a gradient step: at most the training part."""
    return min(hyperparameters.batch_size, data.n_train)
