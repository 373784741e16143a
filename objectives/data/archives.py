"""Archives of classified pictures: published sets, and .npz files of the user's own.

The training part and the test part are read separately, so that a search never reads the test part.
When a study is made, its type, shape, range and labels are compared with the training part's.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from objectives.data import as_stored, downloads, npz
from objectives.data.data_source import Examined, Examples, chosen
from objectives.data.encoding import BEFORE, Encoding, check_labels, classes, encoding_of
from objectives.data.npz import Part
from objectives.data.options import DEFAULT, DataOptions
from objectives.data.paths import data_folder, places
from objectives.data.pictures import (
    Pictures,
    as_pictures,
    check_alike,
    check_training,
    summarize,
)
from objectives.data.splits import check_split, draw, fold_parts, stratified, validation_size
from objectives.errors import DataError, unknown_name
from objectives.types import Array, Batch, Labels, Progress


@dataclass(frozen=True)
class Archive(ABC):
    """What all archives have in common; see `objectives.data.data_source.DataSource`.

    Attributes:
        name: The name or path that a study gives.
    """

    name: str
    labels: Labels = "class"
    own_options: frozenset[str] = frozenset()

    def announcement(self, options: DataOptions) -> str | None:
        """Return nothing; see `DataSource`."""
        return None

    def examine(self, options: DataOptions) -> Examined:
        """Check all parts, one at a time in memory; see `DataSource`."""
        train = self._pictures("train", options)
        summary = summarize(train)
        check_training(summary)
        has_validation = self._check_validation(options)
        if options.folds is None:
            check_split(train.y, options, has_validation=has_validation)
        else:
            fold_parts(train.y, options.folds, options.seed, 0)
        del train
        labels = dict.fromkeys(summary.labels)
        n_judged = None
        others: list[Part] = ["validation", "test"]
        for part in others:
            if self.has(part, options):
                other = summarize(self._pictures(part, options), is_test=part == "test")
                check_alike(summary, other)
                check_labels(other.labels, labels, other.where)
                n_judged = len(other.labels) if part == "validation" else n_judged
        return Examined(encoding_of(summary, options.scale), summary.shape, n_judged)

    def read(
        self, options: DataOptions, encoding: Encoding | None = None, fold: int = 0
    ) -> Examples:
        """Read the training part and split it by class, or read the validation part as well."""
        if encoding is not None and encoding.is_stored:
            parts = {part: self.stored(part, options) for part in self._seen(options)}
            return as_stored.examples(self.name, parts, options, fold)
        train = self._pictures("train", options)
        if encoding == BEFORE:
            return _as_before(train, options)
        summary = summarize(train)
        check_training(summary)
        known = encoding or encoding_of(summary, options.scale)
        assert known.labels is not None
        x, y = train.x, classes(train.y, known.labels, train.where)
        if not self._check_validation(options):
            rows, held_out = stratified(y, options, fold)
        else:
            other = self._pictures("validation", options)
            check_alike(summary, summarize(other))
            check_split(y, options, has_validation=True)
            rows, held_out = draw(np.arange(len(x)), y, options), len(x) + np.arange(len(other.x))
            x = np.concatenate([x, other.x])
            y = np.concatenate([y, classes(other.y, known.labels, other.where)])
        return Examples(x, y, rows, held_out, np.arange(len(x)), len(known.labels), known)

    def sample(self, options: DataOptions, n: int) -> Examples:
        """Read a random part of the pictures to train on; see `DataSource`."""
        return chosen(self.read(options), options, n)

    def has_test(self, options: DataOptions) -> bool:
        """Tell whether there is a test part; see `DataSource`."""
        return self.has("test", options)

    def check_test(self, options: DataOptions, train: Batch | None = None) -> None:
        """Compare the test part with the training part, both as stored; see `DataSource`."""
        if self.has_test(options):
            weights = (*self._stored_test(options, train), None, None)[2]
            as_stored.check_weights(self.name, weights, is_test=True)

    def read_test(self, options: DataOptions, encoding: Encoding | None = None) -> Batch:
        """Read the test part, and compare it with the training part; see `DataSource`."""
        if encoding is not None and encoding.is_stored:
            return self._stored_test(options)
        test, train = self._pictures("test", options), self._pictures("train", options)
        summary = summarize(train)
        check_alike(summary, summarize(test, is_test=True))
        if encoding == BEFORE:
            return test.x, classes(test.y.astype(np.int32), _labels_before(train.y), test.where)
        labels = summary.labels if encoding is None else encoding.labels
        assert labels is not None
        return test.x, classes(test.y, labels, test.where)

    def label_text(self, y: int) -> str:
        """Return the label."""
        return str(y)

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Nothing: the digest tells archives apart."""
        return {}

    @abstractmethod
    def has(self, part: Part, options: DataOptions) -> bool:
        """Tell whether there is such a part."""

    @abstractmethod
    def stored(self, part: Part, options: DataOptions) -> Batch:
        """Read inputs and labels of one part, as they are stored."""

    def _stored_test(self, options: DataOptions, train: Batch | None = None) -> Batch:
        if train is None:
            train = self.stored("train", options)
        return as_stored.holdout(self.name, train, self.stored("test", options))

    def _pictures(self, part: Part, options: DataOptions) -> Pictures:
        what = "training" if part == "train" else part
        where = f"the {what} part of {self.name}"
        return as_pictures(where, self.stored(part, options), is_test=part == "test")

    def _seen(self, options: DataOptions) -> list[Part]:
        """Return the parts that a search may see."""
        return ["train", "validation"] if self._check_validation(options) else ["train"]

    def _check_validation(self, options: DataOptions) -> bool:
        """Tell whether there is a validation part, which cannot be split off then."""
        fraction = options.validation_fraction
        if not self.has("validation", options):
            return False
        if options.folds is not None:
            raise DataError(
                f"Expected no folds for {self.name}, which has a validation part. "
                f"Received: folds={options.folds}. Put it into the training part."
            )
        if fraction != DEFAULT.validation_fraction:
            raise DataError(
                f"Expected no validation_fraction for {self.name}, which has a validation part. "
                f"Received: validation_fraction={fraction:g}."
            )
        return True


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
        """Accept: whether it can be downloaded shows when a study is made."""

    def input_shape(self, options: DataOptions) -> tuple[int, int, int]:
        """Return height, width and channels."""
        return self.shape

    def training_size(self, options: DataOptions) -> int:
        """Return how many pictures the validation part leaves."""
        return self.sizes[0] - validation_size(self.sizes[0], options)

    def prepare(self, options: DataOptions, progress: Progress | None = None) -> None:
        """Download it, unless HPO_DATA has a file of its name or Keras's cache has it."""
        if self._file() is None:
            downloads.fetch(self.name)

    def examine(self, options: DataOptions) -> Examined:
        """Check the file, or download what is known; see `DataSource`."""
        if self._file() is not None:
            return super().examine(options)
        self.prepare(options)
        scale = 255.0 if options.scale is None else options.scale
        return Examined(Encoding(scale, tuple(range(10))), self.shape)

    def has(self, part: Part, options: DataOptions) -> bool:
        """Tell that there are two parts; see `Archive`."""
        return part != "validation"

    def stored(self, part: Part, options: DataOptions) -> Batch:
        """Read one part from the file, or from Keras's cache after a download; see `Archive`."""
        file = self._file()
        if file is None:
            x, y = downloads.read(self.name)[0 if part == "train" else 1]
        else:
            x, y = npz.read_part(file, part)
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

    def prepare(self, options: DataOptions, progress: Progress | None = None) -> None:
        """Do nothing: they are in a package."""

    def _file(self) -> None:
        """Return None, as `prepare` says."""

    def stored(self, part: Part, options: DataOptions) -> Batch:
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

    With x_val and y_val, or x_validation and y_validation, none is split off for validation.

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

    def examine(self, options: DataOptions) -> Examined:
        """Check the names of the parts, too; see `Archive`."""
        npz.check_parts(self._file())
        return super().examine(options)

    def has(self, part: Part, options: DataOptions) -> bool:
        """Tell whether the file has such a part; see `Archive`."""
        return npz.has_part(self._file(), part)

    def stored(self, part: Part, options: DataOptions) -> Batch:
        """Read one part of the file; see `Archive`."""
        return npz.read_part(self._file(), part)

    def _file(self) -> Path:
        for place in places(self.name):
            if place.is_file():
                return place
        remedy = (
            "Or give the path of an .npz, .csv or .parquet file, of a folder of pictures, or of a "
            "folder with images.npy and labels.npy; or put it into the folder that HPO_DATA names."
        )
        if Path(self.name).name != self.name or Path(self.name).suffix:
            tried = ", nor ".join(str(place.absolute()) for place in places(self.name))
            remedy = f"There is no such file: {tried}. {remedy}"
        raise unknown_name("a data set", self.name, self.known, remedy=remedy)


def _as_before(train: Pictures, options: DataOptions) -> Examples:
    """Split a training part as a study does that was made before encodings were stored."""
    if train.dtype not in ("uint8", "float") or train.y.min() < 0:
        raise DataError(
            "Expected uint8 or float pictures and labels from 0 for a study of an earlier version, "
            f"in {train.where}. Received: {train.dtype}, label={train.y.min()}. "
            "Make the study anew with --name."
        )
    y, n_classes = train.y.astype(np.int32), len(_labels_before(train.y))
    rows, held_out = stratified(y, options)
    return Examples(train.x, y, rows, held_out, np.arange(len(y)), n_classes, BEFORE)


def _labels_before(y: Array) -> range:
    """Return the classes of such a study: all numbers up to the highest label."""
    return range(int(y.astype(np.int32).max()) + 1)
