"""The interface of every kind of data set; `objectives.data.sources` has the kinds."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np

from objectives.data.encoding import Encoding
from objectives.data.options import DataOptions
from objectives.data.streams import Streams
from objectives.types import Array, Arrays, Batch, Labels, Progress


@dataclass(frozen=True, eq=False)
class Examples:
    """Pictures and labels with the split of what a search may see of them.

    Attributes:
        x: Pictures, (n, h, w, c), uint8 or float32, or any arrays as they are stored. They can
            include the test part.
        y: Classes or minutes, (n,), int32 from 0, or any arrays; None where there are no labels.
        train: Indices of the pictures to train on.
        validation: Indices of the pictures to validate on.
        seen: Indices, sorted, of all that a search may see, whatever `train_size` is.
        n_classes: The number of classes, or of minutes; 0 where it is not known.
        encoding: What the pictures are divided by, and the label of each class.
        classes: The labels in the form that the digest of the data takes, where `y` has another:
            however a study reads one file, its digest is the same.
        weights: The weights of the examples, (n,) or nested as `y`; None where all are alike.
        streams: What `fit` reads batch by batch; then the others are of their first batches.
        stored: The training part as it is stored, where that is what was read.
    """

    x: Arrays
    y: Arrays
    train: Array
    validation: Array
    seen: Array
    n_classes: int
    encoding: Encoding
    classes: Array | None = None
    weights: Arrays | None = None
    streams: Streams | None = None
    stored: Batch | None = None


@dataclass(frozen=True)
class Examined:
    """What is known of a data set before training.

    Attributes:
        encoding: What the pictures are divided by, and the label of each class.
        shape: Height, width and channels.
        n_judged: How many different labels the validation part has, the fewest of all folds; None
            where it has each class.
    """

    encoding: Encoding
    shape: tuple[int, ...]
    n_judged: int | None = None


class DataSource(Protocol):
    """A kind of data set: where it comes from, what its labels are and how it is split."""

    @property
    def name(self) -> str:
        """The name or path that a study gives."""

    @property
    def labels(self) -> Labels:
        """What the labels are."""

    @property
    def own_options(self) -> frozenset[str]:
        """The options that it takes beside those common to all."""

    def check(self, options: DataOptions) -> None:
        """Check that the data set exists and can be used with these options.

        Raises:
            ObjectiveError: It does not, or cannot.
        """

    def input_shape(self, options: DataOptions) -> tuple[int, int, int] | None:
        """Return height, width and channels; None if only reading the file would tell."""

    def training_size(self, options: DataOptions) -> int | None:
        """Return how many pictures are for training; None if only reading the file would tell."""

    def prepare(self, options: DataOptions, progress: Progress | None = None) -> None:
        """Render or download to this machine what is missing.

        Raises:
            ObjectiveError: It cannot be had.
        """

    def examine(self, options: DataOptions) -> Examined:
        """Check all that can be known before training, by one pass over the data.

        What is rendered is known without it, and so is what is downloaded, once it is here.

        Of the test part nothing is told but its type, shape, range and labels, and only where they
        do not fit the training part.

        Raises:
            ObjectiveError: Something is wrong with the data.
        """

    def announcement(self, options: DataOptions) -> str | None:
        """Return what a person should know before the data are read; None for nothing.

        Raises:
            DataError: It cannot be told.
        """

    def read(
        self, options: DataOptions, encoding: Encoding | None = None, fold: int = 0
    ) -> Examples:
        """Read and split what a search may see, downloading or rendering it if need be.

        Args:
            options: How to split it.
            encoding: That of the study; None to find it.
            fold: Which of `options.folds` validates, where there are such.

        Raises:
            DataError: It is not pictures with labels, or cannot be split as asked.
            DataNotFoundError: It cannot be downloaded.
            UnknownNameError: There is no such name or file.
        """

    def sample(self, options: DataOptions, n: int) -> Examples:
        """Read a random part of the pictures to train on, to look at; raises as `read`.

        Args:
            options: As of `read`.
            n: The number of pictures, at most.

        Returns:
            Pictures with `n` of them, or fewer, in `train`.
        """

    def has_test(self, options: DataOptions) -> bool:
        """Tell whether there is a test part, of which nothing is read; raises as `read`."""

    def check_test(self, options: DataOptions, train: Batch | None = None) -> None:
        """Compare the test part, if there is one, with the training part, both as stored.

        Args:
            options: As of `read`.
            train: The training part as it is stored, if it has been read.

        Raises:
            DataError: It has another type, shape or scale than the training part, or other labels.
        """

    def read_test(self, options: DataOptions, encoding: Encoding | None = None) -> Batch:
        """Read pictures and labels of the test part, as in `Examples`; raises as `read`.

        Raises:
            DataError: It has another type, shape or scale than the training part, or other labels.
        """

    def label_text(self, y: int) -> str:
        """Return a label as people read it."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What is recorded with a trial, beside the digest, to reproduce the data set."""


def chosen(examples: Examples, options: DataOptions, n: int) -> Examples:
    """Return these examples with at most `n` of their training pictures, chosen at random."""
    order = np.random.default_rng(options.seed).permutation(len(examples.train))[:n]
    return replace(examples, train=examples.train[order])
