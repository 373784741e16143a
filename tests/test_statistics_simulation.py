"""What is promised of comparisons, seen in 10,000 simulations each, with a fixed random seed.

A pair can only be called different where its own p value is at most alpha, so that the functions
of the command are called in those simulations alone in which there is such a pair.

With `pytest -n0 -s` it prints its figures.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import combinations

import numpy as np
import pytest

from objectives.types import Array
from studies.statistics.intervals import student_quantile
from studies.statistics.paired import (
    ALPHA,
    PairComparison,
    compare_pairs,
    least_seeds,
    seeds_needed,
    sign_flip_p_values,
)
from studies.statistics.until_clear import UntilClear, looks_at

pytestmark = pytest.mark.usefixtures("left_out_of_collections")

N = 10_000
MOST_ERRORS = 0.055
Pairs = Sequence[tuple[int, int]]


def noise(kind: str, *shape: int, seed: int = 0) -> Array:
    """Return noise with a standard deviation of 1 and a mean of 0, of each simulation first."""
    random = np.random.default_rng(seed)
    shape = (N, *shape)
    return random.normal(size=shape) if kind == "normal" else random.exponential(size=shape) - 1


def suspects(values: Array, pairs: Pairs, looks: Iterable[int]) -> Array:
    """Return which simulations have one of these pairs at p <= alpha at one of the looks."""
    found = np.zeros(len(values), dtype=bool)
    for n in looks:
        for first, second in pairs:
            p_values = sign_flip_p_values(values[:, first, :n] - values[:, second, :n])
            found |= p_values <= ALPHA
    return found


def error_rate(values: Array, pairs: Pairs, looks: Sequence[int], rule: UntilClear | None) -> float:
    """Return the share of simulations in which one of these pairs is called different."""
    is_suspect = suspects(values, pairs, looks)
    errors = [is_called_different(each, pairs, looks, rule) for each in values[is_suspect]]
    others = values[~is_suspect][:100]
    assert not any(is_called_different(each, pairs, looks, rule) for each in others)
    return sum(errors) / len(values)


def is_called_different(
    values: Array, pairs: Pairs, looks: Sequence[int], rule: UntilClear | None
) -> bool:
    found = compare_pairs(values[:, : looks[-1]].tolist()) if rule is None else run(rule, values)
    return any(pair.is_different and (pair.first, pair.second) in pairs for pair in found)


def run(rule: UntilClear, values: Array) -> list[PairComparison]:
    """Add seeds until the procedure ends, and return what it came to."""
    counts = [rule.looks[0]] * len(values)
    while step := rule.next(so_far := first_seeds(values, counts)):
        for i in step.settings:
            counts[i] = step.n
    return rule.compare(so_far)


def figures(values: Array) -> Array:
    """Return both ends and whether it is called different of each simulation's pairs."""
    n = values.shape[1] * (values.shape[1] - 1) // 2
    found = np.empty((len(values), n, 3))  # an object of its own each would be garbage to look at
    for i, each in enumerate(values):
        pairs = compare_pairs(each.tolist())
        found[i] = [(pair.low, pair.high, pair.is_different) for pair in pairs]
    return found


def first_seeds(values: Array, counts: Sequence[int]) -> list[list[float]]:
    return [own[:n].tolist() for own, n in zip(values, counts, strict=True)]


@pytest.mark.parametrize("kind", ["normal", "skewed"])
@pytest.mark.parametrize("n_settings", [2, 3, 5])
def test_equal_settings_are_rarely_called_different(n_settings: int, kind: str) -> None:
    n = least_seeds(n_settings) + 1
    pairs = list(combinations(range(n_settings), 2))
    errors = error_rate(noise(kind, n_settings, n), pairs, [n], None)
    print(f"\n{n_settings} settings, {kind} noise, {n} seeds: {errors:.2%} errors")
    assert 0.005 < errors <= MOST_ERRORS


@pytest.mark.parametrize(
    ("first", "second", "n", "low", "high"),
    [
        ("normal", 3.0, 8, 0.045, 0.055),
        ("skewed", 0.0, 8, 0.09, 0.105),
        ("skewed", 0.3, 8, 0.077, 0.091),
        ("skewed", 1.0, 8, 0.046, 0.058),
        ("skewed", 0.0, 16, 0.08, 0.093),
    ],
)
def test_noise_of_another_shape_is_called_a_difference_more_often(
    first: str, second: float, n: int, low: float, high: float
) -> None:
    """Equal means: the other setting has normal noise of this standard deviation."""
    differences = noise(first, n) - second * noise("normal", n, seed=3)
    is_error = sign_flip_p_values(differences) <= ALPHA
    lower = np.mean(is_error & (differences.mean(axis=1) < 0))
    print(
        f"\n{first} noise against {second} normal, {n} seeds: {is_error.mean():.2%}, {lower=:.2%}"
    )
    assert low < is_error.mean() < high
    if second < 1:  # the long tail of skewed noise is upwards, and most of its means are too low
        assert lower > 0.9 * is_error.mean()


def test_intervals_of_skewed_differences_cover_less() -> None:
    differences = noise("skewed", 8)
    half = student_quantile(7) * differences.std(axis=1, ddof=1) / np.sqrt(8)
    covered = np.mean(np.abs(differences.mean(axis=1)) <= half)
    print(f"\nskewed noise against none, 8 seeds: {covered:.2%} covered")
    assert 0.88 < covered < 0.905


@pytest.mark.parametrize("kind", ["normal", "skewed"])
@pytest.mark.parametrize(("n_settings", "n_looks"), [(2, 3), (3, 3), (5, 2)])
def test_equal_settings_are_rarely_called_different_while_seeds_are_added(
    n_settings: int, n_looks: int, kind: str
) -> None:
    first = least_seeds(n_settings, looks=n_looks)
    looks = looks_at(first, first + 6, n_looks)
    pairs = list(combinations(range(n_settings), 2))
    rule = UntilClear(looks, maximize=True)
    errors = error_rate(noise(kind, n_settings, looks[-1]), pairs, looks, rule)
    print(f"\n{n_settings} settings, {kind} noise, {looks} seeds: {errors:.2%} errors")
    assert 0.005 < errors <= MOST_ERRORS


@pytest.mark.parametrize("kind", ["normal", "skewed"])
def test_a_setting_that_is_dropped_leads_to_no_more_errors_among_the_others(kind: str) -> None:
    looks = looks_at(least_seeds(3, looks=3), 18)
    values = noise(kind, 3, looks[-1]) + np.array([[0.0], [0.0], [-2.0]])
    rule = UntilClear(looks, maximize=True)
    errors = error_rate(values, [(0, 1)], looks, rule)
    print(f"\nTwo of 3 settings equal, {kind} noise, {looks} seeds: {errors:.2%} errors")
    assert 0.005 < errors <= MOST_ERRORS
    ends = [run(rule, each) for each in values[:100]]
    assert sum(pair.n < looks[-1] for pairs in ends for pair in pairs[1:]) > 100


def test_intervals_cover_and_a_difference_of_one_standard_deviation_is_found() -> None:
    # The differences have a standard deviation of 1.
    values = noise("normal", 2, 8) / np.sqrt(2) + np.array([[1.0], [0.0]])
    low, high, is_found = figures(values)[:, 0].T
    covered = np.mean((low <= 1) & (high >= 1))
    print(f"\n2 settings, 8 seeds: {covered:.2%} covered, {is_found.mean():.1%} found")
    assert 0.94 <= covered <= 0.96
    assert 0.62 < is_found.mean() < 0.68


def test_intervals_of_three_pairs_cover_together() -> None:
    values = noise("normal", 3, 8) / np.sqrt(2) + np.array([[1.0], [1.0], [0.0]])
    low, high, is_found = np.moveaxis(figures(values), -1, 0)
    covered = (low <= [0, 1, 1]) & (high >= [0, 1, 1])
    together, power = covered.all(axis=1).mean(), is_found[:, 1].mean()
    print(f"\n3 settings, 8 seeds: {together:.2%} covered together, a pair {power:.1%} found")
    assert 0.94 <= together <= 0.97
    assert covered.mean() == pytest.approx(1 - 0.05 / 3, abs=0.003)
    assert 0.40 < power < 0.48


def test_adding_seeds_finds_more_with_fewer_of_them() -> None:
    looks = looks_at(9, 24)
    rule = UntilClear(looks, maximize=True)
    values = noise("normal", 3, 24)[: N // 10] / np.sqrt(2) + np.array([[1.0], [0.0], [0.0]])
    ends = [run(rule, each) for each in values]
    power = np.mean([pairs[0].is_different for pairs in ends])
    n = np.mean([pairs[0].n for pairs in ends])
    print(f"\n3 settings, until clear at {looks} seeds: {power:.1%} found, {n:.1f} seeds a pair")
    assert power > 0.9
    assert n < 20


def test_as_many_seeds_as_are_said_to_be_needed_find_four_in_five() -> None:
    shape = np.array([-1.0, 0.0, 1.0])  # its standard deviation is 1
    for effect in (0.7, 1.0):
        n = seeds_needed(shape + effect, n_pairs=1)
        assert n is not None
        differences = noise("normal", n) + effect
        power = np.mean(sign_flip_p_values(differences) <= ALPHA)
        print(f"\n2 settings, {effect} standard deviations, {n} seeds: {power:.1%} found")
        assert 0.77 < power < 0.86


def test_a_search_among_equal_points_ends_with_nothing_called_better() -> None:
    searched = noise("skewed", 40, seed=1)
    top = np.argsort(-searched, axis=1)[:, :3]
    fresh = noise("skewed", 40, 8, seed=2)[np.arange(N)[:, None], top]
    curse = np.take_along_axis(searched, top, axis=1).mean(axis=0) - fresh.mean(axis=(0, 2))
    pairs = list(combinations(range(3), 2))
    errors = error_rate(fresh, pairs, [8], None)
    print(f"\nThe top 3 of 40 equal points, 8 fresh seeds: {errors:.2%} errors, {curse=}")
    assert errors <= 0.05
    assert curse[0] > 2
