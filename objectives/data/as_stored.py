"""Arrays as a file or a function has them, of any shape, for networks that users build.

They are only checked and split. Labels that are text become classes, in the order of their names.
The digest of what a file has is that which other networks' studies of it have, so that a look at
the test part counts for all of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from objectives.data.arrays import count, each, named
from objectives.data.data_source import Examples
from objectives.data.encoding import AS_STORED, classes
from objectives.data.npz import Part
from objectives.data.options import DataOptions
from objectives.data.pictures import CHUNK, Summary, check_alike
from objectives.data.splits import check_train_size, draw, fold_parts, stratified, validation_size
from objectives.errors import DataError
from objectives.types import Array, Arrays, Batch

FEW = 20  # examples of each class, on average, that labels must have to be split class by class
WORDS = ("inputs", "labels", "weights")
"""What a batch has, in its order."""


def examples(
    name: str, parts: Mapping[Part, Batch], options: DataOptions, fold: int = 0
) -> Examples:
    """Return what a search may see, split.

    Args:
        name: The data set, for errors.
        parts: The training part, and the validation part where there is one.
        options: How to split the training part, by class where the labels are classes.
        fold: Which of `options.folds` validates, where there are such.

    Raises:
        DataError: They are not inputs with labels, or cannot be split as asked.
    """
    for part, batch in parts.items():
        check(_where(name, part), batch)
    stored = train = parts["train"]
    validation = parts.get("validation")
    labels = label_names(train)
    train = _numbered(_where(name, "train"), train, labels)
    rows, held_out = _split(
        count(train), _y(train), options, fold, has_validation=validation is not None
    )
    if validation is not None:
        validation = _numbered(_where(name, "validation"), validation, labels)
        check_parts_alike(name, "validation", train, validation)
        held_out = count(train) + np.arange(count(validation))
        if len(train) != len(validation):  # only one has weights
            train, validation = _weighted(train), _weighted(validation)
        train = each(lambda *pair: np.concatenate(pair), train, validation)
    x, y, weights = (*train, None, None)[:3]
    return Examples(
        x,
        y,
        rows,
        held_out,
        seen=np.arange(count(train)),
        n_classes=len(labels or ()),
        encoding=replace(AS_STORED, labels=labels),
        classes=_as_classes(y),
        weights=weights,
        stored=stored,
    )


def holdout(name: str, train: Batch, test: Batch) -> Batch:
    """Return the test part, compared with the training part.

    Raises:
        DataError: It has another type, shape or scale, labels that are not trained, or is not
            finite; no place in it is told.
    """
    where, labels = _where(name, "test"), label_names(train)
    check(where, test, is_test=True)
    train = _numbered(_where(name, "train"), train, labels)
    test = _numbered(where, test, labels)
    check_parts_alike(name, "test", train, test)
    own, its = _y(train), _y(test)
    if isinstance(own, np.ndarray) and are_classes(own):
        classes(its.reshape(-1), np.unique(own).tolist(), where)
    pairs = zip(named(train[0]).values(), named(test[0]).values(), strict=True)
    for inputs, others in pairs:
        if inputs.ndim > 2:  # pictures and series; a row's numbers may have any size
            check_alike(_summary("the training part", inputs), _summary(where, others))
    return test


def check(where: str, batch: Batch, *, is_test: bool = False) -> None:
    """Check that a part is inputs, with labels and weights or without, that can be trained on.

    Args:
        where: What names the part in an error.
        batch: The part.
        is_test: Whether it is the test part, of which no place is told.

    Raises:
        DataError: It is not.
    """
    shapes = [
        f"{word} {', '.join(f'{n}{a.shape}' for n, a in named(arrays).items())}"
        for word, arrays in zip(WORDS, batch, strict=False)
    ]
    sizes = {a.shape[0] if a.ndim else 0 for a in named(batch).values()}
    empty = any(0 in array.shape for array in named(batch[0]).values())
    if sizes == {0}:
        raise DataError(f"Expected examples in {where}. Received: {', '.join(shapes)}.")
    if len(sizes) != 1 or empty:
        raise DataError(
            f"Expected as many labels as inputs in {where}. Received: {', '.join(shapes)}."
        )
    for word, arrays in zip(WORDS, batch, strict=False):
        for name, array in named(arrays).items():
            is_text = word == "labels" and not name and array.dtype.kind == "U" and array.ndim == 1
            if array.dtype.kind not in "iubf" and not is_text:
                raise DataError(
                    f"Expected {word}{name} that are numbers in {where}. Received: {array.dtype}. "
                    "Convert them with astype."
                )
            if array.dtype.kind == "f":
                _check_finite(where, f"{word}{name}", array, is_test=is_test)


def check_weights(name: str, weights: Arrays | None, *, is_test: bool = False) -> None:
    """Check that weights are from 0: where a study is made, since those of before may have others.

    Args:
        name: The data set, for the error.
        weights: The weights, nested as the labels are; None where there are none.
        is_test: Whether they are of the test part, of which no number is told.

    Raises:
        DataError: One is below 0.
    """
    where = f"the test part of {name}" if is_test else name
    for key, array in named(weights).items():
        if array.min() < 0:
            shown = "others" if is_test else f"{array.min():g}"
            raise DataError(f"Expected weights{key} from 0 in {where}. Received: {shown}.")


def check_parts_alike(name: str, part: str, train: Batch, other: Batch) -> None:
    """Check that another part has arrays of the names, shapes and types of the training part.

    Raises:
        DataError: It has not.
    """
    for i, word in enumerate(WORDS[:2]):
        own, its = (batch[i] if i < len(batch) else None for batch in (train, other))
        ours, others = named(own), named(its)
        if ours.keys() != others.keys():
            raise DataError(
                f"Expected {word} in the {part} part of {name} as in the training part: "
                f"{_names(ours)}. Received: {_names(others)}."
            )
        for key, array in ours.items():
            found = others[key]
            if array.shape[1:] != found.shape[1:] or array.dtype.kind != found.dtype.kind:
                raise DataError(
                    f"Expected {word}{key} in the {part} part of {name} as in the training part, "
                    f"(n, ...) of shape {array.shape[1:]} and type {array.dtype}. "
                    f"Received: shape {found.shape[1:]}, type {found.dtype}."
                )


def label_names(train: Batch) -> tuple[str, ...] | None:
    """Return the labels of a training part in order, where they are text."""
    y = _y(train)
    is_text = isinstance(y, np.ndarray) and y.dtype.kind == "U"
    return tuple(np.unique(y).tolist()) if is_text else None


def are_classes(y: Array) -> bool:
    """Tell whether labels are few integers, each of many examples."""
    is_one_each = y.ndim == 1 or (y.ndim == 2 and y.shape[1] == 1)
    return is_one_each and y.dtype.kind in "iub" and len(np.unique(y)) * FEW <= len(y)


def _names(arrays: Mapping[str, Array]) -> str:
    return ", ".join(name or "an array" for name in arrays) or "none"


def _where(name: str, part: Part) -> str:
    return f"the {'training' if part == 'train' else part} part of {name}"


def _y(batch: Batch) -> Arrays:
    return batch[1] if len(batch) > 1 else None


def _numbered(where: str, batch: Batch, labels: Sequence[str] | None) -> Batch:
    """Return a part with classes in place of labels that are text."""
    if labels is None:
        return batch
    x, y, *weights = batch
    if not isinstance(y, np.ndarray) or y.dtype.kind != "U":
        raise DataError(
            f"Expected labels in {where} that are text, as in the training part. "
            f"Received: {', '.join(str(array.dtype) for array in named(y).values())}."
        )
    return (x, classes(y, labels, where), *weights)


def _weighted(batch: Batch) -> Batch:
    return batch if len(batch) > 2 else (*batch, np.ones(count(batch), np.float32))


def _split(
    n: int, y: Arrays, options: DataOptions, fold: int, *, has_validation: bool
) -> tuple[Array, Array]:
    everything, none = np.arange(n), np.arange(0)
    if isinstance(y, np.ndarray) and are_classes(y):
        labels = y.reshape(-1)
        if not has_validation:
            return stratified(labels, options, fold)
        return draw(everything, labels, options), none
    if has_validation:
        train, held_out = everything, none
    elif options.folds is not None:
        train, held_out = fold_parts(everything, options.folds, options.seed, fold, is_class=False)
    else:
        shuffled = np.random.default_rng(options.seed).permutation(n)
        n_held_out = validation_size(n, options)
        train, held_out = np.sort(shuffled[n_held_out:]), np.sort(shuffled[:n_held_out])
    if options.train_size is not None:
        check_train_size(options.train_size, len(train))
        chosen = np.random.default_rng(options.seed).permutation(train)[: options.train_size]
        train = np.sort(chosen)
    if not len(train):
        raise DataError(
            f"Expected examples to train on. Received: {n} examples and "
            f"validation_fraction={options.validation_fraction:g}."
        )
    return train, held_out


def _as_classes(y: Arrays) -> Array | None:
    """Return labels as the networks of this service have them: integers by their rank, int32."""
    if not isinstance(y, np.ndarray) or y.dtype.kind not in "iub":
        return None
    if y.ndim > 2 or (y.ndim == 2 and y.shape[1] != 1):
        return None
    return np.unique(y.reshape(-1), return_inverse=True)[1].astype(np.int32)


def _summary(where: str, x: Array) -> Summary:
    kind = "float" if x.dtype.kind == "f" else x.dtype.name
    return Summary(where, kind, x.shape[1:], float(x.min()), float(x.max()), ())


def _check_finite(where: str, what: str, array: Array, *, is_test: bool) -> None:
    rows = max(1, CHUNK // max(1, array[0].size))
    for start in range(0, len(array), rows):
        chunk = array[start : start + rows]
        if not np.isfinite(chunk.sum(dtype=np.float64)) and not np.isfinite(chunk).all():
            first = np.argwhere(~np.isfinite(chunk))[0]
            first[0] += start
            place = first.tolist()
            shown = "others, whose places are not told" if is_test else f"others, first at {place}"
            raise DataError(f"Expected finite {what} in {where}. Received: {shown}.")
