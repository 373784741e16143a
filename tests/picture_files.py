"""Small files of pictures and labels, for tests of what is read from them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray[Any, Any]]
N = 60


def arrays() -> Arrays:
    """Make pictures of 8x8 pixels that use the whole of uint8, in three classes."""
    x = np.random.default_rng(0).integers(0, 256, (N, 8, 8)).astype(np.uint8)
    x[:, 0, 0], x[:, 0, 1] = 0, 255
    y = np.arange(N) % 3
    return {"x_train": x, "y_train": y, "x_test": x[:20], "y_test": y[:20]}


def saver(folder: Path) -> Callable[[Arrays], str]:
    """Return what writes arrays into a file of a folder and returns its path."""

    def write(content: Arrays) -> str:
        np.savez(folder / "mine.npz", **content)
        return str(folder / "mine.npz")

    return write
