"""The plan of an epoch: the number of steps, the order of the pictures, the learning rate."""

import math

import numpy as np

from objectives.training_hyperparameters import TrainingHyperparameters
from objectives.types import Array


def epoch_steps(hyperparameters: TrainingHyperparameters, steps_per_epoch: int) -> list[int]:
    """Return the number of gradient steps of each epoch; the last may have fewer."""
    if hyperparameters.steps is None:
        return [steps_per_epoch] * hyperparameters.epochs
    full, rest = divmod(hyperparameters.steps, steps_per_epoch)
    return [steps_per_epoch] * full + [rest] * (rest > 0)


def epoch_order(n: int, seed: int, epoch: int) -> Array:
    """Return the order of the pictures in an epoch, a permutation, (n,), int32.

    NumPy draws it, so that it is the same on every backend.
    """
    return np.random.default_rng([seed, epoch]).permutation(n).astype(np.int32)


def learning_rate_factor(
    hyperparameters: TrainingHyperparameters, epoch: int, n_epochs: int
) -> float:
    """Return the factor of the first learning rate in an epoch, from 1 to n_epochs."""
    final = hyperparameters.learning_rate_final
    progress = (epoch - 1) / max(n_epochs - 1, 1)
    match hyperparameters.learning_rate_schedule:
        case "constant":
            return 1.0
        case "linear":
            return 1 + (final - 1) * progress
        case "cosine":
            return final + (1 - final) * (1 + math.cos(math.pi * progress)) / 2
        case "exponential":
            return float(final**progress)
