"""The random design: points drawn independently, known in full before the study begins."""

from __future__ import annotations

from itertools import islice

import optuna

from studies.space.factor import Scalar
from studies.space.space import Space, each_once

# Draws for each point. A space that yields too few different points in so many is exhausted.
ATTEMPTS = 100


def random_points(space: Space, n: int, seed: int) -> list[dict[str, Scalar]]:
    """Return up to `n` different points, drawn independently from all factors.

    Args:
        space: The search space.
        n: The number of points.
        seed: The seed of the draws; the points of a smaller `n` are the first ones of a larger.

    Returns:
        Fewer than `n` points if the space seems to have no more.
    """
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=seed))

    def draw() -> dict[str, Scalar]:
        trial = study.ask()
        return space.pick(lambda factor: factor.suggest(trial))

    return list(islice(each_once(draw() for _ in range(n * ATTEMPTS)), n))
