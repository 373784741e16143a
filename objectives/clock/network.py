"""A convolutional network that reads the time: a trunk of patterns, and a head chosen by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from objectives.clock.hyperparameters import HEAD_NUMBERS, ClockHyperparameters

if TYPE_CHECKING:
    import keras

    from objectives.clock.heads import ClockHead


def head(hyperparameters: ClockHyperparameters, numbers: Mapping[str, Any]) -> ClockHead:
    """Make the head of a trial; see `objectives.clock.heads.create`."""
    from objectives.clock import heads

    return heads.create(hyperparameters, numbers)


def build(
    hyperparameters: ClockHyperparameters,
    input_shape: tuple[int, ...],
    n_classes: int,
    dtype: str = "uint8",
    scale: float = 255.0,
    permuted: bool = False,
) -> keras.Model:
    """Build the network, from raw pictures (n, h, w, c) to the outputs of its head (n, units).

    Args:
        hyperparameters: The layers and their settings.
        input_shape: Height, width and channels.
        n_classes: Has no effect: the dial has 720 minutes.
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
    if hyperparameters.average_pooling:
        x = keras.layers.AveragePooling2D(2)(x)
    if hyperparameters.augmentation != "none":
        x = _augmented(x, turns=hyperparameters.augmentation == "rotation")
    if hyperparameters.gamma != 1:
        x = keras.ops.power(keras.ops.relu(x), hyperparameters.gamma)
    if hyperparameters.coordinates:
        x = _with_coordinates(x)
    x = _patterns(x, hyperparameters)
    x = keras.layers.Flatten()(x)
    x = layers.dropout(x, hyperparameters.flat_dropout)
    x = _dense(x, hyperparameters.hidden_units, hyperparameters, is_first=True)
    return keras.Model(inputs, _outputs(x, hyperparameters), name="clock")


def _outputs(x: Any, hyperparameters: ClockHyperparameters) -> Any:
    """Apply the dense layers of each part of the head; put the parts' outputs side by side."""
    import keras

    outputs = []
    for output in head(hyperparameters, hyperparameters.numbers(HEAD_NUMBERS)).outputs:
        apart = hyperparameters.separate_outputs and output.part.is_vector
        for units in (1, 1) if apart else (output.part.units,):
            own = _dense(x, hyperparameters.head_units, hyperparameters)
            outputs.append(_output(own, units, output.part.activation, hyperparameters))
    return keras.layers.Concatenate(name="outputs")(outputs)


def _patterns(x: Any, hyperparameters: ClockHyperparameters) -> Any:
    import keras

    from objectives.networks import layers

    steps = hyperparameters.conv_steps()
    for pattern in range(hyperparameters.patterns):
        for _ in range(hyperparameters.convs_per_pattern):
            x = keras.layers.Conv2D(
                hyperparameters.first_filters * 2**pattern,
                hyperparameters.kernel_size,
                strides=steps.pop(0) if steps else (1, 1),
                padding="same",
                **layers.hidden_kernel(hyperparameters),
            )(x)
            x = layers.activate(x, hyperparameters)
        x = keras.layers.MaxPooling2D(2)(x)
        x = layers.dropout(x, hyperparameters.conv_dropout)
    return x


def _dense(
    x: Any,
    widths: tuple[int, ...],
    hyperparameters: ClockHyperparameters,
    *,
    is_first: bool = False,
) -> Any:
    import keras

    from objectives.networks import layers

    # With batch_normalization the first layer is normalized already.
    is_normalized = hyperparameters.dense_normalization and not hyperparameters.batch_normalization
    for i, units in enumerate(widths):
        x = keras.layers.Dense(units, **layers.hidden_kernel(hyperparameters))(x)
        x = layers.activate(x, hyperparameters)
        if is_normalized and is_first and i == 0:
            x = layers.normalize(x, hyperparameters)
        x = layers.dropout(x, hyperparameters.dropout)
    return x


def _output(x: Any, units: int, activation: str, hyperparameters: ClockHyperparameters) -> Any:
    import keras

    from objectives.networks import layers

    kernel = layers.hidden_kernel(hyperparameters)
    if not hyperparameters.output_penalty:
        del kernel["kernel_regularizer"]
    return keras.layers.Dense(units, activation=activation, **kernel)(x)


def _with_coordinates(x: Any) -> Any:
    """Add two channels with each pixel's row and column, from -1 to 1 (Liu et al., CoordConv)."""
    from keras import ops

    ones = ops.ones_like(x[..., :1])
    channels = [ops.cumsum(ones, axis=axis) * (2 / (x.shape[axis] + 1)) - 1 for axis in (1, 2)]
    return ops.concatenate([x, *channels], axis=-1)


def _augmented(x: Any, *, turns: bool) -> Any:
    """Change pictures at random without changing the time that they show.

    A turned dial shows the same time: it is read from the dial's own 12 o'clock.
    """
    import keras

    if turns:
        x = keras.layers.RandomRotation(0.5, fill_mode="reflect")(x)
    x = keras.layers.RandomTranslation(0.05, 0.05, fill_mode="nearest")(x)
    x = keras.layers.RandomBrightness(0.15, value_range=(0, 1))(x)
    # Both bounds are given: contrast is only raised, never lowered.
    return keras.layers.RandomContrast((0.0, 0.3), value_range=(0, 1))(x)
