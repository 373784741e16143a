"""Lenth's pseudo standard error, for effects of a design that leaves nothing over.

R. V. Lenth (1989): Quick and Easy Analysis of Unreplicated Factorials. Technometrics 31, 469-473.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

FEWEST = 3  # contrasts, with one degree of freedom


@dataclass(frozen=True)
class Lenth:
    """The spread that contrasts without an effect have, if most have none.

    Attributes:
        pse: The pseudo standard error of a contrast.
        margin: The margin of error of one contrast, by the level asked for.
        simultaneous: The margin that all of them stay within together, by that level.
    """

    pse: float
    margin: float
    simultaneous: float


def lenth(contrasts: Sequence[float], confidence: float = 0.95) -> Lenth | None:
    """Return Lenth's pseudo standard error of contrasts of equal variance.

    It is 1.5 times the median of the absolute contrasts that are less than 2.5 times 1.5 times the
    median of them all; a third of their number are its degrees of freedom.

    Args:
        contrasts: Independent estimates of equal variance.
        confidence: The level of both margins.

    Returns:
        None for fewer than three contrasts.
    """
    if len(contrasts) < FEWEST:
        return None
    from scipy.stats import t as student

    sizes = np.abs(np.asarray(contrasts, dtype=float))
    first = 1.5 * np.median(sizes)
    inactive = sizes[sizes < 2.5 * first]
    pse = float(1.5 * np.median(inactive)) if inactive.size else 0.0
    freedom = len(sizes) / 3
    together = (1 + confidence ** (1 / len(sizes))) / 2
    margin, simultaneous = student.ppf([(1 + confidence) / 2, together], freedom)
    return Lenth(pse, float(margin * pse), float(simultaneous * pse))
