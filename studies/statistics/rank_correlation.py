"""How far two orders of the same things agree: Kendall's rank correlation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LEAST = 8  # things; fewer orders agree too often by chance to be told


@dataclass(frozen=True)
class RankCorrelation:
    """Kendall's tau-b of two series.

    Attributes:
        n: How many things both series have.
        tau: From -1, one order is the reverse of the other, to 1, they are the same: of all pairs
            the share in the same order less that in the other one. NaN where all of a series ties.
        p: The two-sided p value: how often orders that have nothing to do with each other agree as
            far. It is exact without ties.
    """

    n: int
    tau: float
    p: float


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> RankCorrelation | None:
    """Return the rank correlation of two series; None of fewer than eight things.

    Args:
        first: A number for each thing; infinite ones have a rank too.
        second: The numbers of the same things.
    """
    from scipy.stats import kendalltau, rankdata

    if len(first) < LEAST:
        return None
    found = kendalltau(rankdata(first), rankdata(second))
    return RankCorrelation(len(first), float(found.statistic), float(found.pvalue))
