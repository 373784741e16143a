"""Seeds as blocks: what all trials of one seed have in common, apart from the noise of a trial.

Where each seed has every point, the values are those of a randomized block design: a point, its
seed, and the rest. What seeds have in common is in no difference between points, and so leaves
what these are judged by. It is in the mean of a point that is trained with other seeds: the
variance of seeds is then estimated from mean squares, and its degrees of freedom are those of F. E.
Satterthwaite, "An Approximate Distribution of Estimates of Variance Components" (1946).
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Blocks:
    """What seeds have in common, beside the points.

    Attributes:
        n: How many seeds there are.
        df: The degrees of freedom of the seeds.
        ss: Their sum of squares.
        error_df: The degrees of freedom of what points and seeds leave over.
        error_ss: Its sum of squares.
        points_each: How many points a seed has; where values are missing, what it counts for in the
            mean square of the seeds.
    """

    n: int
    df: int
    ss: float
    error_df: int
    error_ss: float
    points_each: float

    @property
    def share(self) -> float | None:
        """The share of the seeds in the squares within points; None where these are all equal."""
        within = self.ss + self.error_ss
        return self.ss / within if within > 0 else None

    def variance(self, error_ms: float) -> float:
        """Return the variance of what the trials of a seed have in common, 0 at the least.

        Args:
            error_ms: The variance of the rest.
        """
        return max((self.ss / self.df - error_ms) / self.points_each, 0.0)


@dataclass(frozen=True)
class NewSeeds:
    """How far the mean of trials with other seeds may be from what a model says of their point.

    Attributes:
        variance: The variance of a trial, what its seed has in common with others in it.
        freedom: Its degrees of freedom.
        leverage: The variance of what the model says, in parts of that of a trial.
    """

    variance: float
    freedom: float
    leverage: float


def blocks(values: Array, points: Sequence[Hashable], seeds: Sequence[Hashable]) -> Blocks:
    """Return what seeds have in common beside the points, whose values may miss some of them.

    Args:
        values: The value of each trial, (n,).
        points: Its point.
        seeds: Its seed.
    """
    of_point, of_seed = _codes(points), _codes(seeds)
    n_points, n_seeds = of_point.max() + 1, of_seed.max() + 1
    counts = np.zeros((n_points, n_seeds))
    np.add.at(counts, (of_point, of_seed), 1.0)
    each = counts.sum(axis=1)
    means = np.bincount(of_point, values, n_points) / each
    within = values - means[of_point]
    # The normal equations of the seeds, less what points explain: as many as there are seeds.
    squares = np.diag(counts.sum(axis=0)) - counts.T @ (counts / each[:, None])
    sums = np.bincount(of_seed, within, n_seeds)
    df = int(np.linalg.matrix_rank(squares, hermitian=True))
    ss = float(sums @ np.linalg.pinv(squares, hermitian=True) @ sums)
    error_ss = max(float(within @ within) - ss, 0.0)
    error_df = len(values) - int(n_points) - df
    points_each = float(np.trace(squares)) / df if df else 0.0
    return Blocks(int(n_seeds), df, ss, error_df, error_ss, points_each)


def of_new_seeds(found: Blocks, error_ms: float, leverage: float, n: int) -> NewSeeds:
    """Return the variance of the mean of trials with other seeds, about what a model says.

    The model's mean has the seeds of the design in common, that of the trials their own ones.

    Args:
        found: The seeds of the design.
        error_ms: The variance of a trial beside what its seed has in common.
        leverage: The variance of what the model says over these very seeds, in parts of `error_ms`.
        n: The number of new seeds, for which degrees of freedom are found.
    """
    of_seed = found.variance(error_ms)
    if not of_seed:
        return NewSeeds(error_ms, float(found.error_df), leverage)
    variance = of_seed + error_ms
    together = (of_seed / found.n + error_ms * leverage) / variance
    of_squares = (1 / found.n + 1 / n) / found.points_each  # that of the seeds' mean square
    parts = (
        (of_squares * found.ss / found.df, found.df),
        ((leverage + 1 / n - of_squares) * error_ms, found.error_df),
    )
    freedom = sum(part for part, _ in parts) ** 2 / sum(part**2 / df for part, df in parts)
    return NewSeeds(variance, float(freedom), together)


def _codes(names: Sequence[Hashable]) -> npt.NDArray[np.intp]:
    """Return the number of each name, from 0 in the order in which they come."""
    known: dict[Any, int] = {}
    return np.asarray([known.setdefault(name, len(known)) for name in names], dtype=np.intp)
