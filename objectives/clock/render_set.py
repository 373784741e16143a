"""Render a set of clocks into a folder, on all cores: the main function of a program of its own.

Processes that are started afresh import the main module of who starts them, which may be anything,
and copies of it would hold its threads and its device. The program writes a number for each hundred
pictures or so to standard output, and ends when nobody reads that any more.
"""

import json
import os
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context, parent_process
from pathlib import Path

import numpy as np

from objectives.clock import RENDERER_VERSION
from objectives.head import Array

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
        name = f"v{RENDERER_VERSION}-{self.size}-{self.n_images}-{self.seed}-{self.rotation!r}"
        return cache / "hpo" / "clocks" / name

    @property
    def minutes(self) -> Array:
        """The times that the pictures show, in minutes of the dial, (n_images,)."""
        return np.arange(self.n_images) * 720 // self.n_images


def main() -> None:
    """Render what the first argument says, into the folder of the second."""
    rendering, folder = Rendering(**json.loads(sys.argv[1])), Path(sys.argv[2])
    n, minutes = rendering.n_images, rendering.minutes
    images = np.empty((n, rendering.size, rendering.size), np.uint8)
    chunks = [(rendering, i, minutes[i : i + CHUNK].tolist()) for i in range(0, n, CHUNK)]
    workers = min(os.cpu_count() or 1, len(chunks))
    context = get_context("spawn")
    with ProcessPoolExecutor(workers, context, initializer=_end_with_parent) as pool:
        for first, pictures in pool.map(_render_chunk, chunks):
            images[first : first + len(pictures)] = pictures
            print(len(pictures), flush=True)
    np.save(folder / "images.npy", images)
    np.save(folder / "labels.npy", np.stack(np.divmod(minutes, 60), axis=1).astype(np.uint8))
    about = {"version": RENDERER_VERSION, **asdict(rendering)}
    (folder / "about.json").write_text(json.dumps(about))


def _render_chunk(chunk: tuple[Rendering, int, list[int]]) -> tuple[int, Array]:
    from objectives.clock import render as renderer  # with Pillow, that only these processes need

    rendering, first, minutes = chunk
    return first, np.stack(
        [
            renderer.render(minute, rendering.size, (rendering.seed, i), rendering.rotation)
            for i, minute in enumerate(minutes, start=first)
        ]
    )


def _end_with_parent() -> None:
    """End this process when its parent does, which may be killed while this one waits for work."""
    parent = parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
