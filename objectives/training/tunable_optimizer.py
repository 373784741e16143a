"""Optimizers whose numbers are variables, so that the next trial needs no new program.

Keras reads momentum, rho, the betas and the like as Python floats, which a compiled program holds
as constants. Its update formulas take a variable in their place as well, and an optimizer tracks
any variable that is assigned to an attribute.
"""

import inspect
from collections.abc import Sequence
from typing import Any

import keras

from objectives.hyperparameters import OPTIMIZER_SETTINGS, Hyperparameters
from objectives.training.keras_internals import (
    OPTIMIZER_NUMBERS,
    ClipVariable,
    MomentumVariable,
    accumulators,
)

_OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
    "adagrad": keras.optimizers.Adagrad,
    "adadelta": keras.optimizers.Adadelta,
    "adam": keras.optimizers.Adam,
    "adamw": keras.optimizers.AdamW,
    "adamax": keras.optimizers.Adamax,
    "nadam": keras.optimizers.Nadam,
    "lion": keras.optimizers.Lion,
}
TUNABLE = tuple(_OPTIMIZERS.values())
"""The optimizers that `make_tunable` takes."""
_KINDS = {"momentum": MomentumVariable, "global_clipnorm": ClipVariable}
# Of a trial without them, in a program that has them.
_ABSENT = {"weight_decay": 0.0, "global_clipnorm": ClipVariable.NONE}


def create(hyperparameters: Hyperparameters) -> keras.optimizers.Optimizer:
    """Make the stock Keras optimizer of a trial, unbuilt."""
    optimizer = _OPTIMIZERS[hyperparameters.optimizer]
    return optimizer(**hyperparameters.optimizer_arguments())


def make_tunable(
    optimizer: keras.optimizers.Optimizer, names: Sequence[str] = OPTIMIZER_NUMBERS
) -> None:
    """Replace the Python floats of a built stock optimizer by variables.

    It must be built already: at that time the float decides whether it has slots for the momentum.
    The new variables come after its own, which keep their places.

    Args:
        optimizer: The optimizer.
        names: Which of its numbers.
    """
    for name in names:
        value = getattr(optimizer, name, None)
        if value is None or (name == "momentum" and value == 0):
            continue
        variable = _KINDS.get(name, keras.Variable)
        setattr(optimizer, name, variable(value, trainable=False, name=name))


def settings(hyperparameters: Hyperparameters) -> dict[str, Any]:
    """Return the arguments of the Keras optimizer, including those left at Keras's default."""
    parameters = inspect.signature(_OPTIMIZERS[hyperparameters.optimizer]).parameters
    given = hyperparameters.optimizer_arguments()
    names = {"learning_rate"} | OPTIMIZER_SETTINGS[hyperparameters.optimizer]
    return {name: parameters[name].default for name in names} | given


def first_values(
    tunable: keras.optimizers.Optimizer, hyperparameters: Hyperparameters
) -> dict[int, Any]:
    """Return the values with which a tunable optimizer starts a trial.

    Returns:
        `id` of a variable -> its value, for the variables in which two trials can differ.
    """
    given = settings(hyperparameters)
    values: dict[int, Any] = {}
    for name in OPTIMIZER_NUMBERS:
        variable = getattr(tunable, name, None)
        if isinstance(variable, keras.Variable):
            values[id(variable)] = _ABSENT[name] if given[name] is None else given[name]
    if "initial_accumulator_value" in given:
        for variable in accumulators(tunable):
            values[id(variable)] = given["initial_accumulator_value"]
    return values
