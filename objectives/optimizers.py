"""Optimizers whose numbers are variables, so that the next trial needs no new program.

Keras reads momentum, rho, the betas and epsilon as Python floats, which a compiled program holds
as constants. Its update formulas take a variable in their place as well, and an optimizer tracks
any variable that it is given.
"""

import keras

from objectives.hyperparameters import Hyperparameters

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
    """A momentum that is above zero, whatever its number.

    SGD and RMSprop ask `momentum != 0` and `momentum > 0` while they are traced, where a variable
    has no number yet. Whether there is momentum is part of the structure, so the answer is known.
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


def refill(tunable: keras.optimizers.Optimizer, stock: keras.optimizers.Optimizer) -> None:
    """Bring a tunable optimizer to the state and the settings of a freshly built stock one."""
    for mine, fresh in zip(tunable.variables, stock.variables, strict=False):
        mine.assign(fresh)
    for name in TUNABLES:
        mine = getattr(tunable, name, None)
        if isinstance(mine, keras.Variable):
            mine.assign(getattr(stock, name))
