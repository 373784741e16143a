"""Data sets by name or path, split into what is trained on and what judges the trials."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pydantic

from objectives import archives
from objectives.archives import Array


class DataOptions(pydantic.BaseModel, frozen=True, extra="forbid", strict=True):
    """How the training part of a data set is used.

    Attributes:
        train_size: How many pictures to train on; None is all but the validation part.
        validation_fraction: The part of the pictures that judges a trial, taken off first.
        seed: Seed of the split. It is the study's, not the trial's: all trials share one split.
    """

    train_size: int | None = pydantic.Field(default=None, ge=1)
    validation_fraction: float = pydantic.Field(default=0.1, gt=0, lt=1)
    seed: int = pydantic.Field(default=0, ge=0, lt=2**32)


@dataclass(frozen=True, eq=False)
class Dataset:
    """Pictures and labels, without the test part.

    Attributes:
        name: The name or path that it was loaded by.
        x_train: (n, h, w, c), uint8 from 0 to 255 or float32.
        y_train: (n,), int32 from 0.
        x_validation: As `x_train`.
        y_validation: As `y_train`.
        n_classes: The highest label plus one.
        sha256: Of the whole training part's bytes, before the split, to tell data sets apart.
    """

    name: str
    x_train: Array
    y_train: Array
    x_validation: Array
    y_validation: Array
    n_classes: int
    sha256: str


def names() -> tuple[str, ...]:
    """Return the data sets known by name, sorted."""
    return tuple(sorted(archives.KNOWN))


def check(name: str) -> None:
    """Check that a data set is known, or is the path of a file that is there.

    Raises:
        ValueError: It is neither.
    """
    archives.find(name)


def input_shape(name: str) -> tuple[int, int, int] | None:
    """Return height, width and channels of a known data set; None for a path."""
    known = archives.KNOWN.get(name)
    return None if known is None else known.input_shape


def training_size(name: str) -> int | None:
    """Return how many pictures the training part of a known data set has; None for a path."""
    known = archives.KNOWN.get(name)
    return None if known is None else known.sizes["train"]


def load(name: str, options: DataOptions) -> Dataset:
    """Load the training part of a data set and split it, stratified by class.

    Raises:
        ValueError: The name is unknown, the arrays are not pictures with labels, or there are fewer
            pictures than the options ask for.
        FileNotFoundError: A known data set is nowhere and cannot be downloaded.
    """
    x, y = _pictures(name, *archives.read(name, "train"))
    x_train, x_validation, y_train, y_validation = _split(x, y, options)
    digest = hashlib.sha256(x.tobytes())
    digest.update(y.tobytes())
    return Dataset(
        name=name,
        x_train=x_train,
        y_train=y_train,
        x_validation=x_validation,
        y_validation=y_validation,
        n_classes=int(y.max()) + 1,
        sha256=digest.hexdigest(),
    )


def load_test(name: str) -> tuple[Array, Array]:
    """Load the test part, for the one look at it when a search is over.

    Returns:
        Pictures (n, h, w, c), uint8 or float32, and labels (n,), int32.

    Raises:
        ValueError: The name is unknown, or the arrays are not pictures with labels.
        FileNotFoundError: A known data set is nowhere and cannot be downloaded.
    """
    return _pictures(name, *archives.read(name, "test"))


def _pictures(name: str, x: Array, y: Array) -> tuple[Array, Array]:
    """Bring stored arrays to the one layout that the networks take."""
    if x.ndim == 3:
        x = x[..., None]
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    if x.ndim != 4 or y.shape != (len(x),) or not len(x):
        raise ValueError(
            f"Expected pictures (n, h, w) or (n, h, w, c) and labels (n,) or (n, 1) in {name}. "
            f"Received: pictures {x.shape}, labels {y.shape}."
        )
    is_float = np.issubdtype(x.dtype, np.floating)
    if (x.dtype != np.uint8 and not is_float) or not np.issubdtype(y.dtype, np.integer):
        raise ValueError(
            f"Expected uint8 or float pictures and integer labels in {name}. "
            f"Received: pictures {x.dtype}, labels {y.dtype}."
        )
    if y.min() < 0:
        raise ValueError(f"Expected labels from 0 in {name}. Received: label={y.min()}.")
    return x.astype(np.float32) if is_float else x, y.astype(np.int32)


def _split(x: Array, y: Array, options: DataOptions) -> Any:
    from sklearn.model_selection import train_test_split

    fraction, seed = options.validation_fraction, options.seed
    parts = train_test_split(x, y, test_size=fraction, stratify=y, random_state=seed)
    x_train, x_validation, y_train, y_validation = parts
    size = options.train_size
    if size is not None and size > len(x_train):
        raise ValueError(
            f"Expected train_size to be at most the {len(x_train)} pictures that the validation "
            f"part leaves. Received: train_size={size}."
        )
    if size is not None and size < len(x_train):
        x_train, _, y_train, _ = train_test_split(
            x_train, y_train, train_size=size, stratify=y_train, random_state=seed
        )
    return x_train, x_validation, y_train, y_validation
