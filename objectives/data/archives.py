"""Archives of classified pictures: published sets, and .npz files of the user's own.

The training part and the test part are read separately, so that a search never reads the test part.
"""

import contextlib
import importlib
import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from filelock import FileLock

from objectives.data.data_source import Examples
from objectives.data.options import DataOptions
from objectives.data.paths import data_folder, places
from objectives.data.splits import stratified, validation_size
from objectives.errors import DataError, DataNotFoundError, unknown_name
from objectives.types import Array, Labels, Progress

Part = Literal["train", "test"]


@dataclass(frozen=True)
class Archive(ABC):
    """What all archives have in common; see `objectives.data.data_source.DataSource`.

    Attributes:
        name: The name or path that a study gives.
    """

    name: str
    labels: Labels = "class"
    own_options: frozenset[str] = frozenset()

    def read(self, options: DataOptions) -> Examples:
        """Read the training part and split it by class; see `DataSource`."""
        x, y = _as_pictures(self.name, *self.stored("train"))
        train, validation = stratified(y, options)
        return Examples(x, y, train, validation, np.arange(len(x)), int(y.max()) + 1)

    def read_test(self, options: DataOptions) -> tuple[Array, Array]:
        """Read the test part; see `DataSource`."""
        return _as_pictures(self.name, *self.stored("test"))

    def label_text(self, y: int) -> str:
        """Return the number of the class."""
        return str(y)

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Nothing: the digest tells archives apart."""
        return {}

    @abstractmethod
    def stored(self, part: Part) -> tuple[Array, Array]:
        """Read pictures and labels of one part, as they are stored."""


@dataclass(frozen=True)
class PublishedSet(Archive):
    """A published data set that Keras downloads, unless HPO_DATA has a file of its name.

    Attributes:
        shape: Height, width and channels of a picture.
        sizes: The number of pictures in each part.
    """

    shape: tuple[int, int, int] = (28, 28, 1)
    sizes: tuple[int, int] = (60_000, 10_000)

    def check(self, options: DataOptions) -> None:
        """Accept: whether it can be downloaded shows when it is read."""

    def input_shape(self, options: DataOptions) -> tuple[int, int, int]:
        """Return height, width and channels."""
        return self.shape

    def training_size(self, options: DataOptions) -> int:
        """Return how many pictures the validation part leaves."""
        return self.sizes[0] - validation_size(self.sizes[0], options)

    def prepare(self, options: DataOptions, progress: Progress | None = None) -> None:
        """Do nothing: Keras downloads it when it is read."""

    def is_local(self, options: DataOptions) -> bool:
        """Tell whether there is a file in HPO_DATA: Keras's cache is not searched."""
        return self._file() is not None

    def stored(self, part: Part) -> tuple[Array, Array]:
        """Read one part from the file, or from Keras's cache after a download; see `Archive`."""
        file = self._file()
        x, y = _download(self.name, part) if file is None else _read_npz(file, part)
        size = self.sizes[0 if part == "train" else 1]
        if len(x) != size:
            raise DataError(
                f"Expected all {size} {part} pictures of {self.name}. "
                f"Received: {len(x)} in {file}. Give a part of a data set by the path of its file."
            )
        return x, y

    def _file(self) -> Path | None:
        folder = data_folder()
        file = None if folder is None else folder / f"{self.name}.npz"
        return file if file is not None and file.is_file() else None


@dataclass(frozen=True)
class Digits(PublishedSet):
    """The handwritten digits that scikit-learn has in its package, always the same test part."""

    shape: tuple[int, int, int] = (8, 8, 1)
    sizes: tuple[int, int] = (1437, 360)

    def is_local(self, options: DataOptions) -> bool:
        """Return True."""
        return True

    def stored(self, part: Part) -> tuple[Array, Array]:
        """Scale the pixels from 0 to 255 and split off the test part; see `Archive`."""
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split

        x, y = load_digits(return_X_y=True)
        pixels = np.round(x * 255 / 16).astype(np.uint8).reshape(-1, 8, 8, 1)
        halves = train_test_split(pixels, y, test_size=0.2, stratify=y, random_state=0)
        return (halves[0], halves[2]) if part == "train" else (halves[1], halves[3])


@dataclass(frozen=True)
class NpzFile(Archive):
    """An .npz file of the user's own, with x_train, y_train, x_test and y_test.

    Attributes:
        known: The names of data sets, for the error if there is no such file.
    """

    known: tuple[str, ...] = ()

    def check(self, options: DataOptions) -> None:
        """Check that the file exists."""
        self._file()

    def input_shape(self, options: DataOptions) -> None:
        """Return None: only reading the file would tell."""

    def training_size(self, options: DataOptions) -> None:
        """Return None: only reading the file would tell."""

    def prepare(self, options: DataOptions, progress: Progress | None = None) -> None:
        """Check that the file exists: it is the user's, and cannot be made here."""
        self._file()

    def is_local(self, options: DataOptions) -> bool:
        """Tell whether the file exists."""
        return any(place.is_file() for place in places(self.name))

    def stored(self, part: Part) -> tuple[Array, Array]:
        """Read one part of the file; see `Archive`."""
        return _read_npz(self._file(), part)

    def _file(self) -> Path:
        for place in places(self.name):
            if place.is_file():
                return place
        remedy = (
            "Or give the path of an .npz file, or of a folder with images.npy and labels.npy; "
            "or put it into the folder that HPO_DATA names."
        )
        raise unknown_name("a data set", self.name, self.known, remedy=remedy)


def _as_pictures(name: str, x: Array, y: Array) -> tuple[Array, Array]:
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


def _read_npz(file: Path, part: Part) -> tuple[Array, Array]:
    # Arrays in an .npz are read one by one, on access. Pickles stay off: they can run any code.
    with np.load(file, allow_pickle=False) as arrays:
        missing = {f"x_{part}", f"y_{part}"} - set(arrays)
        if missing:
            raise DataError(
                f"Expected the arrays x_{part} and y_{part} in {file}. "
                f"Received: {', '.join(sorted(arrays)) or 'none'}."
            )
        return arrays[f"x_{part}"], arrays[f"y_{part}"]


def _download(name: str, part: Part) -> tuple[Array, Array]:
    # Safe to import: the name is one of the registry's, not whatever a study says.
    dataset = importlib.import_module(f"keras.datasets.{name}")
    file = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / name
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        # The executor child's standard output is a pipe to the worker; Keras prints a progress bar.
        with FileLock(file.parent / f"{name}.lock"), contextlib.redirect_stdout(sys.stderr):
            train, test = dataset.load_data()
    except Exception as error:  # Keras raises a bare Exception when a download fails.
        raise DataNotFoundError(
            f"Expected the data set {name}, but there is no file and no download: {error}. "
            f"Put {name}.npz, with the arrays x_train, y_train, x_test and y_test, "
            "into the folder that the environment variable HPO_DATA names."
        ) from error
    x, y = train if part == "train" else test
    return x, y
