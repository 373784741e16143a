"""Optimizers whose numbers are variables, so that the next trial needs no new program.

Keras reads momentum, rho, the betas and epsilon as Python floats, which a compiled program holds
as constants. Its update formulas take a variable in their place as well, and an optimizer tracks
any variable that it is given.
"""

import inspect
from typing import Any

import keras

from objectives.hyperparameters import OPTIMIZER_SETTINGS, Hyperparameters

TUNABLES = ("momentum", "rho", "beta_1", "beta_2", "epsilon")

_OPTIMIZERS = {
    "sgd": keras.optimizers.SGD,
    "rmsprop": keras.optimizers.RMSprop,
    "adagrad": keras.optimizers.Adagrad,
    "adadelta": keras.optimizers.Adadelta,
    "adam": keras.optimizers.Adam,
    "adamax": keras.optimizers.Adamax,
    "nadam": keras.optimizers.Nadam,
}


class Momentum(keras.Variable):  # type: ignore[misc]
    """A momentum that takes part in the update, whatever its number.

    SGD and RMSprop ask `momentum != 0` and `momentum > 0` while they are traced, where a variable
    has no number yet. A program that has the variable serves a momentum; of a trial without, its
    number is zero, which comes to the same.
    """

    def __ne__(self, other: object) -> bool:
        """Answer SGD's question."""
        return True

    def __gt__(self, other: object) -> bool:
        """Answer RMSprop's question."""
        return True

    __hash__ = None  # type: ignore[assignment]


def create(hyperparameters: Hyperparameters) -> keras.optimizers.Optimizer:
    """Make the stock Keras optimizer of a trial, unbuilt."""
    optimizer = _OPTIMIZERS[hyperparameters.optimizer]
    return optimizer(**hyperparameters.optimizer_arguments())


def make_tunable(optimizer: keras.optimizers.Optimizer) -> None:
    """Replace the Python floats of a built stock optimizer by variables.

    The optimizer must be built, since it decides then, by the float, whether it needs slots for
    the momentum. The new variables come after its own, which keep their places.
    """
    for name in TUNABLES:
        value = getattr(optimizer, name, None)
        if value is None or (name == "momentum" and value == 0):
            continue
        variable = Momentum if name == "momentum" else keras.Variable
        setattr(optimizer, name, variable(value, trainable=False, name=name))


def settings(hyperparameters: Hyperparameters) -> dict[str, float | bool]:
    """Return the arguments of the Keras optimizer, those left at Keras's default included."""
    parameters = inspect.signature(_OPTIMIZERS[hyperparameters.optimizer]).parameters
    given = hyperparameters.optimizer_arguments()
    names = {"learning_rate"} | OPTIMIZER_SETTINGS[hyperparameters.optimizer]
    return {name: parameters[name].default for name in names} | given


def first_values(
    tunable: keras.optimizers.Optimizer, hyperparameters: Hyperparameters
) -> dict[int, Any]:
    """Return what a tunable optimizer starts with in a trial.

    Returns:
        `id` of a variable -> its value, for those in which two trials can differ.
    """
    given = settings(hyperparameters)
    values: dict[int, Any] = {}
    for name in TUNABLES:
        variable = getattr(tunable, name, None)
        if isinstance(variable, keras.Variable):
            values[id(variable)] = given[name]
    if "initial_accumulator_value" in given:
        for variable in tunable.variables:
            if variable.name.endswith("accumulator"):
                values[id(variable)] = given["initial_accumulator_value"]
    return values
