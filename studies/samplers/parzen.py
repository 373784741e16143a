"""Optuna's Parzen estimator, computed in whole arrays.

Optuna evaluates the error function in a Python loop, which takes nine tenths of a suggestion if a
parameter has steps. SciPy computes the same quantities, equal but for rounding.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution

from studies.samplers.optuna_internals import ParzenEstimator, mixture_of

# The least share of a kernel within the range. A trial so far outside of it, some thirty standard
# deviations, counts for nothing, without an overflow.
MIN_MASS = 1e-200


class ArrayParzenEstimator(ParzenEstimator):
    """The density of a set of trials: a kernel for each of them, and the prior."""

    def __init__(
        self,
        observations: dict[str, np.ndarray],
        search_space: dict[str, BaseDistribution],
        parameters: Any,
        predetermined_weights: np.ndarray | None = None,
    ) -> None:
        super().__init__(observations, search_space, parameters, predetermined_weights)
        self._weights, columns = mixture_of(self)
        self._columns = dict(zip(search_space, columns, strict=True))
        self._is_categorical = {
            name: isinstance(distribution, CategoricalDistribution)
            for name, distribution in search_space.items()
        }

    def sample(self, rng: np.random.RandomState, size: int) -> dict[str, np.ndarray]:
        """Draw points from the same random numbers as Optuna does.

        Args:
            rng: The source of random numbers.
            size: The number of points.

        Returns:
            Each parameter's values: shape (size,).
        """
        kernels = rng.choice(len(self._weights), p=self._weights, size=size)
        drawn = {}
        for name, column in self._columns.items():
            if self._is_categorical[name]:
                reached = np.cumsum(column.weights[kernels, :], axis=-1)
                reached[:, -1] = 1  # a sum that is rounded down could be exceeded
                drawn[name] = np.sum(reached < rng.rand(size)[:, np.newaxis], axis=-1, dtype=float)
        numeric = [name for name in self._columns if not self._is_categorical[name]]
        quantiles = rng.uniform(size=(len(numeric), size))
        for name, quantile in zip(numeric, quantiles, strict=True):
            drawn[name] = _draw(self._columns[name], kernels, quantile)
        return {name: drawn[name] for name in self._columns}

    def log_pdf(self, samples_dict: dict[str, np.ndarray]) -> np.ndarray:
        """Return the logarithm of the density, up to a constant of the search space.

        Args:
            samples_dict: Each parameter's values: shape (n,).

        Returns:
            Shape (n,).
        """
        density: Any = self._weights[np.newaxis]
        for name in self._columns:
            density = density * self._density(name, samples_dict[name])
        # Never the logarithm of zero: the kernel of the prior covers the whole space.
        return np.asarray(np.log(density.sum(axis=1)))

    def kernels_at(self, point: dict[str, float]) -> np.ndarray:
        """Return the density of each kernel at a point, up to a constant of the search space.

        Args:
            point: A value for each parameter.

        Returns:
            Shape (kernels,), that of the prior at the end.
        """
        covered: Any = 1.0
        for name in self._columns:
            covered = covered * self._density(name, np.array([point[name]]))[0]
        return np.asarray(covered)

    def _density(self, name: str, values: np.ndarray) -> np.ndarray:
        """Return the density of each kernel, in units of the range: shape (values, kernels)."""
        column = self._columns[name]
        if self._is_categorical[name]:
            return np.asarray(column.weights.T[values.astype(int)])
        if not column.step:
            return _normal(column, values, column.mu, column.sigma)
        # A parameter with steps has few different values and kernels: compute each pair once.
        kernels, kernel_of = np.unique(column.mu + 1j * column.sigma, return_inverse=True)
        different, value_of = np.unique(values, return_inverse=True)
        found = _normal(column, different, kernels.real, kernels.imag)
        return found[value_of[:, np.newaxis], kernel_of]


def _draw(column: Any, kernels: np.ndarray, quantile: np.ndarray) -> np.ndarray:
    """Return values of one parameter at the quantiles of truncated normal distributions."""
    from scipy.special import ndtr, ndtri  # slow to import, so only when points are drawn

    mu, sigma = column.mu[kernels], column.sigma[kernels]
    low, high = column.adapted_low, column.adapted_high
    mass = _mass(column, mu, sigma)
    from_below = ndtr((low - mu) / sigma) + quantile * mass
    from_above = ndtr((mu - high) / sigma) + (1 - quantile) * mass
    # Invert from the nearer end, where fewer digits are lost.
    z = np.where(from_below < 0.5, ndtri(from_below), -ndtri(from_above))
    value = np.clip(mu + sigma * z, low, high)
    value = np.exp(value) if column.is_log else value
    if column.step:
        value = column.low + np.round((value - column.low) / column.step) * column.step
    return np.asarray(np.clip(value, column.low, column.high))


def _normal(column: Any, values: np.ndarray, mu: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Return truncated normal densities, in units of the range: shape (values, kernels)."""
    from scipy.special import ndtr  # slow to import

    mass = _mass(column, mu, sigma)
    scale = np.log if column.is_log else np.asarray
    if not column.step:
        width = column.adapted_high - column.adapted_low
        z = (scale(values)[:, np.newaxis] - mu) / sigma
        return np.asarray(np.exp(-0.5 * z * z) * (width / (sigma * mass)))
    left = (scale(values - column.step / 2)[:, np.newaxis] - mu) / sigma
    right = (scale(values + column.step / 2)[:, np.newaxis] - mu) / sigma
    # Differences are taken in the lower tail, by symmetry: no digits are lost there.
    flipped = left > 0
    left, right = np.where(flipped, -right, left), np.where(flipped, -left, right)
    return np.asarray((ndtr(right) - ndtr(left)) / mass)


def _mass(column: Any, mu: np.ndarray, sigma: np.ndarray) -> np.ndarray:
    """Return the share of normal distributions that is within the range."""
    from scipy.special import ndtr  # slow to import

    below, above = (column.adapted_low - mu) / sigma, (mu - column.adapted_high) / sigma
    share = 1 - ndtr(below) - ndtr(above)
    # A trial may lie outside if the range was another one. Far outside, all digits cancel above.
    share = np.where(below > 0, ndtr(-below) - ndtr(above), share)
    share = np.where(above > 0, ndtr(-above) - ndtr(below), share)
    return np.asarray(np.maximum(share, MIN_MASS))
