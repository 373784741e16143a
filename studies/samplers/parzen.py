"""Optuna's Parzen estimator, computed in whole arrays.

Optuna goes through the error function in a Python loop, which is nine tenths of a suggestion where
a parameter has steps. The same quantities from SciPy agree with it but for rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from optuna.samplers._tpe.parzen_estimator import _ParzenEstimator
from optuna.samplers._tpe.probability_distributions import _BatchedCategoricalDistributions


class ArrayParzenEstimator(_ParzenEstimator):
    """What `TPESampler` takes in the place of Optuna's."""

    def sample(self, rng: np.random.RandomState, size: int) -> dict[str, np.ndarray]:
        """Draw points, from the same random numbers as Optuna does.

        Args:
            rng: Where they come from.
            size: The number of points.

        Returns:
            Each parameter's values: shape (size,).
        """
        mixture = self._mixture_distribution
        kernels = rng.choice(len(mixture.weights), p=mixture.weights, size=size)
        columns = list(mixture.distributions)
        drawn = np.empty((len(columns), size))
        numeric = []
        for i, column in enumerate(columns):
            if isinstance(column, _BatchedCategoricalDistributions):
                reached = np.cumsum(column.weights[kernels, :], axis=-1)
                reached[:, -1] = 1  # not a rounding below it
                drawn[i] = np.sum(reached < rng.rand(size)[:, np.newaxis], axis=-1)
            else:
                numeric.append(i)
        quantiles = rng.uniform(size=(len(numeric), size))
        for i, quantile in zip(numeric, quantiles, strict=True):
            drawn[i] = _draw(columns[i], kernels, quantile)
        return dict(zip(self._search_space, drawn, strict=True))

    def log_pdf(self, samples_dict: dict[str, np.ndarray]) -> np.ndarray:
        """Return the logarithm of the density, but for a factor that is the space's.

        Args:
            samples_dict: Each parameter's values: shape (n,).

        Returns:
            Shape (n,).
        """
        mixture = self._mixture_distribution
        density: Any = mixture.weights[np.newaxis]
        for name, column in zip(self._search_space, mixture.distributions, strict=True):
            density = density * _density(column, samples_dict[name])
        # Never zero: one kernel, the prior, covers the space.
        return np.asarray(np.log(density.sum(axis=1)))

    def kernels_at(self, point: dict[str, float]) -> np.ndarray:
        """Return how much each kernel covers a point, but for a factor that is the space's.

        Args:
            point: A value for each parameter.

        Returns:
            Shape (kernels,), that of the prior at the end.
        """
        covered: Any = 1.0
        for name, column in zip(
            self._search_space, self._mixture_distribution.distributions, strict=True
        ):
            covered = covered * _density(column, np.array([point[name]]))[0]
        return np.asarray(covered)


def _draw(column: Any, kernels: np.ndarray, quantile: np.ndarray) -> np.ndarray:
    """Return values of one parameter at the quantiles of truncated normal distributions."""
    from scipy.special import ndtr, ndtri  # not at the top: the command line draws nothing

    mu, sigma = column.mu[kernels], column.sigma[kernels]
    low, high = column.adapted_low, column.adapted_high
    below, above = ndtr((low - mu) / sigma), ndtr((mu - high) / sigma)
    mass = 1 - below - above
    from_below, from_above = below + quantile * mass, above + (1 - quantile) * mass
    # From the nearer end, where few digits are lost.
    z = np.where(from_below < 0.5, ndtri(from_below), -ndtri(from_above))
    value = np.clip(mu + sigma * z, low, high)
    value = np.exp(value) if column.is_log else value
    if column.step:
        value = column.low + np.round((value - column.low) / column.step) * column.step
    return np.asarray(np.clip(value, column.low, column.high))


def _density(column: Any, values: np.ndarray) -> np.ndarray:
    """Return the density of each kernel, in units of the range: shape (values, kernels)."""
    if isinstance(column, _BatchedCategoricalDistributions):
        return np.asarray(column.weights.T[values.astype(int)])
    if not column.step:
        return _normal(column, values, column.mu, column.sigma)
    # Parameters with steps have few different values and kernels.
    kernels, kernel_of = np.unique(column.mu + 1j * column.sigma, return_inverse=True)
    different, value_of = np.unique(values, return_inverse=True)
    found = _normal(column, different, kernels.real, kernels.imag)
    return found[value_of[:, np.newaxis], kernel_of]


def _normal(column: Any, values: np.ndarray, mu: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    from scipy.special import ndtr  # as above

    low, high = column.adapted_low, column.adapted_high
    mass = 1 - ndtr((low - mu) / sigma) - ndtr((mu - high) / sigma)
    scale = np.log if column.is_log else np.asarray
    if not column.step:
        z = (scale(values)[:, np.newaxis] - mu) / sigma
        return np.asarray(np.exp(-0.5 * z * z) * ((high - low) / (sigma * mass)))
    left = (scale(values - column.step / 2)[:, np.newaxis] - mu) / sigma
    right = (scale(values + column.step / 2)[:, np.newaxis] - mu) / sigma
    # By symmetry in the lower tail, where no digits are lost.
    flipped = left > 0
    left, right = np.where(flipped, -right, left), np.where(flipped, -left, right)
    return np.asarray((ndtr(right) - ndtr(left)) / mass)
