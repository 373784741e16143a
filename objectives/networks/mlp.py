"""A multilayer perceptron: hidden dense layers and a softmax output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import model_validator

from objectives.fields import structural, tunable
from objectives.hyperparameters import Hyperparameters, Rates, Widths, check_count

if TYPE_CHECKING:
    import keras


class MlpHyperparameters(Hyperparameters):
    """The hyperparameters of a multilayer perceptron."""

    hidden_units: Widths = structural(
        (128,), "Units of each hidden layer.", min_length=1, max_length=10
    )
    dropout: Rates = tunable(
        0.0,
        "Dropout rate after each hidden layer, or a list of one for each.",
        presence=True,
        shared=True,
    )
    input_dropout: float = tunable(
        0.0, "Dropout rate of the pixels.", presence=True, shared=True, ge=0, lt=1
    )

    @model_validator(mode="after")
    def _check_rates(self) -> Self:
        check_count("dropout", self.dropout, len(self.hidden_units), "hidden layers")
        return self


def build(
    hyperparameters: MlpHyperparameters,
    input_shape: tuple[int, ...],
    n_classes: int,
    dtype: str = "uint8",
    scale: float = 255.0,
) -> keras.Model:
    """Build the network, from raw pictures (n, h, w, c) to class probabilities (n, n_classes).

    Args:
        hyperparameters: The layers and their settings.
        input_shape: Height, width and channels.
        n_classes: Number of classes.
        dtype: The type of the pictures, "uint8" or "float32".
        scale: What pixels are divided by.
    """
    import keras

    from objectives.networks import layers

    inputs, x = layers.pictures(input_shape, dtype, scale)
    x = keras.layers.Flatten()(x)
    x = layers.dropout(x, hyperparameters.input_dropout)
    rates = layers.rates(hyperparameters.dropout, len(hyperparameters.hidden_units))
    for units, rate in zip(hyperparameters.hidden_units, rates, strict=True):
        x = keras.layers.Dense(units, **layers.hidden_kernel(hyperparameters))(x)
        x = layers.activate(x, hyperparameters)
        x = layers.dropout(x, rate)
    outputs = layers.classify(x, n_classes, hyperparameters)
    return keras.Model(inputs, outputs, name="mlp")
