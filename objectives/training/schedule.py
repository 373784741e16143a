"""What an epoch consists of: how many steps, which pictures in which order, what learning rate."""

import math
from typing import Any

import numpy as np

from objectives.hyperparameters import Hyperparameters


def epoch_steps(hyperparameters: Hyperparameters, steps_per_epoch: int) -> list[int]:
    """Return the number of gradient steps of each epoch; the last may have fewer."""
    if hyperparameters.steps is None:
        return [steps_per_epoch] * hyperparameters.epochs
    full, rest = divmod(hyperparameters.steps, steps_per_epoch)
    return [steps_per_epoch] * full + [rest] * (rest > 0)


def epoch_order(n: int, seed: int, epoch: int) -> np.ndarray[Any, Any]:
    """Return the pictures in the order of an epoch, a permutation, int32 of shape (n,).

    It depends on nothing but the arguments, so that any backend trains on the same one.
    """
    return np.random.default_rng([seed, epoch]).permutation(n).astype(np.int32)


def learning_rate_factor(hyperparameters: Hyperparameters, epoch: int, n_epochs: int) -> float:
    """Return what the first learning rate is multiplied by in an epoch, from 1 to n_epochs."""
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
