"""A multilayer perceptron: hidden dense layers and a softmax output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from pydantic import model_validator

from objectives.fields import structural, tunable
from objectives.head import TargetScale
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
    target: TargetScale | None = None,
    permuted: bool = False,
) -> keras.Model:
    """Build the network, from raw pictures (n, h, w, c) to class probabilities (n, n_classes).

    Rows of a table, (n, inputs), are taken as they are encoded. What it tells of a number is in
    that number's units, (n, 1).

    Args:
        hyperparameters: The layers and their settings.
        input_shape: Height, width and channels; or the number of inputs of a row.
        n_classes: Number of classes.
        dtype: The type of the pictures, "uint8" or "float32".
        scale: What pixels are divided by.
        target: The scale of the number to tell; None to classify.
        permuted: Whether the pixels of the pictures are permuted.
    """
    import keras

    from objectives.networks import layers

    if len(input_shape) == 1:
        inputs = x = keras.Input(input_shape, dtype=dtype, name="encoded_row")
    else:
        inputs, x = layers.pictures(input_shape, dtype, scale, permuted=permuted)
    x = keras.layers.Flatten()(x)
    x = layers.dropout(x, hyperparameters.input_dropout)
    rates = layers.rates(hyperparameters.dropout, len(hyperparameters.hidden_units))
    for units, rate in zip(hyperparameters.hidden_units, rates, strict=True):
        x = keras.layers.Dense(units, **layers.hidden_kernel(hyperparameters))(x)
        x = layers.activate(x, hyperparameters)
        x = layers.dropout(x, rate)
    if target is None:
        outputs = layers.classify(x, n_classes, hyperparameters)
    else:
        outputs = layers.tell(x, target, hyperparameters)
    return keras.Model(inputs, outputs, name="mlp")
