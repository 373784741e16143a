"""Nested arrays: one, or a dict, list or tuple of them, as Keras takes inputs and labels.

optree, with which Keras goes through them, is imported where it is needed: `hpo --help` needs none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from objectives.types import Array, Arrays


def each(function: Callable[..., Any], arrays: Arrays, *others: Arrays) -> Arrays:
    """Return what a function makes of each array, nested as they are."""
    import optree

    return optree.tree_map(function, arrays, *others)


def rows(arrays: Arrays, chosen: Any) -> Any:
    """Return some examples of a batch, or of arrays: those of a slice, or of indices."""
    return each(lambda array: array[chosen], arrays)


def named(arrays: Arrays) -> Mapping[str, Array]:
    """Return all arrays by the name that Python would write: "" for one alone, "['title']"."""
    import optree

    accessors, leaves, _ = optree.tree_flatten_with_accessor(arrays)
    return {accessor.codify(""): leaf for accessor, leaf in zip(accessors, leaves, strict=True)}


def count(arrays: Arrays) -> int:
    """Return the number of examples, which is that of the first array."""
    return len(next(iter(named(arrays).values())))
