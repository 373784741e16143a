"""Initial weights, drawn by NumPy: the same on every backend, with nothing to compile.

Keras draws with the backend's operations. JAX compiles each of them the first time, which takes a
second for the first trial of each initializer.
"""

import math

import keras
import numpy as np

from objectives.errors import SettingError
from objectives.types import Array

# Truncating a normal distribution at two standard deviations reduces its own by this factor.
_TRUNCATED_DEVIATION = 0.87962566103423978


def draw(
    initializer: keras.initializers.Initializer, shape: tuple[int, ...], rng: np.random.Generator
) -> Array:
    """Draw the values of a kernel from the distribution of a Keras initializer.

    Args:
        initializer: Zeros, ones, random normal or uniform, or one of Glorot's.
        shape: The kernel's shape; the last two dimensions are its inputs and outputs.
        rng: The generator to draw from.

    Returns:
        An array of that shape, float32.

    Raises:
        SettingError: It is another initializer.
    """
    match initializer:
        case keras.initializers.Zeros():
            return np.zeros(shape, np.float32)
        case keras.initializers.Ones():
            return np.ones(shape, np.float32)
        case keras.initializers.RandomNormal(mean=mean, stddev=deviation):
            return np.float32(mean) + np.float32(deviation) * rng.standard_normal(shape, np.float32)
        case keras.initializers.RandomUniform(minval=low, maxval=high):
            return np.float32(low) + np.float32(high - low) * rng.random(shape, np.float32)
        case keras.initializers.GlorotUniform():
            bound = math.sqrt(6 / _fan_sum(shape))
            return np.float32(2 * bound) * rng.random(shape, np.float32) - np.float32(bound)
        case keras.initializers.GlorotNormal():
            deviation = math.sqrt(2 / _fan_sum(shape)) / _TRUNCATED_DEVIATION
            return np.float32(deviation) * _truncated_normal(shape, rng)
    raise SettingError(
        "Expected an initializer that a hyperparameter names. "
        f"Received: {initializer.__class__.__name__}. Add how to draw it here."
    )


def _fan_sum(shape: tuple[int, ...]) -> int:
    """Return the number of inputs and outputs of a unit, together."""
    *window, inputs, outputs = shape
    return math.prod(window) * (inputs + outputs)


def _truncated_normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    values = rng.standard_normal(math.prod(shape), np.float32)
    outside = np.flatnonzero(np.abs(values) > 2)
    while len(outside) > 0:
        values[outside] = rng.standard_normal(len(outside), np.float32)
        outside = outside[np.abs(values[outside]) > 2]
    return values.reshape(shape)
