"""Student's t interval for the mean over a point's seeds."""

from __future__ import annotations

from math import sqrt

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


def overlap_factor(n_divisions: int, share: float) -> float:
    """Return how much wider an interval is over divisions of one data set than of several.

    The training parts of such divisions share examples, so that what is learned from them varies
    less than over other data. The variance of the mean is (1/n + share) times that of the divisions
    in place of 1/n: Nadeau and Bengio, Inference for the Generalization Error (2003).

    Args:
        n_divisions: The number of divisions into training and validation.
        share: The examples that validate for each that trains.
    """
    return sqrt(1 + n_divisions * share)


def student_quantile(freedom: float, confidence: float = CONFIDENCE) -> float:
    """Return the t that a Student variable lies within, either side of 0, with a probability.

    Args:
        freedom: The degrees of freedom, from 1; no whole number by Satterthwaite.
        confidence: The probability.
    """
    from scipy.special import stdtrit  # slow to import, so only where a point has several seeds

    return float(stdtrit(freedom, (1 + confidence) / 2))
