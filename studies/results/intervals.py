"""What is told of the mean over a point's seeds: an interval, and the noise of a seed."""

from __future__ import annotations

from collections.abc import Iterable
from math import atan, cos, inf, pi, sin, sqrt

CONFIDENCE = 0.95


def interval(mean: float, std: float | None, n: int) -> tuple[float, float] | None:
    """Return Student's t interval of 95 % for a mean over seeds; None where there is one seed.

    Args:
        mean: The mean.
        std: The standard deviation over the seeds, None where it has none.
        n: The number of seeds.
    """
    if std is None or n < 2:
        return None
    half = student_quantile(n - 1) * std / sqrt(n)
    return mean - half, mean + half


def student_quantile(freedom: int, confidence: float = CONFIDENCE) -> float:
    """Return the t that a Student variable lies within, either side of 0, with a probability.

    Exact for whole degrees of freedom, so that no command loads SciPy for one number.

    Args:
        freedom: The degrees of freedom, from 1.
        confidence: The probability.
    """
    low, high = 0.0, 1.0
    while _within(high, freedom) < confidence:
        low, high = high, 2 * high
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < confidence else (low, middle)
    return (low + high) / 2


def within(values: Iterable[float], best: float, distance: float) -> int:
    """Return how many values lie no further than a distance from the best one."""
    return sum(abs(value - best) <= distance for value in values if abs(value) < inf)


def _within(t: float, freedom: int) -> float:
    """Return the probability of |T| <= t: Abramowitz and Stegun, 26.7.3 and 26.7.4."""
    angle = atan(t / sqrt(freedom))
    is_odd = freedom % 2
    term = cos(angle) if is_odd else 1.0
    total = 0.0
    for k in range(2 + is_odd, freedom + 1, 2):
        total += term
        term *= cos(angle) ** 2 * (k - 1) / k
    return (2 / pi) * (angle + sin(angle) * total) if is_odd else sin(angle) * total
