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
        initializer: Zeros, ones, random normal or uniform, orthogonal, or one that scales the
            variance, as those of Glorot, He and LeCun do.
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
        case keras.initializers.VarianceScaling():
            return _scaled(initializer, shape, rng)
        case keras.initializers.Orthogonal(gain=gain):
            return np.float32(gain) * _orthogonal(shape, rng)
    raise SettingError(
        "Expected an initializer that a hyperparameter names. "
        f"Received: {initializer.__class__.__name__}. Add how to draw it here."
    )


def _scaled(
    initializer: keras.initializers.VarianceScaling,
    shape: tuple[int, ...],
    rng: np.random.Generator,
) -> Array:
    """Draw with the variance scale / n, where n counts the inputs or outputs of a unit, or both."""
    *window, inputs, outputs = shape
    counts = {"fan_in": inputs, "fan_out": outputs, "fan_avg": (inputs + outputs) / 2}
    variance = initializer.scale / (math.prod(window) * counts[initializer.mode])
    if initializer.distribution == "uniform":
        bound = math.sqrt(3 * variance)
        return np.float32(2 * bound) * rng.random(shape, np.float32) - np.float32(bound)
    if initializer.distribution == "untruncated_normal":
        return np.float32(math.sqrt(variance)) * rng.standard_normal(shape, np.float32)
    deviation = math.sqrt(variance) / _TRUNCATED_DEVIATION
    return np.float32(deviation) * truncated_normal(shape, rng)


def _orthogonal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw orthogonal columns, or orthogonal rows where there are fewer rows than columns."""
    rows, columns = math.prod(shape[:-1]), shape[-1]
    drawn = rng.standard_normal((max(rows, columns), min(rows, columns)), np.float32)
    q, r = np.linalg.qr(drawn)
    q *= np.sign(np.diag(r))  # so that no direction is more likely than another
    return np.reshape(q.T if rows < columns else q, shape)


def truncated_normal(shape: tuple[int, ...], rng: np.random.Generator) -> Array:
    """Draw from the standard normal distribution, cut at two deviations on either side."""
    values = rng.standard_normal(math.prod(shape), np.float32)
    outside = np.flatnonzero(np.abs(values) > 2)
    while len(outside) > 0:
        values[outside] = rng.standard_normal(len(outside), np.float32)
        outside = outside[np.abs(values[outside]) > 2]
    return values.reshape(shape)
