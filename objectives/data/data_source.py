"""The interface of every kind of data set; `objectives.data.sources` has the kinds."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from objectives.data.options import DataOptions
from objectives.types import Array, Labels, Progress


@dataclass(frozen=True, eq=False)
class Examples:
    """Pictures and labels with the split of what a search may see of them.

    Attributes:
        x: Pictures, (n, h, w, c), uint8 from 0 to 255 or float32. They can include the test part.
        y: Labels, (n,), int32 from 0.
        train: Indices of the pictures to train on.
        validation: Indices of the pictures to validate on.
        seen: Indices, sorted, of all that a search may see, whatever `train_size` is.
        n_classes: The highest label plus one.
    """

    x: Array
    y: Array
    train: Array
    validation: Array
    seen: Array
    n_classes: int


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
        """Make on this machine what is missing, as far as that needs no Keras.

        Raises:
            ObjectiveError: It cannot be made.
        """

    def is_local(self, options: DataOptions) -> bool:
        """Tell whether it can be read without making or downloading anything."""

    def read(self, options: DataOptions) -> Examples:
        """Read and split what a search may see, downloading or rendering it if need be.

        Raises:
            DataError: It is not pictures with labels, or cannot be split as asked.
            DataNotFoundError: It cannot be downloaded.
            UnknownNameError: There is no such name or file.
        """

    def read_test(self, options: DataOptions) -> tuple[Array, Array]:
        """Read pictures and labels of the test part, as in `Examples`; raises as `read`."""

    def label_text(self, y: int) -> str:
        """Return a label as people read it."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What is recorded with a trial, beside the digest, to reproduce the data set."""
