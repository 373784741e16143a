"""Settings compared pair by pair over common seeds: the exact sign-flip test, and intervals.

The seeds of two settings are paired: the same split, the same order and the same noise, so that the
difference of a seed says more than the two values do. The test assumes that without a difference
between the settings each seed's difference is as likely to be d as to be -d, and nothing else. That
is so where both settings have one distribution, however skewed, and where the noise of each is
symmetric, however different: so it is a test of equal distributions, and of equal means only where
their differences are symmetric. Two settings with equal means and 8 seeds are called different in
9.7 % of cases where the one has exponential noise and the other none, in nearly all of them with
the mean of the skewed one on the side away from its long tail. It is 8.2 % against normal noise of
.3 of that standard deviation, 5.2 % against one of the same, and with 16 seeds 9.2 % against none.
Normal noise against normal noise of three times its standard deviation keeps to 4.6 %.

With 8 seeds a true difference of one standard deviation of the differences is found in 65 % of
cases between two settings, and in 44 % for a pair of three; what 10,000 simulations come to is in
tests/test_statistics_simulation.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from math import ceil, inf, isnan, nan, sqrt

import numpy as np

from objectives.types import Array
from studies.statistics.intervals import student_quantile

ALPHA = 0.05
POWER = 0.8
MOST_SEEDS = 40  # of which the exact test goes through all signs in half a second
_CHUNK = 21  # 2^21 sums at a time, 16 MB
_TIE = 1e-9  # of the sum of sizes: differences of decimals that are equal differ by less


@dataclass(frozen=True)
class PairComparison:
    """Two settings compared over the seeds that both have.

    Attributes:
        first: The place of the one setting.
        second: The place of the other.
        n: The number of their common seeds.
        mean: The mean of the differences, first less second; NaN where it has none.
        std: The standard deviation of the differences, n - 1 in it; NaN with fewer than two seeds.
        low: The lower end of Student's t interval of the mean; NaN with fewer than two seeds.
        high: Its upper end.
        confidence: The level of this interval: 1 - alpha / (pairs x looks), by Bonferroni.
        p: The p value of the exact sign-flip test for this pair alone; NaN where a value is not
            finite, since a mean then says nothing, and where there is no common seed.
        p_adjusted: `p` by Holm over all pairs, times the looks, at most 1; NaN where `p` is.
        is_different: Whether `p_adjusted` is at most alpha: the larger mean is larger.
    """

    first: int
    second: int
    n: int
    mean: float
    std: float
    low: float
    high: float
    confidence: float
    p: float
    p_adjusted: float
    is_different: bool

    @property
    def is_tested(self) -> bool:
        """Whether there was a test: there are common seeds, and none of them diverged."""
        return not isnan(self.p)


def compare_pairs(
    values: Sequence[Sequence[float | None]],
    *,
    alpha: float = ALPHA,
    looks: int = 1,
    pairs: Sequence[tuple[int, int]] | None = None,
) -> list[PairComparison]:
    """Compare pairs of settings, each over the seeds that both have.

    A value that is not finite is that of a seed that diverged. Its pairs are not tested: there is
    no mean to compare, and without that seed the setting that diverges would gain by it. They
    count among the pairs all the same, so that no other pair is judged more leniently.

    Args:
        values: For each setting its values, in the order of seeds that all settings share; None
            for a seed without a value. Those of one setting may end earlier than those of another.
        alpha: The probability to call any pair different, where none is.
        looks: How often the values are looked at in all, while seeds are added.
        pairs: The places of those to compare, chosen before the values were seen; None for all.

    Returns:
        The pairs in their order; of all pairs it is 0 and 1, 0 and 2, and so on.

    Raises:
        ValueError: There are more than 40 common seeds.
    """
    if pairs is None:
        pairs = list(combinations(range(len(values)), 2))
    differences = [paired_differences(values[i], values[j]) for i, j in pairs]
    confidence = 1 - alpha / max(len(pairs) * looks, 1)
    figures = _figures(differences, confidence).tolist()
    adjusted = holm([row[-1] for row in figures], looks)
    return [
        PairComparison(i, j, len(own), mean, std, low, high, confidence, p, adj, adj <= alpha)
        for (i, j), own, (mean, std, low, high, p), adj in zip(
            pairs, differences, figures, adjusted, strict=True
        )
    ]


def paired_differences(first: Sequence[float | None], second: Sequence[float | None]) -> Array:
    """Return the differences over the seeds that two settings share, first less second, (n,).

    Args:
        first: The values of the one, in the order of the seeds; None for a seed without one.
        second: Those of the other.
    """
    common = [
        (one, other)
        for one, other in zip(first, second, strict=False)
        if one is not None and other is not None
    ]
    of_first, of_second = np.array(common, dtype=float).reshape(-1, 2).T
    with np.errstate(invalid="ignore"):  # infinity less infinity
        return np.asarray(of_first - of_second)


def sign_flip_p(differences: Sequence[float] | Array) -> float:
    """Return the p value of the exact two-sided sign-flip test of paired differences.

    It is the share of all 2^n ways to give the differences signs whose mean is as far from 0 as the
    observed one, which is counted itself; ties count as far. The least one of n seeds is 2 / 2^n.

    `scipy.stats.permutation_test` with the permutation type `samples` gives the same number, but
    makes one sum after the other: at 24 seeds 16 million, which takes minutes. Here the sums of the
    one half of the seeds are matched with those of the other, 2 x 2^(n/2) of them, in milliseconds.

    Args:
        differences: A difference for each seed, (n,).

    Returns:
        1 where all differences are 0; NaN where one is not finite.

    Raises:
        ValueError: There are more than 40 differences.
    """
    return float(sign_flip_p_values(np.asarray(differences, dtype=float)[None])[0])


def sign_flip_p_values(differences: Array) -> Array:
    """Return the p value of the sign-flip test for each of many sets of differences.

    Args:
        differences: A set of n differences in each row, (sets, n).

    Returns:
        The p values, (sets,), as `sign_flip_p` tells of one.

    Raises:
        ValueError: There are more than 40 differences in a set.
    """
    n = differences.shape[1]
    if n > MOST_SEEDS:
        raise ValueError(f"Expected at most {MOST_SEEDS} seeds, for an exact test. Received: n={n}")
    step = max(2**_CHUNK >> (n - n // 2), 1)
    parts = [_p_values(differences[i : i + step]) for i in range(0, len(differences), step)]
    return np.concatenate(parts) if parts else np.empty(0)


def least_seeds(n_settings: int, *, looks: int = 1, alpha: float = ALPHA) -> int:
    """Return the least number of seeds with which any pair of settings can be told apart.

    With fewer, not even differences that all have one sign are enough: 2 / 2^n, the least p value
    of n seeds, has to be at most alpha / (pairs x looks).

    Args:
        n_settings: How many settings are compared, from two.
        looks: How often they are compared in all, while seeds are added.
        alpha: The probability to call any pair different, where none is.
    """
    return least_seeds_of_tests(n_settings * (n_settings - 1) // 2 * looks, alpha)


def seeds_needed(
    differences: Sequence[float] | Array,
    *,
    n_pairs: int,
    looks: int = 1,
    alpha: float = ALPHA,
    power: float = POWER,
) -> int | None:
    """Return roughly how many seeds find a true difference as large as the one seen.

    It is the number for a t test at the level alpha / (pairs x looks), with the normal quantiles
    and Guenther's correction (1981), and at least that with which a pair can be told apart. It is
    rough, since neither the true difference nor its spread is known: of a pair that was chosen for
    its difference, this one is too large, and the number too small.

    Args:
        differences: A difference for each seed, (n,).
        n_pairs: How many pairs are compared.
        looks: How often they are compared in all, while seeds are added.
        alpha: The probability to call any pair different, where none is.
        power: The probability to find the difference.

    Returns:
        None where nothing is known of the difference: its mean is 0, one is not finite, or there
        are fewer than two.
    """
    from scipy.special import ndtri

    numbers = np.asarray(differences, dtype=float)
    if len(numbers) < 2 or not np.isfinite(numbers).all() or not abs(numbers.mean()) > 0:
        return None
    least = least_seeds_of_tests(n_pairs * looks, alpha)
    effect = abs(numbers.mean()) / numbers.std(ddof=1) if numbers.std(ddof=1) > 0 else inf
    of_level = -float(ndtri(alpha / (n_pairs * looks) / 2))
    n = ((of_level + float(ndtri(power))) / effect) ** 2 + of_level**2 / 2
    return max(least, ceil(n))


def holm(p_values: Sequence[float], looks: int = 1) -> list[float]:
    """Return p values adjusted by Holm over all of them, times the looks, at most 1.

    Args:
        p_values: The p value of each pair; NaN where it is not tested, which counts as 1.
        looks: How often the pairs are compared in all, by Bonferroni.

    Returns:
        The adjusted p values, NaN where `p_values` is.
    """
    from statsmodels.stats.multitest import multipletests

    if not p_values:
        return []
    is_tested = ~np.isnan(p_values)
    adjusted = multipletests(np.where(is_tested, p_values, 1.0), method="holm")[1]
    return [float(p) for p in np.where(is_tested, np.minimum(adjusted * looks, 1.0), np.nan)]


def least_seeds_of_tests(n_tests: int, alpha: float = ALPHA) -> int:
    """Return the least number of seeds n for which 2 / 2^n is at most alpha / n_tests."""
    return next(n for n in range(1, 1000) if 2.0 * n_tests <= alpha * 2.0**n)


def _figures(differences: Sequence[Array], confidence: float) -> Array:
    """Return mean, standard deviation, low, high and p of each pair, NaN where it has none."""
    found = np.full((len(differences), 5), nan)
    lengths = [len(each) for each in differences]
    for n in {*lengths} - {0}:  # those of one length at once, which takes a tenth of the time
        places = [i for i, length in enumerate(lengths) if length == n]
        found[places] = _figures_of_rows(np.stack([differences[i] for i in places]), confidence)
    return found


def _figures_of_rows(rows: Array, confidence: float) -> Array:
    """Do as `_figures` for pairs of the same number of seeds, (pairs, n) -> (pairs, 5)."""
    n = rows.shape[1]
    rows = np.where(_is_finite(rows)[:, None], rows, nan)
    mean, std, half = rows.mean(axis=1), np.full(len(rows), nan), np.full(len(rows), nan)
    if n > 1:
        std = rows.std(axis=1, ddof=1)
        half = student_quantile(n - 1, confidence) * std / sqrt(n)
    return np.stack([mean, std, mean - half, mean + half, sign_flip_p_values(rows)], axis=1)


def _is_finite(rows: Array) -> Array:
    """Return for each row whether all of its numbers are finite."""
    return np.asarray(np.isfinite(rows).all(axis=1))


def _p_values(differences: Array) -> Array:
    """Do as `sign_flip_p_values`, without chunks."""
    n, is_finite = differences.shape[1], _is_finite(differences)
    finite = np.where(is_finite[:, None], differences, 0.0)
    sizes = np.abs(finite)
    # By symmetry one of the two tails is counted: sums that are at least this one.
    least = np.abs(finite.sum(axis=1)) - _TIE * sizes.sum(axis=1)
    shares = np.minimum(2.0 * _count(sizes, least) / 2.0**n, 1.0)
    p_values = np.where(least > 0, shares, 1.0)
    return np.where(is_finite, p_values, nan)


def _count(sizes: Array, least: Array) -> Array:
    """Return how many of the sums of all signs are at least as large as `least`, in each row.

    For each sum of the one half those of the other are counted that suffice, the method of Horowitz
    and Sahni (1974) for the sums of subsets.
    """
    half = sizes.shape[1] // 2
    low, high = (np.sort(_sums(part)) for part in (sizes[:, :half], sizes[:, half:]))
    rows = zip(low, least[:, None] - high, strict=True)
    too_small = [np.searchsorted(own, others).sum() for own, others in rows]
    counts: Array = 2.0 ** sizes.shape[1] - np.asarray(too_small, dtype=float)
    return counts


def _sums(sizes: Array) -> Array:
    """Return the sums of all ways to give sizes (sets, n) signs, (sets, 2^n)."""
    sums: Array = np.zeros((len(sizes), 1))
    for size in sizes.T[:, :, None]:
        sums = np.concatenate([sums + size, sums - size], axis=1)
    return np.asarray(sums)
