"""Data that come batch by batch: `tf.data.Dataset` and Keras's `PyDataset`, which `fit` reads."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from objectives.data.arrays import each, named
from objectives.errors import DataError
from objectives.types import Batch

LOOKED_AT = 4  # batches, by which streams are told apart
NOT_COMPARABLE = "not comparable: two passes over the data differ"
"""Stands in place of the digest of a stream that is shuffled or augmented anew in each pass."""


@dataclass(frozen=True, eq=False)
class Streams:
    """What `fit` trains and validates on.

    Attributes:
        train: Yields batches, the same number in each pass.
        validation: As `train`.
    """

    train: Any
    validation: Any

    @property
    def digest(self) -> str:
        """Return the SHA-256 of what each looks like, its length and its first batches.

        Where two passes differ, `NOT_COMPARABLE`.
        """
        digest = hashlib.sha256()
        for stream in (self.train, self.validation):
            one, other = _look(stream), _look(stream)
            if one != other:
                return NOT_COMPARABLE
            digest.update(one)
        return digest.hexdigest()


def is_stream(thing: Any) -> bool:
    """Tell whether something yields batches: a `tf.data.Dataset` or a `PyDataset`."""
    keras = sys.modules.get("keras")
    is_keras = keras is not None and isinstance(thing, keras.utils.PyDataset)
    return is_keras or hasattr(thing, "element_spec")


def first_batch(where: str, stream: Any) -> Batch:
    """Return the first batch of a stream, as NumPy's arrays.

    Args:
        where: What names the stream in an error.
        stream: The stream.

    Raises:
        DataError: It has none, does not end, or its length is not known.
    """
    length = _length(stream)
    if length is None:
        raise DataError(
            f"Expected data of a known number of batches, as {where}. Received: some that do not "
            "end, or whose end is not known. Say how many an epoch has: dataset.repeat().take(100) "
            "or dataset.apply(tf.data.experimental.assert_cardinality(100))."
        )
    if length == 0:
        raise DataError(f"Expected batches, as {where}. Received: none.")
    return next(batches(stream))


def batches(stream: Any) -> Iterator[Batch]:
    """Yield the batches of one pass, as NumPy's arrays."""
    if hasattr(stream, "as_numpy_iterator"):
        found = stream.as_numpy_iterator()
    else:
        found = (stream[i] for i in range(len(stream)))
    for batch in found:
        yield each(np.asarray, batch if isinstance(batch, tuple) else (batch,))


def whole(stream: Any) -> Batch:
    """Return all examples of one pass in arrays."""
    parts = list(batches(stream))
    joined: Batch = each(lambda *arrays: np.concatenate(arrays), *parts)
    return joined


def _length(stream: Any) -> int | None:
    try:
        length = len(stream)
    except TypeError:  # of a tf.data.Dataset that is infinite, or of a generator
        return None
    return int(length)


def _look(stream: Any) -> bytes:
    digest = hashlib.sha256(f"{getattr(stream, 'element_spec', '')} {len(stream)}".encode())
    for batch in islice(batches(stream), LOOKED_AT):
        for name, array in named(batch).items():
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()
