"""Data sets by name or path, split into what is trained on and what judges the trials."""

import hashlib
import os
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pydantic

from objectives.clock import RENDERER_VERSION
from objectives.clock import dataset as pictures
from objectives.clock.dataset import Part
from objectives.clock.render_set import Rendering
from objectives.data import archives
from objectives.head import Array

CLOCK = "clock"
RENDERED = ("size", "n_images", "rotation")  # options of clocks that are rendered


class DataOptions(pydantic.BaseModel, frozen=True, extra="forbid", strict=True):
    """How the training part of a data set is used.

    Attributes:
        train_size: How many pictures to train on; None is all but the validation part.
        validation_fraction: The part of the pictures that judges a trial, taken off first. Clocks
            are divided 80/10/10 instead, minute by minute.
        seed: Seed of the split, and of rendered clocks. It is the study's, not the trial's: all
            trials share one split.
        size: Height and width of rendered clocks in pixels; None is 75.
        n_images: How many clocks to render, the test part included; None is 18,000.
        rotation: Rendered dials are turned by at most so many degrees; None is 180: any way round.
    """

    train_size: int | None = pydantic.Field(default=None, ge=1)
    validation_fraction: float = pydantic.Field(default=0.1, gt=0, lt=1)
    seed: int = pydantic.Field(default=0, ge=0, lt=2**32)
    size: int | None = pydantic.Field(default=None, ge=16, le=1024)
    n_images: int | None = pydantic.Field(default=None, ge=10, le=1_000_000)
    rotation: float | None = pydantic.Field(default=None, ge=0, le=180)

    @property
    def rendering(self) -> Rendering:
        """Which clocks to render."""
        given = self.model_dump(include={"seed", *RENDERED}, exclude_none=True)
        return Rendering(**given)


_DEFAULT = DataOptions()


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
    return tuple(sorted([*archives.KNOWN, CLOCK]))


def labels(name: str) -> Literal["class", "minute"]:
    """Return what the labels of a data set are: classes, or minutes of the dial."""
    return "class" if name != CLOCK and _folder(name) is None else "minute"


def check(name: str, options: DataOptions = _DEFAULT) -> None:
    """Check that a data set is known, or is the path of what is there, and has these options.

    A folder of clocks is read.

    Raises:
        ValueError: It is not.
    """
    folder = _folder(name)
    for option in RENDERED if name != CLOCK else ():
        if getattr(options, option) is not None:
            raise ValueError(
                f"Expected {option} for rendered clocks only, the data set {CLOCK!r}. "
                f"Received: {option}={getattr(options, option)} for {name!r}."
            )
    fraction = options.validation_fraction
    if labels(name) == "minute" and fraction != _DEFAULT.validation_fraction:
        raise ValueError(
            "Expected no validation_fraction for clocks, which are divided 80/10/10 minute by "
            f"minute. Received: validation_fraction={fraction:g}."
        )
    if folder is not None:
        pictures.check(folder)
    elif name != CLOCK:
        archives.find(name, names())


def input_shape(name: str, options: DataOptions = _DEFAULT) -> tuple[int, int, int] | None:
    """Return height, width and channels of a data set; None where only its file tells."""
    if name == CLOCK:
        return options.rendering.size, options.rendering.size, 1
    folder = _folder(name)
    if folder is not None:
        return *pictures.check(folder)[1:], 1
    known = archives.KNOWN.get(name)
    return None if known is None else known.input_shape


def training_size(name: str, options: DataOptions = _DEFAULT) -> int | None:
    """Return how many pictures there are to train on; None where only their file tells."""
    if name == CLOCK:
        return pictures.training_size(options.rendering.n_images)
    folder = _folder(name)
    if folder is not None:
        return pictures.training_size(pictures.check(folder)[0])
    known = archives.KNOWN.get(name)
    if known is None:
        return None
    size = known.sizes["train"]
    return size - ceil(size * options.validation_fraction)


def renderer_version(name: str | None) -> int | None:
    """Return the version of what renders a data set; None where nothing does."""
    return RENDERER_VERSION if name == CLOCK else None


def prepare(name: str, options: DataOptions, progress: pictures.Progress | None = None) -> None:
    """Render clocks now, where they are asked for and not there yet.

    Args:
        name: The data set.
        options: Which clocks.
        progress: Told while they are rendered.
    """
    if name == CLOCK:
        pictures.rendered(options.rendering, progress)


def load(name: str, options: DataOptions) -> Dataset:
    """Load what a search may see of a data set and split it, stratified by label.

    Of clocks a smaller `train_size` is drawn from all minutes together, which may have one each.

    Raises:
        ValueError: The name is unknown, the arrays are not pictures with labels, or there are fewer
            pictures than the options ask for.
        FileNotFoundError: A known data set is nowhere and cannot be downloaded.
    """
    if labels(name) == "minute":
        x, y, parts = _clocks(name, options)
        train, validation = parts["train"], parts["validation"]
        digest = _digest(x, y, np.sort(np.concatenate([train, validation])))
        if options.train_size is not None:
            _check_size(options.train_size, len(train))
            shuffled = np.random.default_rng(options.seed).permutation(train)
            train = np.sort(shuffled[: options.train_size])
        x_train, x_validation = x[train], x[validation]
        y_train, y_validation = y[train], y[validation]
        n_classes = 720
    else:
        x, y = _pictures(name, *archives.read(name, "train"))
        x_train, x_validation, y_train, y_validation = _split(x, y, options)
        n_classes = int(y.max()) + 1
        digest = _digest(x, y, np.arange(len(x)))
    return Dataset(
        name=name,
        x_train=x_train,
        y_train=y_train,
        x_validation=x_validation,
        y_validation=y_validation,
        n_classes=n_classes,
        sha256=digest,
    )


def load_test(name: str, options: DataOptions = _DEFAULT) -> tuple[Array, Array]:
    """Load the test part, for the one look at it when a search is over.

    Returns:
        Pictures (n, h, w, c), uint8 or float32, and labels (n,), int32.

    Raises:
        ValueError: The name is unknown, or the arrays are not pictures with labels.
        FileNotFoundError: A known data set is nowhere and cannot be downloaded.
    """
    if labels(name) == "minute":
        x, y, parts = _clocks(name, options)
        return x[parts["test"]], y[parts["test"]]
    return _pictures(name, *archives.read(name, "test"))


def _digest(x: Array, y: Array, seen: Array) -> str:
    """Return the SHA-256 of the pictures that are seen, then of their labels."""
    digest = hashlib.sha256()
    for row in seen:  # one by one: all of them at once would be a copy
        digest.update(x[row].tobytes())
    digest.update(y[seen].tobytes())
    return digest.hexdigest()


def _folder(name: str) -> Path | None:
    """Return the folder that a name is the path of, as given or by its own name in $HPO_DATA."""
    places = [Path(name)]
    if os.environ.get("HPO_DATA"):
        places.append(Path(os.environ["HPO_DATA"]) / Path(name).name)
    return None if name in names() else next((place for place in places if place.is_dir()), None)


def _clocks(name: str, options: DataOptions) -> tuple[Array, Array, dict[Part, Array]]:
    folder = _folder(name) or pictures.rendered(options.rendering)
    x, y = pictures.read(folder)
    return x, y, pictures.split(y, options.seed)


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

    fraction, seed, size = options.validation_fraction, options.seed, options.train_size
    n_validation, n_classes = ceil(len(x) * fraction), len(np.unique(y))
    n_train = len(x) - n_validation
    _check_classes(y, n_train, n_validation, fraction)
    parts = train_test_split(x, y, test_size=n_validation, stratify=y, random_state=seed)
    x_train, x_validation, y_train, y_validation = parts
    if size is None:
        return x_train, x_validation, y_train, y_validation
    _check_size(size, n_train)
    if size < n_classes:
        raise ValueError(
            f"Expected train_size to be at least the {n_classes} classes. "
            f"Received: train_size={size}."
        )
    if n_train - size < n_classes:  # fewer than there are classes are left out: any will do
        chosen = np.sort(np.random.default_rng(seed).permutation(n_train)[:size])
        return x_train[chosen], x_validation, y_train[chosen], y_validation
    x_train, _, y_train, _ = train_test_split(
        x_train, y_train, train_size=size, stratify=y_train, random_state=seed
    )
    return x_train, x_validation, y_train, y_validation


def _check_classes(y: Array, n_train: int, n_validation: int, fraction: float) -> None:
    classes, counts = np.unique(y, return_counts=True)
    if counts.min() < 2:
        raise ValueError(
            "Expected at least two pictures of each class, to train and to validate. "
            f"Received: one of class {classes[counts.argmin()]}."
        )
    if min(n_train, n_validation) < len(classes):
        raise ValueError(
            f"Expected a picture of each of {len(classes)} classes to train and to validate. "
            f"Received: validation_fraction={fraction:g}, which makes {n_train} and "
            f"{n_validation} pictures of {len(y)}."
        )


def _check_size(train_size: int, most: int) -> None:
    if train_size > most:
        raise ValueError(
            f"Expected train_size to be at most the {most} pictures that the validation "
            f"part leaves. Received: train_size={train_size}."
        )
