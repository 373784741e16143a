"""Seeds as blocks: their squares, and the interval of a mean that is trained with other seeds."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy.stats import t as student

from studies.statistics.blocks import blocks, of_new_seeds


@pytest.mark.parametrize("missing", [(), (0, 5, 6, 17)], ids=["complete", "some are missing"])
def test_squares_are_those_of_a_model_of_points_and_seeds(missing: tuple[int, ...]) -> None:
    rows = [(point, seed) for point in range(5) for seed in range(4)]
    frame = pd.DataFrame(
        [row for i, row in enumerate(rows) if i not in missing], columns=["point", "seed"]
    )
    frame["y"] = frame["seed"] ** 2 + np.random.default_rng(0).normal(size=len(frame))
    table = sm.stats.anova_lm(smf.ols("y ~ C(point) + C(seed)", frame).fit(), typ=2)
    found = blocks(frame["y"].to_numpy(), list(frame["point"]), list(frame["seed"]))
    assert (found.n, found.df, found.error_df) == (4, 3, table["df"]["Residual"])
    assert found.ss == pytest.approx(table["sum_sq"]["C(seed)"])
    assert found.error_ss == pytest.approx(table["sum_sq"]["Residual"])
    assert found.points_each == pytest.approx(5) if not missing else 3 < found.points_each < 5


def test_seeds_of_one_trial_each_explain_all() -> None:
    found = blocks(np.array([1.0, 2.0, 4.0, 5.0]), [0, 0, 1, 1], [0, 1, 2, 3])
    assert (found.df, found.error_df, found.error_ss) == (2, 0, pytest.approx(0))
    assert blocks(np.array([1.0, 1.0]), [0, 0], [0, 1]).share is None


@pytest.mark.parametrize("of_seed", [0.0, 0.5, 3.0])
def test_intervals_for_new_seeds_cover(of_seed: float) -> None:
    """Six equal points with 4 seeds: their mean is to hold for 5 seeds that are new."""
    rng, n, n_points = np.random.default_rng(1), 4, 6
    points, seeds = np.repeat(np.arange(n_points), n).tolist(), list(range(n)) * n_points
    covered = 0
    for _ in range(2000):
        common = of_seed * rng.normal(size=n)
        values = (common + rng.normal(size=(n_points, n))).ravel()
        found = blocks(values, points, seeds)
        new = of_new_seeds(found, found.error_ss / found.error_df, 1 / len(values), 5)
        half = student.ppf(0.975, new.freedom) * (new.variance * (new.leverage + 1 / 5)) ** 0.5
        there = (of_seed * rng.normal(size=5) + rng.normal(size=5)).mean()
        covered += abs(values.mean() - there) <= half
    assert 0.92 <= covered / 2000 <= 0.98
