"""Arrays as a file has them, of any shape, for networks that users build: only split and checked.

The digest of the data is that which other networks' studies of the same file have, so that a look
at the test part counts for all of them.
"""

from collections.abc import Mapping

import numpy as np

from objectives.data.data_source import Examples
from objectives.data.encoding import AS_STORED
from objectives.data.npz import Part
from objectives.data.options import DataOptions
from objectives.data.pictures import CHUNK
from objectives.data.splits import check_train_size, draw, stratified, validation_size
from objectives.errors import DataError
from objectives.types import Array

FEW = 20  # examples of each class, on average, that labels must have to be split class by class


def examples(
    name: str, parts: Mapping[Part, tuple[Array, Array]], options: DataOptions
) -> Examples:
    """Return what a search may see, split.

    Args:
        name: The data set, for errors.
        parts: The training part, and the validation part where there is one: inputs (n, ...) and
            labels (n, ...).
        options: How to split the training part, by class where the labels are classes.

    Raises:
        DataError: They are not inputs with labels, or cannot be split as asked.
    """
    for part, arrays in parts.items():
        _check(f"the {'training' if part == 'train' else part} part of {name}", *arrays)
    x, y = parts["train"]
    rows, held_out = _split(y, options, has_validation="validation" in parts)
    if "validation" in parts:
        other_x, other_y = parts["validation"]
        _check_alike(name, "validation", parts["train"], parts["validation"])
        held_out = len(x) + np.arange(len(other_x))
        x, y = np.concatenate([x, other_x]), np.concatenate([y, other_y])
    seen = np.arange(len(x))
    return Examples(x, y, rows, held_out, seen, 0, AS_STORED, classes=_as_classes(y))


def holdout(
    name: str, train: tuple[Array, Array], test: tuple[Array, Array]
) -> tuple[Array, Array]:
    """Return the test part.

    Raises:
        DataError: It has another type or shape than the training part, or is not finite; no place
            in it is told.
    """
    _check(f"the test part of {name}", *test, is_test=True)
    _check_alike(name, "test", train, test)
    return test


def _split(y: Array, options: DataOptions, *, has_validation: bool) -> tuple[Array, Array]:
    everything, none = np.arange(len(y)), np.arange(0)
    if _are_classes(y):
        labels = y.reshape(-1)
        if not has_validation:
            return stratified(labels, options)
        return draw(everything, labels, options), none
    if has_validation:
        train, held_out = everything, none
    else:
        shuffled = np.random.default_rng(options.seed).permutation(len(y))
        n = validation_size(len(y), options)
        train, held_out = np.sort(shuffled[n:]), np.sort(shuffled[:n])
    if options.train_size is not None:
        check_train_size(options.train_size, len(train))
        chosen = np.random.default_rng(options.seed).permutation(train)[: options.train_size]
        train = np.sort(chosen)
    if not len(train):
        raise DataError(
            f"Expected examples to train on. Received: {len(y)} examples and "
            f"validation_fraction={options.validation_fraction:g}."
        )
    return train, held_out


def _are_classes(y: Array) -> bool:
    """Tell whether labels are few integers, each of many examples."""
    is_one_each = y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1)
    return is_one_each and y.dtype.kind in "iub" and len(np.unique(y)) * FEW <= len(y)


def _as_classes(y: Array) -> Array:
    """Return labels as the networks of this service have them: integers by their rank, int32."""
    if y.ndim > 2 or (y.ndim == 2 and y.shape[1] != 1) or y.dtype.kind not in "iub":
        return y
    return np.unique(y.reshape(-1), return_inverse=True)[1].astype(np.int32)


def _check(where: str, x: Array, y: Array, *, is_test: bool = False) -> None:
    if x.ndim == 0 or y.ndim == 0 or len(x) != len(y) or 0 in x.shape:
        raise DataError(
            f"Expected as many labels as inputs in {where}. "
            f"Received: inputs {x.shape}, labels {y.shape}."
        )
    for what, array in (("inputs", x), ("labels", y)):
        if array.dtype.kind not in "iubf":
            raise DataError(
                f"Expected {what} that are numbers in {where}. Received: {array.dtype}. "
                "Convert them with astype."
            )
        if array.dtype.kind == "f":
            _check_finite(where, what, array, is_test=is_test)


def _check_finite(where: str, what: str, array: Array, *, is_test: bool) -> None:
    rows = max(1, CHUNK // max(1, array[0].size))
    for start in range(0, len(array), rows):
        chunk = array[start : start + rows]
        if not np.isfinite(chunk.sum(dtype=np.float64)) and not np.isfinite(chunk).all():
            place = [start, *[0] * (array.ndim - 1)] + np.argwhere(~np.isfinite(chunk))[0]
            shown = "others, whose places are not told" if is_test else f"others, first at {place}"
            raise DataError(f"Expected finite {what} in {where}. Received: {shown}.")


def _check_alike(
    name: str, part: str, train: tuple[Array, Array], other: tuple[Array, Array]
) -> None:
    for what, own, its in zip(("inputs", "labels"), train, other, strict=True):
        if own.shape[1:] != its.shape[1:] or own.dtype.kind != its.dtype.kind:
            raise DataError(
                f"Expected {what} in the {part} part of {name} as in the training part, "
                f"(n, ...) of shape {own.shape[1:]} and type {own.dtype}. "
                f"Received: shape {its.shape[1:]}, type {its.dtype}."
            )
