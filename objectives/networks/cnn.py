"""A convolutional network: blocks of convolutions and a pooling, dense layers, a softmax output."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from objectives.errors import SettingError
from objectives.fields import structural, tunable
from objectives.hyperparameters import Hyperparameters, Widths

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
    conv_dropout: float | None = tunable(
        None,
        "Dropout rate after each block; None: the same as dropout.",
        presence=True,
        shared=True,
        ge=0,
        lt=1,
    )
    hidden_units: Widths = structural(
        (128,), "Units of each hidden dense layer.", min_length=0, max_length=10
    )
    dropout: float = tunable(
        0.0,
        "Dropout rate after each hidden dense layer.",
        presence=True,
        shared=True,
        needs=({"hidden_units": None}, {"conv_dropout": (None,)}),
        ge=0,
        lt=1,
    )

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
) -> keras.Model:
    """Build the network, from raw pictures (n, h, w, c) to class probabilities (n, n_classes).

    Args:
        hyperparameters: The layers and their settings.
        input_shape: Height, width and channels.
        n_classes: Number of classes.
        dtype: The type of the pictures, "uint8" or "float32".
        scale: What pixels are divided by.

    Raises:
        SettingError: The pictures are too small for the network.
    """
    import keras

    from objectives.networks import layers

    hyperparameters.check_input(input_shape)
    inputs, x = layers.pictures(input_shape, dtype, scale)
    x = _blocks(x, hyperparameters)
    x = keras.layers.Flatten()(x)
    for units in hyperparameters.hidden_units:
        x = keras.layers.Dense(units, **layers.hidden_kernel(hyperparameters))(x)
        x = layers.activate(x, hyperparameters)
        x = layers.dropout(x, hyperparameters.dropout)
    outputs = layers.classify(x, n_classes, hyperparameters)
    return keras.Model(inputs, outputs, name="cnn")


def _blocks(x: Any, hyperparameters: CnnHyperparameters) -> Any:
    import keras

    from objectives.networks import layers

    conv_dropout = hyperparameters.conv_dropout
    if conv_dropout is None:
        conv_dropout = hyperparameters.dropout
    for block in hyperparameters.blocks():
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
        x = layers.dropout(x, conv_dropout)
    return x
