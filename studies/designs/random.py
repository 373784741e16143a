"""The random design: points drawn independently, known in full before the study begins."""

from __future__ import annotations

from itertools import islice

import optuna

from studies.space.factor import Factor, Scalar
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
    sampler = optuna.samplers.RandomSampler(seed=seed)
    # It looks at neither. To ask a study for each trial takes as long again as the draws.
    study = optuna.create_study(sampler=sampler)
    trial = optuna.trial.create_trial(state=optuna.trial.TrialState.RUNNING)

    def choose(factor: Factor) -> Scalar:
        if factor.distribution.single():  # for which Optuna draws nothing
            return factor.choices()[0]
        value = sampler.sample_independent(study, trial, factor.name, factor.distribution)
        return factor.level_of(value)

    return list(islice(each_once(space.pick(choose) for _ in range(n * ATTEMPTS)), n))
