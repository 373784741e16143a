"""Sets of clocks: a user's folder, or rendered once and kept in such a folder; and their split.

A folder holds `images.npy`, (n, h, w), and `labels.npy`, (n, 2): hour 0 to 11 and minute 0 to 59.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import shutil
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any, Literal

import numpy as np

from objectives.clock import RENDERER_VERSION

Array = np.ndarray[Any, Any]
Part = Literal["train", "validation", "test"]
Progress = Callable[[int, int], None]
"""Takes how many more pictures are rendered, and how many there will be in all."""

CHUNK = 100  # pictures between two words of progress


@dataclass(frozen=True)
class Rendering:
    """Which clocks to render.

    Attributes:
        size: Height and width of a picture in pixels.
        n_images: How many; the minutes of the dial share them evenly.
        seed: What everything random comes from.
        rotation: A dial is turned by at most so many degrees, either way.
    """

    size: int = 75
    n_images: int = 18_000
    seed: int = 0
    rotation: float = 180.0

    @property
    def folder(self) -> Path:
        """Where they are kept: in the user's cache."""
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
        name = f"v{RENDERER_VERSION}-{self.size}-{self.n_images}-{self.seed}-{self.rotation:g}"
        return cache / "hpo" / "clocks" / name


def rendered(rendering: Rendering, progress: Progress | None = None) -> Path:
    """Return the folder of a rendered set, rendering it now where it is not there.

    Args:
        rendering: Which clocks.
        progress: Told after every hundred pictures.
    """
    folder = rendering.folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with _one_at_a_time(folder):
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=folder.parent) as made:
                _render_into(Path(made), rendering, progress)
                shutil.move(Path(made) / "set", folder)
    return folder


def read(folder: Path) -> tuple[Array, Array]:
    """Read a folder of clocks.

    Returns:
        Pictures, (n, h, w, 1), uint8 or float32, and minutes of the dial, (n,), int32, 0 to 719.

    Raises:
        ValueError: A file is missing, or is not what it should be.
    """
    images, labels = _arrays(folder)
    if images.dtype != np.uint8:
        low, high = images.min(), images.max()
        if not (low >= 0 and high <= 1):  # nor with a NaN
            raise ValueError(
                f"Expected float pictures from 0 to 1 in {folder}/images.npy. Received: values "
                f"from {low:g} to {high:g}. Pixels from 0 to 255 are given as uint8."
            )
    pictures = np.array(images, np.uint8 if images.dtype == np.uint8 else np.float32)
    return pictures[..., None], (labels[:, 0].astype(np.int32) * 60 + labels[:, 1])


def check(folder: Path) -> tuple[int, int]:
    """Check a folder of clocks, but for the values of the pixels; return height and width.

    Raises:
        ValueError: A file is missing, or is not what it should be.
    """
    images, _ = _arrays(folder)
    return images.shape[1], images.shape[2]


def _arrays(folder: Path) -> tuple[Array, Array]:
    """Open the two files of a folder, of which only the labels are read."""
    images, labels = _open(folder / "images.npy"), _open(folder / "labels.npy")
    is_float = np.issubdtype(images.dtype, np.floating)
    if images.ndim != 3 or 0 in images.shape or (images.dtype != np.uint8 and not is_float):
        raise ValueError(
            f"Expected pictures (n, height, width) of uint8 or float in {folder}/images.npy. "
            f"Received: {images.shape} of {images.dtype}."
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
    shuffled = np.random.default_rng(seed).permutation(len(minutes))
    ordered = shuffled[np.argsort(minutes[shuffled], kind="stable")]
    # Four to train on, one to judge; those go to validation and test in turn.
    fives, place = np.divmod(np.arange(len(ordered)), 5)
    judges = place == 4
    return {
        "train": np.sort(ordered[~judges]),
        "validation": np.sort(ordered[judges & (fives % 2 == 0)]),
        "test": np.sort(ordered[judges & (fives % 2 == 1)]),
    }


def _open(file: Path) -> Array:
    if not file.is_file():
        raise ValueError(f"Expected {file.name} in {file.parent}. Received: no such file.")
    try:
        # Pickles stay off: they can run any code.
        return np.asarray(np.load(file, mmap_mode="r", allow_pickle=False))
    except (ValueError, EOFError, OSError) as error:
        raise ValueError(f"Expected an array of numbers in {file}. Received: {error}.") from None


def _render_into(folder: Path, rendering: Rendering, progress: Progress | None) -> None:
    done = folder / "set"
    done.mkdir()
    n = rendering.n_images
    minutes = np.sort(np.arange(n) % 720)
    images = np.empty((n, rendering.size, rendering.size), np.uint8)
    chunks = [(rendering, i, minutes[i : i + CHUNK].tolist()) for i in range(0, n, CHUNK)]
    # Fresh processes: this one may hold threads and a device that a fork would break. They end by
    # themselves: where this one ignores signals, as the executor child does, so do they.
    processes = ProcessPoolExecutor(
        min(os.cpu_count() or 1, len(chunks)), get_context("spawn"), initializer=_end_with_parent
    )
    with processes as pool:
        for first, pictures in pool.map(_render_chunk, chunks):
            images[first : first + len(pictures)] = pictures
            if progress is not None:
                progress(len(pictures), n)
    np.save(done / "images.npy", images)
    np.save(done / "labels.npy", np.stack(np.divmod(minutes, 60), axis=1).astype(np.uint8))
    digest = hashlib.sha256(images.tobytes()).hexdigest()
    (done / "about.json").write_text(json.dumps({"version": RENDERER_VERSION, "sha256": digest}))


def _render_chunk(chunk: tuple[Rendering, int, list[int]]) -> tuple[int, Array]:
    from objectives.clock import renderer  # with Pillow, that nobody needs who has the pictures

    rendering, first, minutes = chunk
    return first, np.stack(
        [
            renderer.render(minute, rendering.size, (rendering.seed, i), rendering.rotation)
            for i, minute in enumerate(minutes, start=first)
        ]
    )


def _end_with_parent() -> None:
    """End this process when its parent does, which may be killed while it waits for work."""
    parent = parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


@contextlib.contextmanager
def _one_at_a_time(folder: Path) -> Iterator[None]:
    """Keep two workers from rendering the same set."""
    with (folder.parent / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
