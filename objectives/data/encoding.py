"""How pictures and labels become what networks take: pixels by one divisor, classes by rank.

It is found from the training part once, when a study is made, and stored with the study: every
worker, every kept network and the evaluation on the test part use the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from objectives.data.pictures import Summary
from objectives.errors import DataError
from objectives.head import TargetScale
from objectives.types import Array

DIVISORS = {
    "bool": (1.0,),
    "uint8": (1.0, 255.0),
    "uint16": (1.0, 255.0, 65535.0),
    "float": (1.0, 255.0, 65535.0),
}
MOST = 32  # that a divided pixel may be, where a larger divisor would bring it nearer to 1


@dataclass(frozen=True)
class Encoding:
    """How pictures and labels become what networks take.

    Attributes:
        scale: What pixels are divided by, inside the network. None in a study that is older than
            stored scales: 255 for uint8, and 1 for floats.
        labels: The label of each class, in order. None where labels are classes as they are: those
            that are minutes of the dial, and those of such a study.
        is_stored: Whether a network gets inputs and labels as they are stored; only labels that
            are text become classes.
        table: How the columns of a table are encoded; see `objectives.data.columns`.
        target: The scale of the numbers that a built-in network learns to tell; None for labels.
    """

    scale: float | None = None
    labels: Sequence[int | str] | None = None
    is_stored: bool = False
    table: Mapping[str, Any] | None = None
    target: TargetScale | None = None

    def to_json(self) -> dict[str, Any]:
        """Return it as it is stored with a study."""
        labels = None if self.labels is None else list(self.labels)
        known: dict[str, Any] = {"scale": self.scale, "labels": labels}
        if self.is_stored:
            known["is_stored"] = True
        if self.table is not None:
            known |= {"table": self.table, "target": self.target and asdict(self.target)}
        return known


BEFORE = Encoding()
"""That of studies which an earlier version made: they go on with the numbers that they had."""

AS_STORED = Encoding(scale=1.0, is_stored=True)
"""That of a network which a user builds."""


def from_json(stored: Mapping[str, Any] | None) -> Encoding:
    """Return the encoding that is stored with a study; `BEFORE` where there is none."""
    if stored is None:
        return BEFORE
    # The first studies of networks that users build have no `is_stored`, and a scale of 1 without
    # labels; among the others only clocks do, of which `is_stored` is not asked, and tables.
    is_before = stored["scale"] == 1.0 and stored["labels"] is None and "table" not in stored
    is_stored = stored.get("is_stored", is_before)
    target = stored.get("target")
    return Encoding(
        stored["scale"],
        stored["labels"],
        is_stored,
        stored.get("table"),
        None if target is None else TargetScale(**target),
    )


def encoding_of(train: Summary, scale: float | None) -> Encoding:
    """Return how a training part is encoded.

    Args:
        train: The training part.
        scale: The divisor that the user has set; None for the one that fits.
    """
    if scale is None:
        scale = divisor(train.dtype, train.low, train.high)
    return Encoding(scale, train.labels)


def divisor(dtype: str, low: float, high: float) -> float:
    """Return what brings pixels to about 0 to 1: 1, 255 or 65535, by their type and maximum.

    | type | pixels | divisor |
    | --- | --- | --- |
    | bool | any | 1 |
    | uint8 | up to 32: a mask, a few gray levels | 1 |
    | uint8 | beyond | 255 |
    | uint16 | up to 32 | 1 |
    | uint16 | up to 32 * 255: bytes in a wider type, or of 10 or 12 bits | 255 |
    | uint16 | beyond | 65535 |
    | float | below 0 somewhere: standardized | 1 |
    | float | else as uint16, since floats may be scaled, or bytes, or of 12 bits | |

    The maximum is no exact bound: a resize goes a little beyond a range, and few pictures may not
    reach its end. So the divisor is the least that leaves at most 32. Larger pixels than 1 do less
    harm than small ones: digits from 0 to 16 are learned, and hardly so divided by 255.

    Args:
        dtype: "bool", "uint8", "uint16" or "float".
        low: The smallest pixel of the training part.
        high: The largest.
    """
    if low < 0:
        return 1.0
    return next((d for d in DIVISORS[dtype] if high <= MOST * d), DIVISORS[dtype][-1])


def classes(y: Array, labels: Sequence[int | str], where: str) -> Array:
    """Return the class of each label.

    Args:
        y: Labels, (n,), of any type of integers, or text.
        labels: The label of each class, in order.
        where: What names the array in an error.

    Returns:
        Classes, (n,), int32 from 0.

    Raises:
        DataError: A label is that of no class.
    """
    # As Python's integers: NumPy would compare uint64 and int64 as floats.
    own, inverse = np.unique(y, return_inverse=True)
    place = {label: i for i, label in enumerate(labels)}
    check_labels(own.tolist(), place, where)
    return np.array([place[label] for label in own.tolist()], np.int32)[inverse]


def check_labels(own: Sequence[int | str], known: Mapping[Any, Any], where: str) -> None:
    """Check that the labels of a part are those of classes that are trained.

    Raises:
        DataError: One is not.
    """
    for label in own:
        if label not in known:
            low, high = min(known), max(known)
            raise DataError(
                f"Expected labels in {where} that the study trains: {len(known)} classes, "
                f"from {low} to {high}. Received: label={label}."
            )
