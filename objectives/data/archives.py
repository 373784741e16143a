"""Where the pictures come from: $HPO_DATA, a path, Keras's cache or scikit-learn.

The training part and the test part are read apart, so that a search never touches the test part.
"""

import contextlib
import importlib
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from objectives.data.locks import one_at_a_time
from objectives.errors import unknown_name
from objectives.head import Array

Part = Literal["train", "test"]


@dataclass(frozen=True)
class Known:
    """A published data set: the shape of a picture and how many there are in each part."""

    input_shape: tuple[int, int, int]
    sizes: dict[Part, int]


KNOWN = {
    "cifar10": Known((32, 32, 3), {"train": 50_000, "test": 10_000}),
    "digits": Known((8, 8, 1), {"train": 1437, "test": 360}),
    "fashion_mnist": Known((28, 28, 1), {"train": 60_000, "test": 10_000}),
    "mnist": Known((28, 28, 1), {"train": 60_000, "test": 10_000}),
}


def find(name: str, known: Iterable[str] = KNOWN) -> Path | None:
    """Return the file of a data set, or None for a known one that has no file of ours.

    Args:
        name: A known name, or the path of an .npz file; the path is looked up as given and, failing
            that, by its file name in the folder $HPO_DATA.
        known: The names to tell of in the error.

    Raises:
        ValueError: The name is neither known nor that of a file.
    """
    folder = Path(os.environ["HPO_DATA"]) if os.environ.get("HPO_DATA") else None
    places = [] if folder is None else [folder / f"{name}.npz"]
    if name not in KNOWN:
        places = [Path(name)] + ([] if folder is None else [folder / Path(name).name])
    for place in places:
        if place.is_file():
            return place
    if name in KNOWN:
        return None
    remedy = (
        "Or give the path of an .npz file, or of a folder with images.npy and labels.npy; "
        "or put it into the folder that HPO_DATA names."
    )
    raise unknown_name("a data set", name, known, remedy=remedy)


def read(name: str, part: Part) -> tuple[Array, Array]:
    """Read one part of a data set: pictures and labels, as they are stored.

    Raises:
        ValueError: The name is unknown, or the file lacks the arrays or is only a part of the set.
        FileNotFoundError: A known data set is nowhere and cannot be downloaded.
    """
    if name == "digits":
        return _digits(part)
    file = find(name)
    x, y = _download(name, part) if file is None else _read_npz(file, part)
    if name in KNOWN and len(x) != KNOWN[name].sizes[part]:
        raise ValueError(
            f"Expected all {KNOWN[name].sizes[part]} {part} pictures of {name}. "
            f"Received: {len(x)} in {file}. Give a part of a data set by the path of its file."
        )
    return x, y


def _read_npz(file: Path, part: Part) -> tuple[Array, Array]:
    # Arrays in an .npz are read one by one, on access. Pickles stay off: they can run any code.
    with np.load(file, allow_pickle=False) as arrays:
        missing = {f"x_{part}", f"y_{part}"} - set(arrays)
        if missing:
            raise ValueError(
                f"Expected the arrays x_{part} and y_{part} in {file}. "
                f"Received: {', '.join(sorted(arrays)) or 'none'}."
            )
        return arrays[f"x_{part}"], arrays[f"y_{part}"]


def _digits(part: Part) -> tuple[Array, Array]:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    x, y = load_digits(return_X_y=True)
    pixels = np.round(x * 255 / 16).astype(np.uint8).reshape(-1, 8, 8, 1)
    halves = train_test_split(pixels, y, test_size=0.2, stratify=y, random_state=0)
    return (halves[0], halves[2]) if part == "train" else (halves[1], halves[3])


def _download(name: str, part: Part) -> tuple[Array, Array]:
    # The name is one of the table above, never just what a study says.
    dataset = importlib.import_module(f"keras.datasets.{name}")
    file = Path(os.environ.get("KERAS_HOME", Path.home() / ".keras")) / name
    try:
        # Standard output belongs to whoever started this process; the progress bar is for people.
        with one_at_a_time(file), contextlib.redirect_stdout(sys.stderr):
            train, test = dataset.load_data()
    except Exception as error:  # Keras raises a bare Exception when a download fails.
        raise FileNotFoundError(
            f"Expected the data set {name}, but there is no file and no download: {error}. "
            f"Put {name}.npz, with the arrays x_train, y_train, x_test and y_test, "
            "into the folder that the environment variable HPO_DATA names."
        ) from error
    x, y = train if part == "train" else test
    return x, y
