"""Seeds added to the settings in contention: the looks, who gets seeds, and when it ends."""

from __future__ import annotations

from math import nan

import numpy as np
import pytest

from studies.statistics.paired import compare_pairs, least_seeds
from studies.statistics.until_clear import NextSeeds, UntilClear, in_contention, looks_at

pytestmark = pytest.mark.usefixtures("left_out_of_collections")

SEEDS = list(np.arange(24) / 7 % 1)  # what all settings share, seed by seed
LOOKS = (9, 12, 15)


def shifted(by: float, n: int) -> list[float]:
    return [value + by + 0.01 * (i % 3) for i, value in enumerate(SEEDS[:n])]


def alike(n: int) -> list[float]:
    """Values that no number of seeds tells from those of `SEEDS`."""
    return [value + (-1) ** i for i, value in enumerate(SEEDS[:n])]


def test_looks_are_evenly_spaced_and_end_at_the_most_seeds() -> None:
    assert looks_at(8, 24) == (8, 16, 24)
    assert looks_at(9, 24, 4) == (9, 14, 19, 24)
    assert looks_at(8, 9) == (8, 9)
    assert looks_at(8, 8) == (8,)
    assert looks_at(1, 8, 2) == (1, 8)
    with pytest.raises(ValueError, match=r"first <= most. Received: first=9, most=8"):
        looks_at(9, 8)


@pytest.mark.parametrize("maximize", [True, False])
def test_a_setting_found_worse_gets_no_more_seeds(maximize: bool) -> None:
    rule = UntilClear(LOOKS, maximize)
    worse = shifted(-5 if maximize else 5, 9)
    values = [SEEDS[:9], alike(9), worse]
    assert rule.next(values) == NextSeeds([0, 1], 12)
    values = [SEEDS[:12], alike(12), worse]
    assert rule.next(values) == NextSeeds([0, 1], 15)
    assert rule.next([SEEDS[:15], alike(15), worse]) is None
    assert UntilClear(LOOKS, not maximize).next(values) is None


def test_it_ends_when_one_setting_is_better_than_all_others() -> None:
    rule = UntilClear(LOOKS, maximize=True)
    values = [shifted(9, 9), SEEDS[:9], alike(9)]
    assert rule.next(values) is None
    # Whether the others differ is not found out, for neither may be the best.
    assert [pair.is_different for pair in rule.compare(values)] == [True, True, False]


def test_nothing_is_looked_at_before_and_between_the_looks() -> None:
    rule = UntilClear(LOOKS, maximize=True)
    assert rule.next([[], [], []]) == rule.next([SEEDS[:8], shifted(9, 8), []])
    assert rule.next([[], [], []]) == NextSeeds([0, 1, 2], 9)
    # Ten seeds later in the day would make it clear, nine do not.
    values = [[*alike(9), 90.0, 90.0], [*SEEDS[:9], 1.0, 1.0]]
    assert [pair.n for pair in rule.compare(values)] == [9]
    assert rule.compare(values) == rule.compare([own[:9] for own in values])


def test_the_level_is_shared_over_the_looks_and_all_pairs_of_the_start() -> None:
    values = [SEEDS[:9], shifted(9, 9), alike(9)]
    found = UntilClear(LOOKS, maximize=True).compare(values)
    assert found == compare_pairs(values, looks=3)
    assert [pair.confidence for pair in found] == [1 - 0.05 / 9] * 3
    n = least_seeds(3, looks=3)
    assert UntilClear((n, 12, 15), maximize=True).next([SEEDS[:n], shifted(9, n), []]) is not None


def test_a_pair_once_called_different_stays_so() -> None:
    random, rule = np.random.default_rng(5), UntilClear(LOOKS, maximize=True)
    n_dropped = 0
    for _ in range(100):
        all_values = random.normal([[0.0], [0.3], [1.0], [2.0]], 1, (4, 15))
        counts, different = [0] * 4, set[tuple[int, int]]()
        while step := rule.next(
            [own[:n].tolist() for own, n in zip(all_values, counts, strict=True)]
        ):
            for i in step.settings:
                counts[i] = step.n
            values = [own[:n].tolist() for own, n in zip(all_values, counts, strict=True)]
            now = {(pair.first, pair.second) for pair in rule.compare(values) if pair.is_different}
            assert different <= now
            different = now
        n_dropped += len({*counts}) > 1
    assert n_dropped > 25


def test_a_setting_that_diverged_is_given_no_more_seeds() -> None:
    rule = UntilClear(LOOKS, maximize=True)
    diverged = [*SEEDS[:8], nan]
    assert rule.next([SEEDS[:9], diverged, alike(9)]) == NextSeeds([0, 2], 12)
    assert rule.next([SEEDS[:9], diverged]) is None
    assert in_contention([SEEDS[:9], diverged], [], maximize=True) == [0]
