"""Part examples so that each class has its share: scikit-learn's split, without scikit-learn.

Its import takes a second of the processor, in each process that reads data. The indices are those
of its `train_test_split`, in their order: what a study was made with must stay the same.
"""

from __future__ import annotations

import numpy as np

from objectives.types import Array


def parts_by_class(y: Array, n_first: int, n_second: int, seed: int) -> tuple[Array, Array]:
    """Draw examples for two parts, by class; return their indices, in a random order.

    After scikit-learn's `StratifiedShuffleSplit`, whose rules the numbers must keep.

    Args:
        y: The labels, (n,).
        n_first: How many examples the first part has, at least one for each class.
        n_second: The same of the second.
        seed: The seed of the choice.
    """
    _, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    is_plain = y.ndim == 1 and y.dtype.kind in "iu"
    if not (is_plain and _can_be_parted(counts, n_first, n_second)):
        return _by_scikit_learn(y, n_first, n_second, seed)
    members = np.split(np.argsort(codes, kind="stable"), np.cumsum(counts)[:-1])
    rng = np.random.RandomState(seed)
    of_first = _shares(counts, n_first, rng)
    of_second = _shares(counts - of_first, n_second, rng)
    first, second = [], []
    for indices, n, m in zip(members, of_first, of_second, strict=True):
        drawn = indices[rng.permutation(len(indices))]
        first.append(drawn[:n])
        second.append(drawn[n : n + m])
    return rng.permutation(np.concatenate(first)), rng.permutation(np.concatenate(second))


def _shares(counts: Array, n: int, rng: np.random.RandomState) -> Array:
    """Return how many of `n` examples each class has: its share, rounded, ties broken by chance."""
    exact = counts / counts.sum() * n
    whole = np.floor(exact)
    rest, missing = exact - whole, int(n - whole.sum())
    for value in np.unique(rest)[::-1]:
        if missing == 0:
            break
        tied = np.flatnonzero(rest == value)
        chosen = rng.choice(tied, size=min(len(tied), missing), replace=False)
        whole[chosen] += 1
        missing -= len(chosen)
    shares: Array = whole.astype(int)
    return shares


def _can_be_parted(counts: Array, n_first: int, n_second: int) -> bool:
    is_enough = min(n_first, n_second) >= len(counts) and n_first + n_second <= counts.sum()
    return bool(is_enough and counts.min() >= 2)


def _by_scikit_learn(y: Array, n_first: int, n_second: int, seed: int) -> tuple[Array, Array]:
    """Part by scikit-learn itself, which has the words for what cannot be parted."""
    from sklearn.model_selection import train_test_split

    first, second = train_test_split(
        np.arange(len(y)), train_size=n_first, test_size=n_second, stratify=y, random_state=seed
    )
    return first, second
