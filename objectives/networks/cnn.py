"""A convolutional network: blocks of convolutions and a pooling, dense layers, a softmax output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Self

from pydantic import model_validator

from objectives.errors import SettingError
from objectives.fields import structural, tunable
from objectives.hyperparameters import Hyperparameters, Rates, Widths, check_count

if TYPE_CHECKING:
    import keras


class CnnHyperparameters(Hyperparameters):
    """The hyperparameters of a convolutional network."""

    filters: Widths = structural(
        (32, 64), "Filters of each convolution.", min_length=1, max_length=24
    )
    convs_per_block: int = structural(
        2,
        "Convolutions before each pooling; the last block may have fewer.",
        needs=({"pooling": ("max", "average")}, {"conv_dropout": None}, {"dropout": None}),
        ge=1,
        le=24,
    )
    kernel_size: int = structural(3, "Height and width of a convolution's kernel.", ge=1, le=11)
    strides: int = structural(1, "Step of a convolution, in pixels.", ge=1, le=3)
    padding: Literal["same", "valid"] = structural(
        "same", "Whether a convolution keeps the picture's size or trims its edges."
    )
    pooling: Literal["max", "average", "none"] = structural("max", "Pooling after each block.")
    pool_size: int = structural(
        2,
        "Height and width of a pooling window.",
        needs={"pooling": ("max", "average")},
        ge=2,
        le=8,
    )
    global_pooling: Literal["none", "max", "average"] = structural(
        "none", "Give the dense layers the maximum or average of each channel, not all pixels."
    )
    conv_dropout: Rates | None = tunable(
        None,
        "Dropout rate after each block, or a list of one for each; None: the same as dropout.",
        presence=True,
        shared=True,
    )
    hidden_units: Widths = structural(
        (128,), "Units of each hidden dense layer.", min_length=0, max_length=10
    )
    dropout: Rates = tunable(
        0.0,
        "Dropout rate after each hidden dense layer, or a list of one for each.",
        presence=True,
        shared=True,
        needs=({"hidden_units": None}, {"conv_dropout": (None,)}),
    )

    @model_validator(mode="after")
    def _check_rates(self) -> Self:
        check_count("dropout", self.dropout, len(self.hidden_units), "hidden dense layers")
        if self.conv_dropout is not None:
            check_count("conv_dropout", self.conv_dropout, len(self.blocks()), "blocks")
        elif isinstance(self.dropout, tuple):
            raise SettingError(
                "Expected conv_dropout, one rate or a list, where dropout is a list. "
                "Received: conv_dropout=None. Write conv_dropout = 0.0 for none."
            )
        return self

    def blocks(self) -> list[tuple[int, ...]]:
        """Return the filters of each block's convolutions."""
        size = self.convs_per_block
        return [self.filters[i : i + size] for i in range(0, len(self.filters), size)]

    def check_input(self, input_shape: tuple[int, ...]) -> None:
        """Check that pictures (height, width, channels) are large enough for every layer.

        Raises:
            SettingError: A convolution or a pooling would have nothing left.
        """
        side = min(input_shape[:2])
        for number, block in enumerate(self.blocks(), start=1):
            for _ in block:
                self._require(side, self.kernel_size if self.padding == "valid" else 1, number)
                trimmed = side - self.kernel_size + 1 if self.padding == "valid" else side
                side = -(-trimmed // self.strides)
            if self.pooling != "none":
                self._require(side, self.pool_size, number)
                side //= self.pool_size

    def _require(self, side: int, needed: int, block: int) -> None:
        if side < needed:
            raise SettingError(
                f"Expected at least {needed} pixels a side in block {block} of "
                f"{len(self.blocks())}. Received: {side} left of the picture. "
                "Use padding='same', fewer blocks, smaller strides or a smaller pool_size."
            )


def build(
    hyperparameters: CnnHyperparameters,
    input_shape: tuple[int, ...],
    n_classes: int,
    dtype: str = "uint8",
    scale: float = 255.0,
    permuted: bool = False,
) -> keras.Model:
    """Build the network, from raw pictures (n, h, w, c) to class probabilities (n, n_classes).

    Args:
        hyperparameters: The layers and their settings.
        input_shape: Height, width and channels.
        n_classes: Number of classes.
        dtype: The type of the pictures, "uint8" or "float32".
        scale: What pixels are divided by.
        permuted: Whether the pixels of the pictures are permuted.

    Raises:
        SettingError: The pictures are too small for the network.
    """
    import keras

    from objectives.networks import layers

    hyperparameters.check_input(input_shape)
    inputs, x = layers.pictures(input_shape, dtype, scale, permuted=permuted)
    x = _blocks(x, hyperparameters)
    x = layers.flatten(x, hyperparameters.global_pooling)
    rates = layers.rates(hyperparameters.dropout, len(hyperparameters.hidden_units))
    for units, rate in zip(hyperparameters.hidden_units, rates, strict=True):
        x = keras.layers.Dense(units, **layers.hidden_kernel(hyperparameters))(x)
        x = layers.activate(x, hyperparameters)
        x = layers.dropout(x, rate)
    outputs = layers.classify(x, n_classes, hyperparameters)
    return keras.Model(inputs, outputs, name="cnn")


def _blocks(x: Any, hyperparameters: CnnHyperparameters) -> Any:
    import keras

    from objectives.networks import layers

    conv_dropout = hyperparameters.conv_dropout
    if conv_dropout is None:
        conv_dropout = hyperparameters.dropout
    blocks = hyperparameters.blocks()
    for block, rate in zip(blocks, layers.rates(conv_dropout, len(blocks)), strict=True):
        for filters in block:
            x = keras.layers.Conv2D(
                filters,
                hyperparameters.kernel_size,
                strides=hyperparameters.strides,
                padding=hyperparameters.padding,
                **layers.hidden_kernel(hyperparameters),
            )(x)
            x = layers.activate(x, hyperparameters)
        x = layers.pool(x, hyperparameters.pooling, hyperparameters.pool_size)
        x = layers.dropout(x, rate)
    return x
