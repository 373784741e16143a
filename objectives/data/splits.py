"""Stored arrays of classified pictures: check them, bring them to one layout, split them."""

from math import ceil

import numpy as np

from objectives.data.options import DataOptions
from objectives.errors import DataError
from objectives.types import Array


def as_pictures(name: str, x: Array, y: Array) -> tuple[Array, Array]:
    """Bring stored arrays to the layout that networks take.

    Returns:
        Pictures, (n, h, w, c), uint8 or float32, and labels, (n,), int32.

    Raises:
        DataError: They are not pictures with labels.
    """
    if x.ndim == 3:
        x = x[..., None]
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if x.ndim != 4 or y.shape != (len(x),) or not len(x):
        raise DataError(
            f"Expected pictures (n, h, w) or (n, h, w, c) and labels (n,) or (n, 1) in {name}. "
            f"Received: pictures {x.shape}, labels {y.shape}."
        )
    is_float = np.issubdtype(x.dtype, np.floating)
    if (x.dtype != np.uint8 and not is_float) or not np.issubdtype(y.dtype, np.integer):
        raise DataError(
            f"Expected uint8 or float pictures and integer labels in {name}. "
            f"Received: pictures {x.dtype}, labels {y.dtype}."
        )
    if y.min() < 0:
        raise DataError(f"Expected labels from 0 in {name}. Received: label={y.min()}.")
    return x.astype(np.float32) if is_float else x, y.astype(np.int32)


def validation_size(n: int, options: DataOptions) -> int:
    """Return how many of `n` pictures are for validation."""
    return ceil(n * options.validation_fraction)


def stratified(y: Array, options: DataOptions) -> tuple[Array, Array]:
    """Split pictures by their labels; return the indices for training and for validation.

    Raises:
        DataError: A part cannot have a picture of each class, or there are fewer pictures than
            `train_size`.
    """
    from sklearn.model_selection import train_test_split

    seed, size = options.seed, options.train_size
    n_validation, n_classes = validation_size(len(y), options), len(np.unique(y))
    n_train = len(y) - n_validation
    _check_classes(y, n_train, n_validation, options.validation_fraction)
    train, validation = train_test_split(
        np.arange(len(y)), test_size=n_validation, stratify=y, random_state=seed
    )
    if size is None:
        return train, validation
    check_train_size(size, n_train)
    if size < n_classes:
        raise DataError(
            f"Expected train_size to be at least the {n_classes} classes. "
            f"Received: train_size={size}."
        )
    if n_train - size < n_classes:
        # scikit-learn wants a picture of each class on either side, and so few are left out.
        return train[np.sort(np.random.default_rng(seed).permutation(n_train)[:size])], validation
    train, _ = train_test_split(train, train_size=size, stratify=y[train], random_state=seed)
    return train, validation


def check_train_size(train_size: int, most: int) -> None:
    """Check that there are enough pictures.

    Raises:
        DataError: There are not.
    """
    if train_size > most:
        raise DataError(
            f"Expected train_size to be at most the {most} pictures that the validation "
            f"part leaves. Received: train_size={train_size}."
        )


def _check_classes(y: Array, n_train: int, n_validation: int, fraction: float) -> None:
    classes, counts = np.unique(y, return_counts=True)
    if counts.min() < 2:
        raise DataError(
            "Expected at least two pictures of each class, to train and to validate. "
            f"Received: one of class {classes[counts.argmin()]}."
        )
    if min(n_train, n_validation) < len(classes):
        raise DataError(
            f"Expected a picture of each of {len(classes)} classes to train and to validate. "
            f"Received: validation_fraction={fraction:g}, which makes {n_train} and "
            f"{n_validation} pictures of {len(y)}."
        )
