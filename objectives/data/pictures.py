"""One part of a data set: brought to one layout, checked value by value, and summarized."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from objectives.data.arrays import named
from objectives.errors import DataError
from objectives.types import Array, Batch

CHUNK = 2**24  # pixels looked at together: a copy of all of them could be gigabytes
CHANNELS = (1, 2, 3, 4)
# Times as large: neighbours of the scales in use, up to 1, 16, 255, 4095 and 65535, are 16 times
# apart, or 15.9; a resize changes a maximum by less than a quarter.
OTHER_SCALE = 12


@dataclass(frozen=True, eq=False)
class Pictures:
    """Pictures with labels, in the layout that networks take.

    Attributes:
        x: Pictures, (n, h, w, c), uint8 or float32.
        y: Labels, (n,), integers of their own type, or text.
        dtype: What the pixels were: "bool", "uint8", "uint16" or "float".
        where: What names the pictures in an error.
    """

    x: Array
    y: Array
    dtype: str
    where: str


@dataclass(frozen=True)
class Summary:
    """All that a check of a part may tell of it, the test part included.

    Attributes:
        where: What names the pictures in an error.
        dtype: As of `Pictures`.
        shape: Height, width and channels.
        low: The smallest pixel.
        high: The largest.
        labels: All labels, each once, in order.
    """

    where: str
    dtype: str
    shape: tuple[int, ...]
    low: float
    high: float
    labels: tuple[int | str, ...]


def as_pictures(where: str, batch: Batch, *, is_test: bool = False) -> Pictures:
    """Bring stored arrays to one layout; of their values only missing labels are looked for.

    Args:
        where: What names the pictures in an error.
        batch: The pictures and their labels.
        is_test: Whether they are the test part, of which no place is told.

    Raises:
        DataError: They are not pictures with labels.
    """
    if len(batch) != 2 or not all(isinstance(part, np.ndarray) for part in batch):
        raise DataError(
            f"Expected pictures and their labels, an array of each, in {where}. Received: "
            f"{', '.join(f'{n} {a.shape}' for n, a in named(batch).items())}. A network of your "
            "own, build(trial), takes any arrays."
        )
    x, y = batch
    if x.ndim == 3:
        x = x[..., None]
    if y.ndim == 2 and y.shape[1] == 1:
        y = y[:, 0]
    is_one_hot = y.ndim == 2 and len(y) == len(x) and len(x) > 0
    others = " A network of your own, build(trial), takes any arrays."
    remedy = " Turn one-hot labels into classes with y.argmax(1)." if is_one_hot else others
    if x.ndim != 4 or y.shape != (len(x),) or 0 in x.shape:
        raise DataError(
            f"Expected pictures (n, h, w) or (n, h, w, c) and labels (n,) or (n, 1) in {where}. "
            f"Received: pictures {x.shape}, labels {y.shape}.{remedy}"
        )
    if y.dtype.kind == "f" and not np.isfinite(y).all():  # astype would make a class of them
        row = int(np.argmin(np.isfinite(y)))
        place = f"{y[row]} at [{row}], the first place"
        first = "others, whose places are not told" if is_test else place
        raise DataError(
            f"Expected a label of each picture in {where}. Received: {first}. "
            "Leave such pictures out, and store integers."
        )
    is_float = np.issubdtype(x.dtype, np.floating)
    if not (is_float or x.dtype in (np.uint8, np.uint16, np.bool_)) or y.dtype.kind not in "iubU":
        convert = "astype(str)" if y.dtype.kind in "SO" else "astype"
        raise DataError(
            "Expected uint8, uint16, bool or float pictures, and labels that are integers or text, "
            f"in {where}. "
            f"Received: pictures {x.dtype}, labels {y.dtype}. Convert them with {convert}."
        )
    if y.dtype.kind == "b":
        y = y.astype(np.uint8)
    if is_float:
        with np.errstate(over="ignore"):  # what is too large becomes infinite, and is found as such
            return Pictures(x.astype(np.float32, copy=False), y, "float", where)
    # Not every backend can index uint16.
    kind = np.float32 if x.dtype == np.uint16 else np.uint8
    return Pictures(x.astype(kind, copy=False), y, x.dtype.name, where)


def summarize(part: Pictures, *, is_test: bool = False) -> Summary:
    """Summarize a part by one pass over it.

    Args:
        part: The part.
        is_test: Whether it is the test part, of whose pixels no place is told.

    Raises:
        DataError: A pixel is NaN or infinite.
    """
    rows = max(1, CHUNK // part.x[0].size)
    lows, highs = [], []
    for start in range(0, len(part.x), rows):
        chunk = part.x[start : start + rows]
        lows.append(float(chunk.min()))
        highs.append(float(chunk.max()))
        if not np.isfinite(lows[-1] + highs[-1]):  # NaN shows in both
            raise _not_finite(part, None if is_test else _first_place(start, chunk))
    labels = tuple(np.unique(part.y).tolist())
    return Summary(part.where, part.dtype, part.x.shape[1:], min(lows), max(highs), labels)


def _first_place(start: int, chunk: Array) -> str:
    picture, row, column, channel = (int(i) for i in np.argwhere(~np.isfinite(chunk))[0])
    value = chunk[picture, row, column, channel]
    place = [start + picture, row, column] + ([channel] if chunk.shape[-1] > 1 else [])
    return f"{value} at {place}, the first place"


def _not_finite(part: Pictures, first: str | None) -> DataError:
    return DataError(
        f"Expected finite pixels in {part.where}. "
        f"Received: {first or 'others, whose places are not told'}. "
        "Replace such pixels, or leave such pictures out."
    )


def check_training(train: Summary) -> None:
    """Check that a training part can be learned: two classes or more, and channels last.

    Raises:
        DataError: It cannot.
    """
    if len(train.labels) < 2:
        raise DataError(
            f"Expected at least two classes in {train.where}. "
            f"Received: one, label={train.labels[0]}."
        )
    first, second, last = train.shape
    is_picture = first in (1, 3) or second == last
    if last not in CHANNELS and first in CHANNELS and first < second and is_picture:
        raise DataError(
            f"Expected the channels last, (n, h, w, c), in {train.where}. Received: pictures "
            f"(n, {first}, {second}, {last}). Turn all parts with np.moveaxis(x, 1, -1)."
        )


def check_alike(train: Summary, other: Summary) -> None:
    """Check that another part has the type, the shape and the scale of the training part.

    Raises:
        DataError: It has not. The message tells of it no more than these.
    """
    if other.shape != train.shape:
        raise DataError(
            f"Expected pictures of the training part's shape {train.shape} in {other.where}. "
            f"Received: {other.shape}."
        )
    if _is_of_floats(other) != _is_of_floats(train) or _is_on_another_scale(train, other):
        raise DataError(
            f"Expected pixels in {other.where} as in the training part, "
            f"{train.dtype} from {train.low:g} to {train.high:g}. "
            f"Received: {other.dtype} from {other.low:g} to {other.high:g}. "
            "Bring all parts to one type and one scale."
        )


def _is_of_floats(part: Summary) -> bool:
    return part.dtype in ("uint16", "float")  # which networks take as float32


def _is_on_another_scale(train: Summary, other: Summary) -> bool:
    """Tell whether one of two parts is standardized or scaled, and the other is not."""
    parts = (train, other)
    sizes = [max(abs(part.low), abs(part.high)) for part in parts]
    if not all(sizes):
        return any(size > 1 for size in sizes)  # one is all zeros
    if max(sizes) >= OTHER_SCALE * min(sizes):
        return not all(part.low < 0 for part in parts)  # a standardized pixel can be far out
    # A resize goes a little below zero; what is standardized goes far.
    negative = [-part.low / size for part, size in zip(parts, sizes, strict=True)]
    return min(negative) <= 0 and max(negative) > 0.1
