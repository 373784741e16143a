"""Pictures of clocks as data sets: rendered ones, and folders of the user's own."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from objectives.clock import dataset
from objectives.clock.metrics import time_of
from objectives.clock.render_options import RENDERER_VERSION, Rendering
from objectives.data.data_source import Examined, Examples, chosen
from objectives.data.encoding import Encoding, divisor
from objectives.data.options import DEFAULT, DataOptions
from objectives.data.paths import places
from objectives.data.splits import check_train_size, clock_training_size, split_clocks
from objectives.errors import DataError
from objectives.types import Array, Batch, Labels, Progress


@dataclass(frozen=True)
class Clocks(ABC):
    """What all sets of clocks have in common; see `objectives.data.data_source.DataSource`.

    Attributes:
        name: The name or path that a study gives.
    """

    name: str
    labels: Labels = "minute"
    own_options: frozenset[str] = frozenset()

    def check(self, options: DataOptions) -> None:
        """Check that the split is the only one that clocks have; see `DataSource`."""
        fraction = options.validation_fraction
        if fraction != DEFAULT.validation_fraction:
            raise DataError(
                "Expected no validation_fraction for clocks, which are divided 80/10/10 minute by "
                f"minute. Received: validation_fraction={fraction:g}."
            )
        if options.folds is not None:
            raise DataError(
                "Expected no folds for clocks, which are divided 80/10/10 minute by minute. "
                f"Received: folds={options.folds}."
            )

    def announcement(self, options: DataOptions) -> str | None:
        """Return nothing; see `DataSource`."""
        return None

    def read(
        self, options: DataOptions, encoding: Encoding | None = None, fold: int = 0
    ) -> Examples:
        """Read all clocks and split them minute by minute; see `DataSource`.

        A smaller `train_size` is drawn from all minutes together, which may have one picture each.
        """
        x, y = dataset.read(self.folder(options))
        return self._split(x, y, options, encoding)

    def _split(
        self, x: Array, y: Array, options: DataOptions, encoding: Encoding | None = None
    ) -> Examples:
        known = encoding or self._encoding(options)
        parts = split_clocks(y, options.seed)
        train, validation = parts["train"], parts["validation"]
        seen = np.sort(np.concatenate([train, validation]))
        if options.train_size is not None:
            check_train_size(options.train_size, len(train))
            shuffled = np.random.default_rng(options.seed).permutation(train)
            train = np.sort(shuffled[: options.train_size])
        return Examples(x, y, train, validation, seen, n_classes=720, encoding=known)

    def sample(self, options: DataOptions, n: int) -> Examples:
        """Read a random part of the pictures to train on; see `DataSource`."""
        return chosen(self.read(options), options, n)

    def has_test(self, options: DataOptions) -> bool:
        """Tell that there is one; see `DataSource`."""
        return True

    def check_test(self, options: DataOptions, train: Batch | None = None) -> None:
        """Accept: it is in one array with the others; see `DataSource`."""
        return

    def read_test(self, options: DataOptions, encoding: Encoding | None = None) -> Batch:
        """Read the test part, which is in one array with the others; see `DataSource`."""
        x, y = dataset.read(self.folder(options))
        rows = split_clocks(y, options.seed)["test"]
        return x[rows], y[rows]

    def label_text(self, y: int) -> str:
        """Return the time of day."""
        return time_of(y)

    def examine(self, options: DataOptions) -> Examined:
        """Check the pictures, unless they are rendered here; see `DataSource`."""
        return Examined(self._encoding(options), self.input_shape(options))

    def _encoding(self, options: DataOptions) -> Encoding:
        return Encoding(self._divisor(options) if options.scale is None else options.scale)

    @abstractmethod
    def input_shape(self, options: DataOptions) -> tuple[int, int, int]:
        """Return height, width and channels."""

    @abstractmethod
    def _divisor(self, options: DataOptions) -> float:
        """Return the divisor that fits the pictures."""

    @abstractmethod
    def folder(self, options: DataOptions) -> Path:
        """Return the folder of the pictures, rendering them if need be."""


@dataclass(frozen=True)
class RenderedClocks(Clocks):
    """Clocks that are rendered on this machine and kept in the user's cache."""

    name: str = "clock"
    own_options: frozenset[str] = frozenset({"size", "n_images", "rotation"})

    def input_shape(self, options: DataOptions) -> tuple[int, int, int]:
        """Return height, width and channels."""
        size = self._rendering(options).size
        return size, size, 1

    def training_size(self, options: DataOptions) -> int:
        """Return how many pictures are for training."""
        return clock_training_size(self._rendering(options).n_images)

    def prepare(self, options: DataOptions, progress: Progress | None = None) -> None:
        """Render the clocks if they are missing."""
        dataset.rendered(self._rendering(options), progress)

    @property
    def provenance(self) -> Mapping[str, Any]:
        """The version of the renderer, on which the pictures of a seed depend."""
        return {"renderer": RENDERER_VERSION}

    def folder(self, options: DataOptions) -> Path:
        """Render the clocks if they are missing; return their folder."""
        return dataset.rendered(self._rendering(options))

    def sample(self, options: DataOptions, n: int) -> Examples:
        """Render no more clocks than are asked for, unless all of them are here."""
        rendering = self._rendering(options)
        if rendering.folder.is_dir():
            return super().sample(options, n)
        minutes = rendering.minutes.astype(np.int32)
        without_pictures = self._split(np.zeros(len(minutes)), minutes, options)
        rows = chosen(without_pictures, options, n).train
        x, some = dataset.render_some(rendering, rows), np.arange(len(rows))
        return replace(
            without_pictures, x=x, y=minutes[rows], train=some, validation=some[:0], seen=some
        )

    def _divisor(self, options: DataOptions) -> float:
        return 255.0

    def _rendering(self, options: DataOptions) -> Rendering:
        given = options.model_dump(include={"seed", *self.own_options}, exclude_none=True)
        return Rendering(**given)


@dataclass(frozen=True)
class ClockFolder(Clocks):
    """A folder with images.npy and labels.npy; see `objectives.clock.dataset`.

    Attributes:
        path: Where the folder is.
    """

    path: Path = Path()

    def check(self, options: DataOptions) -> None:
        """Check the folder by about a hundred of its pictures, too; see `DataSource`."""
        super().check(options)
        dataset.check(self.path)

    def input_shape(self, options: DataOptions) -> tuple[int, int, int]:
        """Return height, width and channels."""
        _, height, width = dataset.check(self.path)
        return height, width, 1

    def training_size(self, options: DataOptions) -> int:
        """Return how many pictures are for training."""
        n, _, _ = dataset.check(self.path)
        return clock_training_size(n)

    def prepare(self, options: DataOptions, progress: Progress | None = None) -> None:
        """Do nothing: the folder is there."""

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Nothing: the digest tells folders apart."""
        return {}

    def _divisor(self, options: DataOptions) -> float:
        return divisor(*dataset.pixels(self.path))

    def folder(self, options: DataOptions) -> Path:
        """Return where the folder is."""
        return self.path


def find_folder(path: str) -> ClockFolder | None:
    """Return the folder of a path that has arrays in it; None if there is none."""
    found = next((place for place in places(path) if place.is_dir()), None)
    return ClockFolder(path, path=found) if found is not None and any(found.glob("*.npy")) else None
