"""Folders of pictures, a folder for each class: of each part, or of all pictures together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from objectives.data.archives import Archive
from objectives.data.npz import ENDINGS, Part
from objectives.data.options import DataOptions
from objectives.data.paths import places
from objectives.data.splits import stratified_parts
from objectives.errors import DataError
from objectives.types import Array, Batch, Progress

if TYPE_CHECKING:
    from PIL import Image

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png")
GRAY = ("1", "L", "LA", "I", "I;16")  # Pillow's modes
NAMED = 3  # broken files in an error


@dataclass(frozen=True)
class PictureFolder(Archive):
    """A folder of pictures; see `objectives.data.data_source.DataSource`.

    It has `train` and, optionally, `validation` (or `val`) and `test`, each with a folder for each
    class; or else only a folder for each class, of which parts are split off.

    Attributes:
        path: Where the folder is.
    """

    own_options: frozenset[str] = frozenset({"size", "channels", "test_fraction"})
    path: Path = Path()

    def check(self, options: DataOptions) -> None:
        """Check that there are pictures; none is opened."""
        self._files("train", options)

    def input_shape(self, options: DataOptions) -> None:
        """Return None: only reading the pictures would tell."""

    def training_size(self, options: DataOptions) -> None:
        """Return None: it is counted where the pictures are read."""

    def prepare(self, options: DataOptions, progress: Progress | None = None) -> None:
        """Do nothing: the folder is there."""

    def announcement(self, options: DataOptions) -> str:
        """Return how much memory the pictures take; see `DataSource`."""
        n = sum(len(self._files(p, options)[0]) for p in ENDINGS if self.has(p, options))
        files, _ = self._files("train", options)
        height, width, channels = self._shape(files, options)
        size = n * height * width * channels / 2**20
        return (
            f"Reading {n:,} pictures of {self.name} as {height}x{width}x{channels}: {size:,.0f} "
            "MiB of memory in each worker."
        )

    def has(self, part: Part, options: DataOptions) -> bool:
        """Tell whether there is such a part; see `Archive`."""
        if self._parts:
            return part in self._parts
        return part == "train" or (part == "test" and options.test_fraction is not None)

    def stored(self, part: Part, options: DataOptions) -> Batch:
        """Read the pictures of one part, and the names of their classes; see `Archive`."""
        files, labels = self._files(part, options)
        shape = self._shape(self._files("train", options)[0], options)
        with ThreadPoolExecutor() as threads:  # Pillow decodes without Python's lock
            read = list(threads.map(partial(_read, shape), files))
        broken = [file for file, picture in zip(files, read, strict=True) if picture is None]
        if broken:
            raise _not_pictures(broken)
        return np.stack([picture for picture in read if picture is not None]), labels

    @property
    def _parts(self) -> Mapping[Part, Path]:
        """The folders of the parts, where there are such."""
        found: dict[Part, Path] = {}
        for part, names in ENDINGS.items():
            there = [self.path / name for name in names if (self.path / name).is_dir()]
            if len(there) > 1:
                raise DataError(
                    f"Expected one folder of the {part} part in {self.path}. "
                    f"Received: {' and '.join(each.name for each in there)}."
                )
            if there:
                found[part] = there[0]
        return found if "train" in found else {}

    def _files(self, part: Part, options: DataOptions) -> tuple[list[Path], Array]:
        """Return the files of a part, in the order of their names, and the class of each.

        Raises:
            DataError: There is no such part, or a folder of a class has no pictures.
        """
        if not self.has(part, options):
            remedy = f"Make a folder {part} beside train"
            if not self._parts:
                remedy = "Make the study with [data] test_fraction = 0.2, or folders train and test"
            raise DataError(f"Expected a {part} part of {self.name}. Received: none. {remedy}.")
        if self._parts:
            return _listed(self._parts[part])
        files, labels = _listed(self.path)
        if options.test_fraction is None:
            return files, labels
        fraction = options.test_fraction
        n_test = ceil(len(files) * fraction)
        train, test = stratified_parts(labels, n_test, options.seed, "test_fraction", fraction)
        chosen = test if part == "test" else train
        return [files[i] for i in chosen], labels[chosen]

    def _shape(self, files: Sequence[Path], options: DataOptions) -> tuple[int, int, int]:
        """Return height, width and channels; files are opened only to find what is not given."""
        size, channels = options.size, options.channels
        if size is not None and channels is not None:
            return size, size, channels
        with ThreadPoolExecutor() as threads:
            headers = list(threads.map(_header, files))
        broken = [file for file, header in zip(files, headers, strict=True) if header is None]
        if broken:
            raise _not_pictures(broken)
        known = [header for header in headers if header is not None]
        if channels is None:
            channels = 1 if all(mode in GRAY for _, _, mode in known) else 3
        if size is not None:
            return size, size, channels
        sizes = sorted({(height, width) for height, width, _ in known})
        if len(sizes) > 1:
            (h, w), (last_h, last_w) = sizes[0], sizes[-1]
            raise DataError(
                f"Expected [data] size, since pictures of {self.name} have {len(sizes)} sizes, "
                f"such as {h}x{w} and {last_h}x{last_w}. Received: none. Write size = 64, for "
                "instance: they are resized to 64x64."
            )
        return *sizes[0], channels


def find_picture_folder(path: str) -> PictureFolder | None:
    """Return the folder of a path; None if there is none."""
    for place in places(path):
        if place.is_dir():
            return PictureFolder(path, path=place)
    return None


def _listed(folder: Path) -> tuple[list[Path], Array]:
    """Return the pictures in the folders of classes in a folder, and the class of each.

    Raises:
        DataError: There are no such folders, or one has no picture or a file that is none.
    """
    classes = sorted(f for f in folder.iterdir() if f.is_dir() and not f.name.startswith("."))
    if not classes:
        raise DataError(
            f"Expected a folder for each class in {folder}, with its pictures. Received: none. Or "
            "give a folder of clocks, with images.npy and labels.npy."
        )
    if {each.name for each in classes} <= {end for ends in ENDINGS.values() for end in ends}:
        raise DataError(
            f"Expected a folder train beside those of other parts in {folder}. Received: "
            f"{', '.join(each.name for each in classes)}."
        )
    files: list[Path] = []
    labels: list[str] = []
    for each in classes:
        found = sorted(f for f in each.rglob("*") if f.is_file() and not f.name.startswith("."))
        others = [file for file in found if file.suffix.lower() not in SUFFIXES]
        if others or not found:
            shown = f"{others[0]}, which is none" if others else "an empty folder"
            raise DataError(
                f"Expected pictures ({', '.join(SUFFIXES)}) in {each}. Received: {shown}."
            )
        files += found
        labels += [each.name] * len(found)
    return files, np.array(labels)


def _header(file: Path) -> tuple[int, int, str] | None:
    """Return height, width and mode of a picture; None if it cannot be read."""
    from PIL import Image

    try:
        with Image.open(file) as picture:
            return picture.height, picture.width, picture.mode
    except (OSError, ValueError, Image.DecompressionBombError):
        return None


def _read(shape: tuple[int, int, int], file: Path) -> Array | None:
    """Return a picture, (height, width, channels), uint8; None if it cannot be read."""
    from PIL import Image

    height, width, channels = shape
    try:
        with Image.open(file) as opened:
            mode = "L" if channels == 1 else "RGB"
            picture: Image.Image = _bytes(opened).convert(mode)
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    if picture.size != (width, height):
        picture = picture.resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(picture).reshape(shape)


def _bytes(picture: Image.Image) -> Image.Image:
    """Bring 16 bits to 8: Pillow would cut them off."""
    from PIL import Image as images

    if not picture.mode.startswith("I"):
        return picture
    return images.fromarray((np.asarray(picture) >> 8).astype(np.uint8))


def _not_pictures(files: Sequence[Path]) -> DataError:
    shown = ", ".join(map(str, files[:NAMED])) + (", ..." if len(files) > NAMED else "")
    return DataError(
        f"Expected pictures that can be read. Received: {len(files)} that cannot: {shown}. "
        "Remove or mend them."
    )
