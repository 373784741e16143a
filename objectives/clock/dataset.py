"""Folders of clocks, a user's own or rendered ones: render, check and read them.

A folder holds `images.npy`, (n, h, w), and `labels.npy`, (n, 2): hour 0 to 11 and minute 0 to 59.
"""

import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
from filelock import FileLock

from objectives.clock.render_options import Rendering
from objectives.errors import DataError, RenderingError
from objectives.types import Array, Progress

UNFINISHED = ".unfinished"  # the ending of a folder while it is rendered
FEWEST = 10  # pictures: with fewer there would be none to validate or none to test


def rendered(rendering: Rendering, progress: Progress | None = None) -> Path:
    """Return the folder of a rendered set; render it first if it is missing.

    Args:
        rendering: Which clocks.
        progress: Called after each chunk of about a hundred pictures.

    Raises:
        RenderingError: The clocks cannot be rendered, for instance because the disk is full.
    """
    folder = rendering.folder
    if not folder.is_dir():
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.parent / f"{folder.name}.lock"):
            if not folder.is_dir():
                unfinished = folder.parent / f"{folder.name}{UNFINISHED}"
                shutil.rmtree(unfinished, ignore_errors=True)  # left by a process that was killed
                unfinished.mkdir()
                _render(rendering, unfinished, progress)
                unfinished.rename(folder)
    return folder


def render_some(rendering: Rendering, rows: Array) -> Array:
    """Render a few pictures of a set, in this process.

    Args:
        rendering: Which clocks.
        rows: Which of them, (n,).

    Returns:
        The pictures, (n, size, size, 1), uint8, as in the whole set.
    """
    # Pillow: not where a command only names the set.
    from objectives.clock.render import render_picture

    minutes = rendering.minutes
    return np.stack([render_picture(rendering, int(i), int(minutes[i])) for i in rows])[..., None]


def read(folder: Path) -> tuple[Array, Array]:
    """Read a folder of clocks.

    Returns:
        Pictures, (n, h, w, 1), uint8 or float32, and minutes of the dial, (n,), int32, 0 to 719.

    Raises:
        DataError: A file is missing or malformed.
    """
    images, labels = _arrays(folder)
    _check_range(images, folder)
    pictures = np.array(images, np.uint8 if images.dtype == np.uint8 else np.float32)
    return pictures[..., None], labels.astype(np.int32) @ np.array([60, 1], np.int32)


def check(folder: Path) -> tuple[int, int, int]:
    """Check a folder of clocks by about a hundred of its pictures; return n, height and width.

    Raises:
        DataError: A file is missing or malformed.
    """
    images, _ = _arrays(folder)
    n, height, width = images.shape
    _check_range(images, folder, step=-(-n // 100))
    return n, height, width


def pixels(folder: Path) -> tuple[str, float, float]:
    """Check every picture of a folder of clocks; return the type, the least and the largest pixel.

    Raises:
        DataError: A file is missing or malformed, or a pixel is out of range or not finite.
    """
    images, _ = _arrays(folder)
    _check_range(images, folder)
    dtype = "uint8" if images.dtype == np.uint8 else "float"
    return dtype, float(images.min()), float(images.max())


def _check_range(images: Array, folder: Path, step: int = 1) -> None:
    """Check every picture whose number is a multiple of `step`."""
    looked_at = images[::step]
    if images.dtype == np.uint8:
        return
    if not np.isfinite(looked_at).all():
        place = [int(i) for i in np.argwhere(~np.isfinite(images))[0]]
        raise DataError(
            f"Expected finite pixels in {folder}/images.npy. "
            f"Received: {images[tuple(place)]} at {place}, the first place. "
            "Replace such pixels, or leave such pictures out."
        )
    low, high = looked_at.min(), looked_at.max()
    if not (low >= 0 and high <= 1):
        raise DataError(
            f"Expected float pictures from 0 to 1 in {folder}/images.npy. Received: values "
            f"from {low:g} to {high:g}. Pixels from 0 to 255 are given as uint8."
        )


def _arrays(folder: Path) -> tuple[Array, Array]:
    """Open the two files of a folder; the pictures are mapped into memory, not read."""
    images, labels = _open(folder / "images.npy"), _open(folder / "labels.npy")
    is_float = np.issubdtype(images.dtype, np.floating)
    if images.ndim != 3 or 0 in images.shape or (images.dtype != np.uint8 and not is_float):
        raise DataError(
            f"Expected pictures (n, height, width) of uint8 or float in {folder}/images.npy. "
            f"Received: {images.shape} of {images.dtype}."
        )
    if len(images) < FEWEST:
        raise DataError(
            f"Expected at least {FEWEST} pictures in {folder}/images.npy, to train, validate and "
            f"test. Received: {len(images)}."
        )
    _check_no_gaps(labels, folder)
    if labels.shape != (len(images), 2) or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(
            f"Expected labels ({len(images)}, 2) of integers, hour and minute of each picture, in "
            f"{folder}/labels.npy. Received: {labels.shape} of {labels.dtype}."
        )
    for column, (name, end) in enumerate((("hour", 12), ("minute", 60))):
        low, high = labels[:, column].min(), labels[:, column].max()
        if low < 0 or high >= end:
            raise DataError(
                f"Expected the {name} of each picture to be from 0 to {end - 1} in "
                f"{folder}/labels.npy. Received: {name} from {low} to {high}."
            )
    return images, labels


def _check_no_gaps(labels: Array, folder: Path) -> None:
    """Check that no label is missing, as where they come from a table: floats, with NaN."""
    if not np.issubdtype(labels.dtype, np.floating) or labels.ndim != 2:
        return
    for row, column in np.argwhere(~np.isfinite(labels))[:1]:
        raise DataError(
            f"Expected an hour and a minute of each picture in {folder}/labels.npy. "
            f"Received: {labels[row, column]} at [{row}, {column}], the first place. "
            "Replace such labels, or leave such pictures out, and store integers."
        )


def _open(file: Path) -> Array:
    if not file.is_file():
        raise DataError(f"Expected {file.name} in {file.parent}. Received: no such file.")
    try:
        # Pickles stay off: they can run any code.
        return np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
    except OSError as error:
        raise DataError(f"Expected to read {file}. Received: {error}.") from None
    except (ValueError, EOFError) as error:
        raise DataError(f"Expected an array of numbers in {file}. Received: {error}.") from None


def _render(rendering: Rendering, folder: Path, progress: Progress | None) -> None:
    program = "from objectives.clock.render_set import main; main()"
    command = [sys.executable, "-P", "-c", program]
    command += [json.dumps(asdict(rendering)), str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if progress is not None:
                progress(int(line), rendering.n_images)
    if process.returncode != 0:
        raise RenderingError(
            f"Expected to render {rendering.n_images} clocks into {folder}. "
            f"Received: exit code {process.returncode}, for the reason above."
        )
