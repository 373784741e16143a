"""The building blocks that the networks share, each of one or two stock Keras layers."""

from collections.abc import Sequence
from typing import Any

import keras

from objectives.head import TargetScale
from objectives.hyperparameters import Hyperparameters

AS_STORED, AS_PERMUTED = "as_in_the_file", "permuted"  # end the name of a network's input
FULL_SCALES = (255, 65535)  # of bytes, and of two


def pictures(
    input_shape: tuple[int, ...], dtype: str, divisor: float, *, permuted: bool = False
) -> tuple[Any, Any]:
    """Return the input for raw pictures, and the same divided.

    Names of layers are what a saved network tells of itself, in `summary()`: to who divides pixels
    that the network divides again, it shows black pictures.

    Args:
        input_shape: Height, width and channels.
        dtype: The type of the pictures, "uint8" or "float32".
        divisor: What pixels are divided by, which makes floats of them; 1 leaves floats as they
            are.
        permuted: Whether who gives it pictures permutes their pixels first.
    """
    pixels = f"pixels_0_to_{divisor:g}" if divisor in FULL_SCALES else "pixels"
    inputs = keras.Input(
        input_shape, dtype=dtype, name=f"{pixels}_{AS_PERMUTED if permuted else AS_STORED}"
    )
    if dtype == "uint8" or divisor != 1:
        name = f"divided_by_{divisor:g}".replace("+", "")  # TensorFlow takes no plus in a name
        return inputs, keras.layers.Rescaling(1 / divisor, name=name)(inputs)
    return inputs, inputs


def hidden_kernel(hyperparameters: Hyperparameters) -> dict[str, Any]:
    """Return the arguments of every hidden layer that has a kernel."""
    return {
        "kernel_initializer": _initializer(hyperparameters),
        "kernel_regularizer": _regularizer(hyperparameters),
    }


def activate(x: Any, hyperparameters: Hyperparameters) -> Any:
    """Apply the activation, after batch normalization if the setting asks for it."""
    if hyperparameters.batch_normalization:
        x = normalize(x, hyperparameters)
    return keras.layers.Activation(hyperparameters.activation)(x)


def normalize(x: Any, hyperparameters: Hyperparameters) -> Any:
    """Normalize each batch."""
    momentum = hyperparameters.normalization_momentum
    return keras.layers.BatchNormalization(momentum=momentum)(x)


def dropout(x: Any, rate: float) -> Any:
    """Apply dropout, or nothing when the rate is zero."""
    return keras.layers.Dropout(rate)(x) if rate > 0 else x


def rates(rate: float | Sequence[float], n: int) -> Sequence[float]:
    """Return the dropout rate of each of `n` layers."""
    return rate if isinstance(rate, Sequence) else [rate] * n


def flatten(x: Any, pooling: str) -> Any:
    """Turn pictures into vectors: all pixels, or the maximum or average of each channel."""
    if pooling == "max":
        return keras.layers.GlobalMaxPooling2D()(x)
    if pooling == "average":
        return keras.layers.GlobalAveragePooling2D()(x)
    return keras.layers.Flatten()(x)


def pool(x: Any, pooling: str, size: int) -> Any:
    """Pool non-overlapping windows by maximum or average, or return `x` unchanged."""
    if pooling == "max":
        return keras.layers.MaxPooling2D(size)(x)
    if pooling == "average":
        return keras.layers.AveragePooling2D(size)(x)
    return x


def classify(x: Any, n_classes: int, hyperparameters: Hyperparameters) -> Any:
    """Apply the last layer: one probability a class."""
    initializer = _initializer(hyperparameters)
    return keras.layers.Dense(n_classes, activation="softmax", kernel_initializer=initializer)(x)


def tell(x: Any, target: TargetScale, hyperparameters: Hyperparameters) -> Any:
    """Apply the last layers of a network that tells a number: a unit, then the number's scale."""
    initializer = _initializer(hyperparameters)
    unit = keras.layers.Dense(1, kernel_initializer=initializer)(x)
    name = "in_units_of_the_target"
    return keras.layers.Rescaling(target.deviation, offset=target.mean, name=name)(unit)


def _initializer(hyperparameters: Hyperparameters) -> keras.initializers.Initializer:
    spread = hyperparameters.initializer_spread
    if hyperparameters.initializer == "random_normal":
        return keras.initializers.RandomNormal(stddev=spread)
    if hyperparameters.initializer == "random_uniform":
        return keras.initializers.RandomUniform(-spread, spread)
    return keras.initializers.get(hyperparameters.initializer)


def _regularizer(hyperparameters: Hyperparameters) -> keras.regularizers.L1L2 | None:
    kind, strength = hyperparameters.regularizer, hyperparameters.regularizer_strength
    if kind == "none":
        return None
    return keras.regularizers.L1L2(
        l1=strength if "l1" in kind else 0.0, l2=strength if "l2" in kind else 0.0
    )
