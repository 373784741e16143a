"""How far two orders agree."""

from __future__ import annotations

from itertools import combinations, permutations
from math import inf, isnan

import numpy as np
import pytest

from studies.statistics.rank_correlation import rank_correlation


def test_the_same_order_the_reverse_and_one_pair_exchanged() -> None:
    values = list(range(8))
    same = rank_correlation(values, [value**3 for value in values])
    reverse = rank_correlation(values, values[::-1])
    assert same is not None
    assert reverse is not None
    assert (same.n, same.tau, reverse.tau) == (8, pytest.approx(1), pytest.approx(-1))
    assert same.p == reverse.p == pytest.approx(2 / 40320)
    other = rank_correlation(values, [1, 0, *values[2:]])
    assert other is not None
    assert other.tau == pytest.approx(26 / 28)


def test_p_is_the_share_of_orders_that_agree_as_far() -> None:
    order = [2, 0, 1, 5, 3, 7, 6, 4]

    def concordance(one: tuple[int, ...] | list[int]) -> int:
        return sum(1 if one[i] < one[j] else -1 for i, j in combinations(range(8), 2))

    seen = concordance(order)
    all_orders = np.array([concordance(each) for each in permutations(range(8))])
    found = rank_correlation(range(8), order)
    assert found is not None
    assert found.tau == pytest.approx(seen / 28)
    assert found.p == pytest.approx(np.mean(np.abs(all_orders) >= abs(seen)))


def test_infinite_values_rank_last_and_ties_are_no_order() -> None:
    found = rank_correlation(range(8), [-inf, -inf, *range(2, 8)])
    assert found is not None
    assert 0.9 < found.tau < 1
    constant = rank_correlation(range(8), [1.0] * 8)
    assert constant is not None
    assert isnan(constant.tau)


def test_fewer_than_eight_are_not_told() -> None:
    assert rank_correlation(range(7), range(7)) is None
