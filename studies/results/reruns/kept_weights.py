"""The weights in the kept file of a network, read without Keras."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

WEIGHTS_IN_KERAS = "model.weights.h5"  # the name inside of a .keras file, which is a zip archive


def kept_weights(content: bytes) -> dict[str, Any]:
    """Return the arrays of a `.keras` or a `.weights.h5` file by their places in it."""
    import h5py  # type: ignore[import-untyped]  # which Keras needs anyway

    if zipfile.is_zipfile(io.BytesIO(content)):
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            content = archive.read(WEIGHTS_IN_KERAS)
    found: dict[str, Any] = {}

    def note(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset):
            found[name] = np.asarray(item)

    with h5py.File(io.BytesIO(content)) as file:
        file.visititems(note)
    return found


def flat(weights: dict[str, Any]) -> Any:
    """Return all weights in the order of their places, (n,), float64, which float32 is exact in."""
    numbers = [np.asarray(weights[name], np.float64).reshape(-1) for name in sorted(weights)]
    return np.concatenate(numbers) if numbers else np.zeros(0)


def is_of_network(file: str | Path) -> bool:
    """Tell whether a kept file holds the weights of a network."""
    return Path(file).suffix in (".keras", ".h5")
