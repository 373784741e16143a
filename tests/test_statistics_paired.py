"""Settings compared over common seeds: the exact test, its adjustment, intervals and seeds."""

from __future__ import annotations

from math import inf, isnan, nan

import numpy as np
import pytest
from scipy.stats import permutation_test, ttest_1samp
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.power import TTestPower

from objectives.types import Array
from studies.statistics.paired import (
    compare_pairs,
    least_seeds,
    seeds_needed,
    sign_flip_p,
    sign_flip_p_values,
)


def of_scipy(differences: Array) -> float:
    found = permutation_test(
        (differences,),
        lambda x, axis: x.mean(axis=axis),
        permutation_type="samples",
        n_resamples=np.inf,
        vectorized=True,
    )
    return float(found.pvalue)


@pytest.mark.parametrize("n", [2, 5, 8, 12, 13, 15])
@pytest.mark.parametrize("decimals", [0, 1, 9], ids=["many ties", "ties", "no ties"])
def test_sign_flip_p_equals_that_of_scipy(n: int, decimals: int) -> None:
    random = np.random.default_rng(n)
    for shift in (0.0, 0.4, 2.0):
        differences = np.round(random.normal(shift, 1, n), decimals)
        assert sign_flip_p(differences) == of_scipy(differences)


def test_equal_differences_of_decimals_are_ties() -> None:
    # As numbers of a computer the six differ by 1e-16; only all plus and all minus are as far.
    differences = [0.9792 - 0.9791, 0.9741 - 0.9740, 0.9683 - 0.9682, 0.9681 - 0.9682]
    assert len(set(np.abs(differences))) > 1
    assert sign_flip_p(differences) == sign_flip_p([1, 1, 1, -1]) == 10 / 16


def test_differences_of_one_sign_have_the_least_p_value() -> None:
    for n in (6, 12, 13, 24, 31):
        assert sign_flip_p(np.linspace(1, 2, n)) == sign_flip_p(-np.linspace(1, 2, n)) == 2 / 2**n


def test_no_difference_and_no_number() -> None:
    assert sign_flip_p([0.0] * 8) == sign_flip_p([1.0, -1.0]) == 1
    assert isnan(sign_flip_p([1.0, nan]))
    assert isnan(sign_flip_p([1.0, inf]))
    found = sign_flip_p_values(np.array([[1.0, 2.0, 4.0], [1.0, nan, 4.0]]))
    assert found[0] == 2 / 8
    assert isnan(found[1])
    with pytest.raises(ValueError, match=r"Expected at most 40 seeds.*Received: n=41"):
        sign_flip_p(np.ones(41))


def test_least_seeds_is_the_first_number_whose_least_p_value_is_small_enough() -> None:
    assert [least_seeds(n) for n in (2, 3, 5)] == [6, 7, 9]
    assert least_seeds(3, looks=3) == 9
    assert least_seeds(2, alpha=0.01) == 8
    for n_settings in (2, 3, 5):
        n, n_pairs = least_seeds(n_settings), n_settings * (n_settings - 1) // 2
        apart = [list(i * 10 + np.arange(n) / 9 % 1) for i in range(n_settings)]
        assert all(pair.is_different for pair in compare_pairs(apart))
        assert 2 / 2 ** (n - 1) > 0.05 / n_pairs


def test_compare_pairs_adjusts_over_all_pairs_and_looks() -> None:
    values = np.random.default_rng(0).normal([[0], [1], [1.6]], 1, (3, 9))
    for looks in (1, 2):
        pairs = compare_pairs(values.tolist(), looks=looks)
        assert [(pair.first, pair.second) for pair in pairs] == [(0, 1), (0, 2), (1, 2)]
        p_values = [sign_flip_p(values[pair.first] - values[pair.second]) for pair in pairs]
        assert [pair.p for pair in pairs] == p_values
        adjusted = multipletests(p_values, method="holm")[1] * looks
        assert [pair.p_adjusted for pair in pairs] == list(np.minimum(adjusted, 1))
        assert [pair.is_different for pair in pairs] == list(adjusted <= 0.05)


def test_the_interval_is_that_of_student_at_the_level_of_all_pairs() -> None:
    values = np.random.default_rng(1).normal(size=(3, 8))
    for pair in compare_pairs(values.tolist(), looks=2):
        test = ttest_1samp(values[pair.first] - values[pair.second], 0)
        ends = test.confidence_interval(1 - 0.05 / 6)
        assert pair.confidence == 1 - 0.05 / 6
        assert (pair.low, pair.high) == pytest.approx((ends.low, ends.high))
        assert pair.mean == pytest.approx((pair.low + pair.high) / 2)


def test_settings_are_compared_over_their_common_first_seeds() -> None:
    long = [3.0, 1.0, 4.0, 1.0, 5.0]
    pairs = compare_pairs([long, [1.0, 0.5, 1.0], long[:1], []])
    assert [pair.n for pair in pairs] == [3, 1, 0, 1, 0, 0]
    assert pairs[0].mean == pytest.approx((2 + 0.5 + 3) / 3)
    assert pairs[1].p == 1
    assert isnan(pairs[1].std)
    assert isnan(pairs[1].low)
    assert not pairs[2].is_tested
    assert isnan(pairs[2].mean)
    assert compare_pairs([long]) == []


@pytest.mark.parametrize("diverged", [nan, inf, -inf])
def test_a_pair_with_a_diverged_seed_is_not_tested_and_counts(diverged: float) -> None:
    fine = list(np.arange(7.0) / 10)
    shifted = [value + 5 for value in fine]
    broken, tested, _ = compare_pairs([fine, [*fine[:6], diverged], shifted])
    assert not broken.is_tested
    assert not broken.is_different
    assert isnan(broken.p_adjusted)
    assert isnan(broken.mean)
    assert broken.n == 7
    assert tested.is_different
    assert tested.p_adjusted == 3 * 2 / 2**7


@pytest.mark.parametrize("effect", [0.3, 0.7, 1.0, 2.0])
@pytest.mark.parametrize("n_pairs", [1, 3, 10])
def test_seeds_needed_is_near_the_power_of_a_t_test(effect: float, n_pairs: int) -> None:
    shape = np.array([-1.0, 0.0, 1.0])  # its standard deviation is 1
    found = seeds_needed(shape + effect, n_pairs=n_pairs)
    exact = TTestPower().solve_power(effect, alpha=0.05 / n_pairs, power=0.8)
    least = {1: 6, 3: 7, 10: 9}[n_pairs]
    assert found == max(found or 0, least)
    assert abs(found - max(exact, least)) <= 1 + 0.02 * exact
    assert seeds_needed(-shape - effect, n_pairs=n_pairs) == found


def test_seeds_needed_where_nothing_or_everything_is_known() -> None:
    assert seeds_needed([1.0, -1.0], n_pairs=1) is None
    assert seeds_needed([1.0], n_pairs=1) is seeds_needed([1.0, nan], n_pairs=1) is None
    assert seeds_needed([1.0, 1.0], n_pairs=3) == 7
    assert seeds_needed([1.0, 1.0], n_pairs=3, looks=3) == 9
