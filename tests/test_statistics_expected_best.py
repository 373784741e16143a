"""The expected best of so many trials, against all sets of them and against what is true."""

from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from studies.statistics.expected_best import bootstrap_band, budgets, expected_best

NAN = float("nan")


@pytest.mark.parametrize("values", [[3.0, 1, 2, 5, 4, 2, 2], [3.0, NAN, 2, NAN, 5, NAN, -4], [7.0]])
def test_it_is_the_mean_over_all_sets_that_have_a_value(values: list[float]) -> None:
    found = expected_best(np.array(values), range(1, len(values) + 1))
    for size, each in enumerate(found, start=1):
        sets = [[v for v in s if v == v] for s in combinations(values, size)]
        assert each == pytest.approx(np.mean([max(s) for s in sets if s]))


def test_it_is_unbiased_where_draws_with_replacement_are_not() -> None:
    samples = np.random.default_rng(0).random((10, 20_000))
    found = expected_best(samples, [5]).mean()
    assert found == pytest.approx(5 / 6, abs=0.002)
    ranks = np.arange(1, 11) / 10
    with_replacement = (np.sort(samples, axis=0).T @ (ranks**5 - (ranks - 0.1) ** 5)).mean()
    assert with_replacement < 5 / 6 - 0.02


def test_of_thousands_of_trials_the_weights_stay_weights() -> None:
    found = expected_best(np.ones(20_000), [1, 2, 100, 10_000, 20_000])
    assert found == pytest.approx(np.ones(5), abs=1e-9)
    sizes = budgets(20_000)
    assert (sizes[0], sizes[-1]) == (1, 20_000)
    assert len(sizes) <= 1000
    assert list(budgets(4)) == [1, 2, 3, 4]


def test_where_nothing_has_a_value_nothing_is_expected() -> None:
    assert np.isnan(expected_best(np.array([NAN, NAN]), [1, 2])).all()


def test_the_band_holds_the_true_mean_of_few_and_is_too_narrow_for_all() -> None:
    rng, held = np.random.default_rng(1), np.zeros(2)
    for seed in range(200):
        low, high = bootstrap_band(rng.random(50), [5, 50], seed)
        true = np.array([5 / 6, 50 / 51])
        held += (low <= true) & (true <= high)
    assert held[0] > 0.85 * 200
    assert held[1] < 0.75 * 200  # as its docstring says


def test_the_band_is_the_same_each_time_and_bears_trials_without_a_value() -> None:
    values = np.array([NAN, NAN, NAN, 1.0, 2.0])
    low, high = bootstrap_band(values, [1, 5])
    assert (low[0] >= 1) & (high[1] <= 2)
    assert np.array_equal(bootstrap_band(values, [1, 5]), (low, high))
