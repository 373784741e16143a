"""Sets of clocks: a user's folder, or rendered once and kept in such a folder; and their split.

A folder holds `images.npy`, (n, h, w), and `labels.npy`, (n, 2): hour 0 to 11 and minute 0 to 59.
"""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Literal

import numpy as np

from objectives.clock.render_set import Rendering
from objectives.data.locks import one_at_a_time
from objectives.head import Array

Part = Literal["train", "validation", "test"]
Progress = Callable[[int, int], None]
"""Takes how many more pictures are rendered, and how many there will be in all."""

FEWEST = 10  # pictures, of which one judges and one is to test


def rendered(rendering: Rendering, progress: Progress | None = None) -> Path:
    """Return the folder of a rendered set, rendering it now where it is not there.

    Args:
        rendering: Which clocks.
        progress: Told after each hundred pictures or so.

    Raises:
        RuntimeError: They cannot be rendered, as for want of space on the disk.
    """
    folder = rendering.folder
    if not folder.is_dir():
        with one_at_a_time(folder):
            if not folder.is_dir():
                unfinished = folder.parent / f"{folder.name}.unfinished"
                shutil.rmtree(unfinished, ignore_errors=True)  # of who was killed
                unfinished.mkdir()
                _render(rendering, unfinished, progress)
                unfinished.rename(folder)
    return folder


def read(folder: Path) -> tuple[Array, Array]:
    """Read a folder of clocks.

    Returns:
        Pictures, (n, h, w, 1), uint8 or float32, and minutes of the dial, (n,), int32, 0 to 719.

    Raises:
        ValueError: A file is missing, or is not what it should be.
    """
    images, labels = _arrays(folder)
    _check_range(images, folder)
    pictures = np.array(images, np.uint8 if images.dtype == np.uint8 else np.float32)
    return pictures[..., None], labels.astype(np.int32) @ np.array([60, 1], np.int32)


def check(folder: Path) -> tuple[int, int, int]:
    """Check a folder of clocks, of which a hundred pictures are read; return n, height and width.

    Raises:
        ValueError: A file is missing, or is not what it should be.
    """
    images, _ = _arrays(folder)
    n, height, width = images.shape
    _check_range(images[:: -(-n // 100)], folder)
    return n, height, width


def _check_range(images: Array, folder: Path) -> None:
    if images.dtype == np.uint8:
        return
    low, high = images.min(), images.max()
    if not (low >= 0 and high <= 1):  # nor with a NaN
        raise ValueError(
            f"Expected float pictures from 0 to 1 in {folder}/images.npy. Received: values "
            f"from {low:g} to {high:g}. Pixels from 0 to 255 are given as uint8."
        )


def _arrays(folder: Path) -> tuple[Array, Array]:
    """Open the two files of a folder, of which only the labels are read."""
    images, labels = _open(folder / "images.npy"), _open(folder / "labels.npy")
    is_float = np.issubdtype(images.dtype, np.floating)
    if images.ndim != 3 or 0 in images.shape or (images.dtype != np.uint8 and not is_float):
        raise ValueError(
            f"Expected pictures (n, height, width) of uint8 or float in {folder}/images.npy. "
            f"Received: {images.shape} of {images.dtype}."
        )
    if len(images) < FEWEST:
        raise ValueError(
            f"Expected at least {FEWEST} pictures in {folder}/images.npy, to train, validate and "
            f"test. Received: {len(images)}."
        )
    if labels.shape != (len(images), 2) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"Expected labels ({len(images)}, 2) of integers, hour and minute of each picture, in "
            f"{folder}/labels.npy. Received: {labels.shape} of {labels.dtype}."
        )
    for column, (name, end) in enumerate((("hour", 12), ("minute", 60))):
        low, high = labels[:, column].min(), labels[:, column].max()
        if low < 0 or high >= end:
            raise ValueError(
                f"Expected the {name} of each picture to be from 0 to {end - 1} in "
                f"{folder}/labels.npy. Received: {name} from {low} to {high}."
            )
    return images, labels


def split(minutes: Array, seed: int) -> dict[Part, Array]:
    """Divide pictures 80/10/10, minute by minute.

    Of the 25 pictures that a minute has in a whole set, 20 are to train on, and 2 and 3, or 3 and
    2, to validate and to test.

    Args:
        minutes: The minutes of all pictures, (n,).
        seed: Which pictures of a minute go where.

    Returns:
        For each part, which pictures are in it, in order.
    """
    rng = np.random.default_rng(seed)
    shuffled = rng.permutation(len(minutes))
    ordered = shuffled[np.argsort(minutes[shuffled], kind="stable")]
    # Of five that follow each other one judges, and of two of these one is to test: which ones is
    # drawn, so that in a small set no minute is on one side only.
    fives, place = np.divmod(np.arange(len(ordered)), 5)
    chosen = np.append(rng.integers(0, 5, len(minutes) // 5), -1)  # fewer than five train
    judges = place == chosen[fives]
    turned = rng.integers(0, 2, len(minutes) // 10 + 1)
    tests = (fives + turned[fives // 2]) % 2 == 1
    return {
        "train": np.sort(ordered[~judges]),
        "validation": np.sort(ordered[judges & ~tests]),
        "test": np.sort(ordered[judges & tests]),
    }


def training_size(n: int) -> int:
    """Return how many of `n` pictures are to train on."""
    return n - n // 5


def _open(file: Path) -> Array:
    if not file.is_file():
        raise ValueError(f"Expected {file.name} in {file.parent}. Received: no such file.")
    try:
        # Pickles stay off: they can run any code.
        return np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
    except OSError as error:
        raise ValueError(f"Expected to read {file}. Received: {error}.") from None
    except (ValueError, EOFError) as error:
        raise ValueError(f"Expected an array of numbers in {file}. Received: {error}.") from None


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
        raise RuntimeError(
            f"Expected to render {rendering.n_images} clocks into {folder}. "
            f"Received: exit code {process.returncode}, for the reason above."
        )
