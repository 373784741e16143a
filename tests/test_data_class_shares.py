"""The parts that are drawn by class are scikit-learn's, index by index."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from sklearn.model_selection import train_test_split

from objectives.data.class_shares import parts_by_class
from objectives.types import Array

REFUSED = r"least populated|number of classes|smaller than the number of samples"


def by_scikit_learn(y: Array, n_first: int, n_second: int, seed: int) -> list[Array]:
    sizes = {"train_size": n_first, "test_size": n_second}
    found: list[Array] = train_test_split(np.arange(len(y)), stratify=y, random_state=seed, **sizes)
    return found


@pytest.mark.parametrize("seed", range(40))
def test_they_are_those_of_scikit_learn_which_is_not_asked(
    monkeypatch: pytest.MonkeyPatch, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    for n_classes in (1, 2, 3, 7, 10):
        n = int(rng.integers(8 * n_classes, 300))
        rare = np.repeat(np.arange(n_classes), 2)  # each class, however seldom, more than once
        drawn = rng.integers(0, n_classes, n) if seed % 2 else rng.geometric(0.6, n) % n_classes
        y = rng.permutation(np.concatenate([rare, drawn])).astype([np.int32, np.uint8][seed % 2])
        n_first = int(rng.integers(n_classes, len(y) - n_classes))
        n_second = len(y) - n_first if seed % 3 else n_classes
        expected = by_scikit_learn(y, n_first, n_second, seed)
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, "sklearn.model_selection", None)
            found = parts_by_class(y, n_first, n_second, seed)
        for one, other in zip(found, expected, strict=True):
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("y", "sizes"),
    [
        (np.array(["b", "a", "b", "a", "a"]), (3, 2)),
        (np.array([0.5, 0.5, 1.5, 1.5]), (2, 2)),
        (np.array([[0, 1], [0, 1], [1, 1], [1, 1]]), (2, 2)),
    ],
    ids=["text", "floats", "several labels"],
)
def test_labels_of_another_kind_are_parted_too(y: Array, sizes: tuple[int, int]) -> None:
    found = parts_by_class(y, *sizes, seed=3)
    for one, other in zip(found, by_scikit_learn(y, *sizes, 3), strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    ("y", "sizes"),
    [([0, 0, 0, 1], (2, 2)), ([0, 0, 1, 1], (1, 3)), ([0, 0, 1, 1], (3, 1)), ([0, 0], (2, 1))],
)
def test_what_cannot_be_parted_is_refused(y: list[int], sizes: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match=REFUSED) as caught:
        parts_by_class(np.array(y), *sizes, seed=0)
    with pytest.raises(ValueError, match=REFUSED) as other:
        by_scikit_learn(np.array(y), *sizes, 0)
    assert str(caught.value) == str(other.value)
