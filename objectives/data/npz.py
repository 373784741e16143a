"""Read parts of a user's .npz file, one array at a time; every error names the file."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.lib.npyio import NpzFile

from objectives.errors import DataError
from objectives.types import Array

Part = Literal["train", "validation", "test"]
ENDINGS: dict[Part, tuple[str, ...]] = {
    "train": ("train",),
    "validation": ("val", "validation"),
    "test": ("test",),
}
"""How files and folders call their parts."""
_BEGINNINGS = (b"PK", b"\x93NUMPY")  # of an .npz and of an .npy file
_BROKEN = (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)
"""What NumPy and its zip reader raise where a file was cut off, or is another kind of file."""


def has_part(file: Path, part: Part) -> bool:
    """Tell whether a file has a part with labels.

    A test part without labels cannot be evaluated, and is none. A validation part without them is
    a mistake, which `read_part` finds.

    Raises:
        DataError: The file cannot be read.
    """
    with _opened(file) as arrays:
        found = [{f"x_{end}", f"y_{end}"} & set(arrays.files) for end in ENDINGS[part]]
    return any(found) if part == "validation" else any(len(names) == 2 for names in found)


def check_parts(file: Path) -> None:
    """Check that a file has no part under a name that nobody reads.

    Raises:
        DataError: It has, or it cannot be read.
    """
    with _opened(file) as arrays:
        ends = {name[2:] for name in arrays.files if name.startswith("x_")}
        known = {end for ends in ENDINGS.values() for end in ends}
        for end in sorted(ends - known):
            if f"y_{end}" in arrays.files:
                raise DataError(
                    "Expected parts called train, val or validation, and test, as in x_val and "
                    f"y_val, in {file}. Received: x_{end} and y_{end}, which would not be read. "
                    "Rename them, or leave them out."
                )


def read_part(file: Path, part: Part) -> tuple[Array, Array]:
    """Read the pictures and the labels of a part, as they are stored.

    Raises:
        DataError: They are not there, or the file cannot be read.
    """
    with _opened(file) as arrays:
        ends = [e for e in ENDINGS[part] if {f"x_{e}", f"y_{e}"} & set(arrays.files)]
        end = ends[0] if ends else ENDINGS[part][0]
        if len(ends) > 1 or {f"x_{end}", f"y_{end}"} - set(arrays.files):
            names = " or ".join(f"x_{e} and y_{e}" for e in ENDINGS[part])
            raise DataError(
                f"Expected the arrays {names} in {file}. "
                f"Received: {', '.join(sorted(arrays.files)) or 'none'}."
            )
        return arrays[f"x_{end}"], arrays[f"y_{end}"]


@contextmanager
def _opened(file: Path) -> Iterator[NpzFile]:
    try:
        # Opened here: NumPy leaves a file open that turns out to be broken. Pickles stay off: they
        # can run any code.
        with file.open("rb") as stream:
            if not stream.read(6).startswith(_BEGINNINGS):
                # NumPy would take it for a pickle, and tell how to execute it.
                raise ValueError("it is another kind of file")
            stream.seek(0)
            arrays = np.load(stream, allow_pickle=False)
            if not isinstance(arrays, NpzFile):
                raise DataError(
                    f"Expected an .npz file of several arrays. Received: {file}, of a single one."
                )
            with arrays:
                yield arrays
    except DataError:
        raise
    except _BROKEN as error:
        raise DataError(
            f"Expected a whole .npz file of arrays of numbers. Received: {file}, "
            f"which cannot be read: {error}"
        ) from None
