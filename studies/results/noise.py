"""The noise of a seed: how far the values of one setting differ by nothing but their seeds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import optuna

from storage.seeds import pooled_spread
from studies.results.confirmed.fresh_values import fresh_values


@dataclass(frozen=True)
class SeedNoise:
    """What is known of it.

    Attributes:
        std: The standard deviation over seeds, pooled over settings.
        freedom: Its degrees of freedom.
        is_fresh: Whether the seeds are those of confirmations, since no point has several.
    """

    std: float
    freedom: int
    is_fresh: bool


def seed_noise(study: optuna.Study, points: Iterable[Sequence[float]]) -> SeedNoise | None:
    """Return the noise of a seed by the points of a study, else by its confirmations.

    Args:
        study: The study.
        points: The values of the seeds of each of its points.

    Returns:
        None where neither has a setting with a second seed.
    """
    own = pooled_spread(points)
    if own is not None:
        return SeedNoise(*own, is_fresh=False)
    fresh = pooled_spread(each.values for each in fresh_values(study).values())
    return None if fresh is None else SeedNoise(*fresh, is_fresh=True)
