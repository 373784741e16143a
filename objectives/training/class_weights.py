"""What each class counts in the loss: weights of labels, as Keras's `class_weight` takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from objectives.data.arrays import count
from objectives.data.datasets import Dataset
from objectives.errors import SettingError, unknown_name
from objectives.types import Array, Arrays, Batch


def class_weights(wanted: str | Mapping[str, float] | None, data: Dataset) -> Array | None:
    """Return the weight of each class.

    Args:
        wanted: "balanced": n / (classes * examples of the class), of the training part, as
            scikit-learn has it; or the weights of some labels, others count 1; None for no weights.
        data: The data set.

    Returns:
        Weights, (classes,), float32; None for no weights.

    Raises:
        SettingError: The labels are no classes, there is no such label, or data come batch by
            batch.
    """
    if wanted is None:
        return None
    if data.streams is not None:
        raise SettingError(
            "Expected no class_weight for data that come batch by batch. "
            f"Received: class_weight={wanted!r}. Let the batches have weights."
        )
    found = classes_of(data.y_train)
    if found is None:
        raise SettingError(
            "Expected one label of each example, an integer or one-hot, for class_weight. "
            f"Received: class_weight={wanted!r}, and other labels."
        )
    labels = [*map(str, data.labels)] or [*map(str, range(int(found.max()) + 1))]
    counts = np.bincount(found, minlength=len(labels))
    if isinstance(wanted, str):
        is_there = counts > 0
        balanced = len(found) / (is_there.sum() * np.maximum(counts, 1))
        return np.where(is_there, balanced, 1.0).astype(np.float32)
    for label in wanted:
        if label not in labels:
            raise unknown_name("a label of the data, for class_weight", label, labels)
    return np.array([wanted.get(label, 1.0) for label in labels], np.float32)


def classes_of(y: Arrays) -> Array | None:
    """Return the class of each example, (n,); None where labels are no classes.

    As Keras does: the place of the largest of several columns, or the only one.
    """
    if not isinstance(y, np.ndarray) or y.ndim > 2:
        return None
    if y.ndim == 2 and y.shape[1] > 1:
        is_one_hot = ((y == 0) | (y == 1)).all() and (y.sum(axis=1) == 1).all()
        return y.argmax(axis=1) if is_one_hot else None
    flat = y.reshape(-1)
    is_class = flat.dtype.kind in "iub" and int(flat.min()) >= 0
    return flat.astype(np.int64) if is_class else None


def weighted(examples: Batch, weights: Array | None) -> Batch:
    """Return examples with the weights of their classes, beside those that they have."""
    if weights is None:
        return examples
    x, y, *own = examples
    found = classes_of(y)
    assert found is not None
    assert count(x) == len(found)
    by_class = weights[found]
    return x, y, by_class * own[0] if own else by_class


def weights_of_batch(batch: Batch, weights: Any, ops: Any) -> Batch:
    """Return a batch of tensors with the weights of its classes; `ops` are those of Keras."""
    x, y, *own = batch
    if len(y.shape) == 2 and y.shape[1] > 1:
        y_classes = ops.argmax(y, axis=1)
    else:
        y_classes = ops.cast(ops.reshape(y, (-1,)), "int32")
    by_class = ops.take(weights, y_classes)
    return x, y, by_class * own[0] if own else by_class
