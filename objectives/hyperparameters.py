"""The hyperparameters that all built-in networks share, with types, bounds and defaults.

Each field has a kind. A *structural* one changes the compiled program, a *tunable* one is a number
inside it, and a *schedule* one is read by the training loop only. Trials with equal `structure()`
run in one compiled program, one after the other or side by side.

Where a study varies a *shared* field, one program serves all its levels; see `structure`.
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal, Self

from annotated_types import Ge, Le, Lt, MinLen
from pydantic import BeforeValidator, model_validator

from objectives import fields
from objectives.errors import SettingError
from objectives.fields import structural, tunable
from objectives.training_hyperparameters import TrainingHyperparameters

_OF_ALL_OPTIMIZERS = frozenset({"weight_decay", "global_clipnorm"})
OPTIMIZER_SETTINGS: Mapping[str, frozenset[str]] = {
    "sgd": _OF_ALL_OPTIMIZERS | {"momentum", "nesterov"},
    "rmsprop": _OF_ALL_OPTIMIZERS | {"rho", "momentum", "epsilon", "centered"},
    "adagrad": _OF_ALL_OPTIMIZERS | {"initial_accumulator_value", "epsilon"},
    "adadelta": _OF_ALL_OPTIMIZERS | {"rho", "epsilon"},
    "adam": _OF_ALL_OPTIMIZERS | {"beta_1", "beta_2", "epsilon", "amsgrad"},
    "adamw": _OF_ALL_OPTIMIZERS | {"beta_1", "beta_2", "epsilon", "amsgrad"},
    "adamax": _OF_ALL_OPTIMIZERS | {"beta_1", "beta_2", "epsilon"},
    "nadam": _OF_ALL_OPTIMIZERS | {"beta_1", "beta_2", "epsilon"},
    "lion": _OF_ALL_OPTIMIZERS | {"beta_1", "beta_2"},
}
"""The settings of each optimizer, apart from its learning rate."""
# TOML and JSON have lists; a frozen, hashable value needs tuples.
_ListToTuple = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
Widths = Annotated[tuple[Annotated[int, Ge(1), Le(8192)], ...], _ListToTuple]
"""Units or filters of each layer in turn."""
_Rate = Annotated[float, Ge(0), Lt(1)]
Rates = Annotated[_Rate | Annotated[tuple[_Rate, ...], MinLen(1)], _ListToTuple]
"""A rate of dropout for all layers, or of each in turn."""


class Hyperparameters(TrainingHyperparameters):
    """A value for everything that an objective can vary, except the seed.

    Raises:
        pydantic.ValidationError: A name is unknown, a value is out of bounds, or a setting belongs
            to another optimizer.
    """

    optimizer: Literal[
        "sgd", "rmsprop", "adagrad", "adadelta", "adam", "adamw", "adamax", "nadam", "lion"
    ] = structural("adam", "The optimizer, as Keras names it.")
    learning_rate: float | None = tunable(
        None, "Learning rate of the first epoch; None is Keras's default.", gt=0, le=100
    )
    momentum: float | None = tunable(
        None, "Momentum of sgd and rmsprop.", presence=True, shared=True, ge=0, lt=1
    )
    nesterov: bool = structural(False, "Nesterov momentum (sgd).", needs={"momentum": None})
    rho: float | None = tunable(None, "Decay of the mean square (rmsprop, adadelta).", ge=0, lt=1)
    centered: bool = structural(False, "Divide by the variance of the gradient (rmsprop).")
    beta_1: float | None = tunable(
        None, "Decay of the first moment (adam, adamw, adamax, nadam, lion).", ge=0, lt=1
    )
    beta_2: float | None = tunable(
        None,
        "Decay of the second moment (adam, adamw, adamax, nadam), or of the first between two "
        "steps (lion).",
        ge=0,
        lt=1,
    )
    epsilon: float | None = tunable(
        None, "Added to the denominator (all but sgd and lion).", gt=0, le=1
    )
    amsgrad: bool = structural(False, "The AMSGrad variant of adam and adamw.")
    initial_accumulator_value: float | None = tunable(
        None, "First value of the sums of squares (adagrad).", ge=0, le=10
    )
    weight_decay: float | None = tunable(
        None,
        "What each step takes off all weights and biases, as a share of them, before it is "
        "multiplied by the learning rate; None: 0.004 for adamw, nothing for the others.",
        presence=True,
        shared=True,
        ge=0,
        le=100,
    )
    global_clipnorm: float | None = tunable(
        None,
        "The largest norm of all gradients together, to which larger ones are scaled; None: any.",
        presence=True,
        shared=True,
        gt=0,
        le=1_000_000,
    )
    initializer: Literal[
        "zeros",
        "ones",
        "random_normal",
        "random_uniform",
        "glorot_normal",
        "glorot_uniform",
        "he_normal",
        "he_uniform",
        "lecun_normal",
        "lecun_uniform",
        "orthogonal",
    ] = tunable("glorot_uniform", "What fills the kernels before training.")
    initializer_spread: float = tunable(
        0.05,
        "Deviation of random_normal; random_uniform draws from -spread to spread.",
        needs={"initializer": ("random_normal", "random_uniform")},
        gt=0,
        le=10,
    )
    regularizer: Literal["none", "l1", "l2", "l1_l2"] = tunable(
        "none", "Penalty on the kernels of the hidden layers.", presence=True, shared=True
    )
    regularizer_strength: float = tunable(
        0.01,
        "Factor of the penalty; l1_l2 uses it for both parts.",
        needs={"regularizer": None},
        ge=0,
        le=100,
    )
    activation: Literal[
        "tanh",
        "relu",
        "leaky_relu",
        "elu",
        "selu",
        "gelu",
        "silu",
        "mish",
        "sigmoid",
        "hard_sigmoid",
        "exponential",
        "linear",
        "softmax",
    ] = structural("relu", "Activation of the hidden layers.", shared=True)
    batch_normalization: bool = structural(
        False, "Normalize each batch between a hidden layer and its activation."
    )
    normalization_momentum: float = structural(
        0.99,
        "Share of its past that a normalization's mean keeps at each step; a search of few steps "
        "wants less, such as 0.9, or its networks are evaluated by their initial averages.",
        needs={"batch_normalization": (True,)},
        gt=0,
        lt=1,
    )

    @model_validator(mode="after")
    def _check_optimizer_has_settings(self) -> Self:
        has = OPTIMIZER_SETTINGS[self.optimizer]
        for name in sorted(frozenset().union(*OPTIMIZER_SETTINGS.values()) - has):
            value = getattr(self, name)
            if value is not None and value is not False:
                owners = [o for o, settings in OPTIMIZER_SETTINGS.items() if name in settings]
                raise SettingError(
                    f"Expected a setting that {self.optimizer} has: {', '.join(sorted(has))}. "
                    f"Received: {name}={value!r}. Leave it out, or use {' or '.join(owners)}; in "
                    f'[space] under a condition, such as when = {{ optimizer = ["{owners[0]}"] }}.'
                )
        if self.optimizer == "lion" and self.beta_1 == 0:
            raise SettingError("Expected beta_1 > 0 for lion. Received: beta_1=0.0.")
        return self

    @classmethod
    def needs_programs(
        cls, name: str, values: Sequence[Any], levels: Mapping[str, Sequence[Any]]
    ) -> bool:
        """Tell whether trials that differ in a hyperparameter need different programs.

        Args:
            name: The hyperparameter.
            values: Its values; for a range, both ends.
            levels: As for `structure`.
        """
        field, known = cls.model_fields[name], levels.get(name, ())
        return len({fields.served(field, cls.check(name, value), known) for value in values}) > 1

    def activations(self, levels: Mapping[str, Sequence[Any]]) -> list[str]:
        """Return the activations that this setting's program serves, sorted.

        Args:
            levels: As for `structure`.
        """
        return sorted(map(str, self._served("activation", levels)))

    def with_all_parts(self, levels: Mapping[str, Sequence[Any]]) -> Self:
        """Return this setting with every part that its program serves.

        Args:
            levels: As for `structure`.
        """
        return self.model_copy(
            update={
                name: fields.fullest(field, getattr(self, name), levels.get(name, ()))
                for name, field in type(self).model_fields.items()
            }
        )

    def optimizer_arguments(self) -> dict[str, float | bool]:
        """Return the arguments of the Keras optimizer that differ from Keras's defaults."""
        names = {"learning_rate"} | OPTIMIZER_SETTINGS[self.optimizer]
        values = {name: getattr(self, name) for name in sorted(names)}
        return {name: value for name, value in values.items() if value is not None}

    def for_reading(self) -> Self:
        """Return this setting without what has an effect on training only."""
        return self.model_copy(update={"regularizer": "none"})

    def numbers(self, names: Sequence[str]) -> dict[str, float]:
        """Return the values of hyperparameters that are numbers, by name."""
        return {name: getattr(self, name) for name in names}


def check_count(name: str, rates: float | Sequence[float], n: int, layers: str) -> None:
    """Check that there is one rate for all layers, or one for each.

    Args:
        name: The name of the hyperparameter.
        rates: Its value.
        n: The number of layers.
        layers: What they are called.

    Raises:
        SettingError: There is not.
    """
    if isinstance(rates, Sequence) and len(rates) != n:
        raise SettingError(
            f"Expected one rate, or a list of {n}: one for each of the {layers}. "
            f"Received: {name}={list(rates)}."
        )
