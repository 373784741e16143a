"""Render a set of clocks into a folder on all cores: the main function of a separate program.

It is a program and not a function with a process pool, because processes that are started afresh
import the main module of their parent. That could be any script, and copies of it would hold its
threads and its device.
"""

import json
import os
import sys
import threading
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict
from multiprocessing import get_context, parent_process
from pathlib import Path

import numpy as np

from objectives.clock.render import render_picture
from objectives.clock.render_options import RENDERER_VERSION, Rendering
from objectives.types import Array

CHUNK = 100  # pictures between two reports of progress


def main() -> None:
    """Render the set of the first argument, JSON, into the folder of the second.

    It prints the number of pictures of each chunk, and ends when nobody reads that any more.
    """
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
    rendering, first, minutes = chunk
    return first, np.stack(
        [render_picture(rendering, i, minute) for i, minute in enumerate(minutes, start=first)]
    )


def _end_with_parent() -> None:
    """End this process when its parent dies, which can be killed while this one waits for work."""
    parent = parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()
