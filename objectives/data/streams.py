"""Data that come batch by batch, which `fit` reads.

They are a `tf.data.Dataset`, Keras's `PyDataset`, or a generator function, which is called for each
pass. They may be endless: then `steps_per_epoch` and `validation_steps` say what an epoch has.
"""

from __future__ import annotations

import hashlib
import inspect
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import count, islice
from typing import Any

import numpy as np

from objectives.code.raised import raised
from objectives.data.arrays import each, named
from objectives.errors import DataError
from objectives.types import Batch

LOOKED_AT = 4  # batches, by which streams are told apart
FEW = 16  # batches, whose order two shuffled passes share by chance: of four one pair in 24
MORE_LOOKS = 7
NOT_COMPARABLE = "not comparable: two passes over the data differ"
"""Stands in place of the digest of a stream that is shuffled or augmented anew in each pass."""
_HOOKS = ("on_epoch_begin", "on_epoch_end")


@dataclass(frozen=True, eq=False)
class Streams:
    """What `fit` trains and validates on.

    Attributes:
        train: Yields batches, the same number in each pass, or without an end.
        validation: As `train`.
    """

    train: Any
    validation: Any

    @cached_property
    def digest(self) -> str:
        """Return the SHA-256 of what each looks like, its length and its first batches.

        Where two passes differ, `NOT_COMPARABLE`. Few batches are looked at more often. No hook is
        called: the object is the one that trains, and counts its own epochs.
        """
        digest = hashlib.sha256()
        for stream in (self.train, self.validation):
            n = length(stream)
            first = _look(stream)
            for _ in range(MORE_LOOKS if n is not None and n <= FEW else 1):
                if _look(stream) != first:
                    return NOT_COMPARABLE
            digest.update(first)
        return digest.hexdigest()

    @property
    def why_anew(self) -> str | None:
        """Why a trial cannot go on from a checkpoint with the batches to come; None if it can."""
        if self.digest == NOT_COMPARABLE:
            return "the batches differ from pass to pass"
        if has_hooks(self.train):
            return f"{type(self.train).__name__} does something between two epochs"
        return None


def is_stream(thing: Any) -> bool:
    """Tell whether something yields batches: see above."""
    return _is_py_dataset(thing) or hasattr(thing, "element_spec") or is_function(thing)


def length(stream: Any) -> int | None:
    """Return the batches of a pass; None where it has no end, or none that is known."""
    if is_function(stream):
        return None
    if _is_py_dataset(stream):
        n = stream.num_batches
        return None if n is None else int(n)
    try:
        return len(stream)
    except TypeError:  # of a tf.data.Dataset that is infinite, or of a generator
        return None


def has_hooks(stream: Any) -> bool:
    """Tell whether a `PyDataset` does something between two epochs, such as shuffling."""
    if not _is_py_dataset(stream):
        return False
    plain = sys.modules["keras"].utils.PyDataset
    return any(getattr(type(stream), name) is not getattr(plain, name) for name in _HOOKS)


def first_batch(where: str, stream: Any) -> Batch:
    """Return the first batch of a stream, as NumPy's arrays.

    Args:
        where: What names the stream in an error.
        stream: The stream.

    Raises:
        DataError: It has none, or the user's code raises.
    """
    try:
        first = next(batches(stream), None)
    except Exception as error:
        maker = getattr(type(stream), "__getitem__", stream)
        raise DataError(
            f"Expected batches, as {where}. Received: {raised(maker, error)}."
        ) from error
    if first is None:
        raise DataError(f"Expected batches, as {where}. Received: none.")
    return first


def batches(stream: Any) -> Iterator[Batch]:
    """Yield the batches of one pass, as NumPy's arrays."""
    if hasattr(stream, "as_numpy_iterator"):
        found = stream.as_numpy_iterator()
    elif is_function(stream):
        found = stream()
    else:
        n = length(stream)
        found = (stream[i] for i in (count() if n is None else range(n)))
    for batch in found:
        yield each(np.asarray, batch if isinstance(batch, tuple) else (batch,))


def whole(where: str, stream: Any) -> Batch:
    """Return all examples of one pass in arrays.

    Args:
        where: What names the stream in an error.
        stream: The stream.

    Raises:
        DataError: It may have no end.
    """
    if length(stream) is None:
        raise DataError(
            f"Expected data of a known number of batches, as {where}. Received: some that do not "
            "end, or whose end is not known. Say it: dataset.take(100)."
        )
    parts = list(batches(stream))
    joined: Batch = each(lambda *arrays: np.concatenate(arrays), *parts)
    return joined


def is_function(thing: Any) -> bool:
    """Tell whether something is a generator function."""
    return inspect.isgeneratorfunction(thing)


def _is_py_dataset(thing: Any) -> bool:
    keras = sys.modules.get("keras")
    return keras is not None and isinstance(thing, keras.utils.PyDataset)


def _look(stream: Any) -> bytes:
    spec = getattr(stream, "element_spec", "")
    digest = hashlib.sha256(f"{spec} {length(stream)}".encode())
    for batch in islice(batches(stream), LOOKED_AT):
        for name, array in named(batch).items():
            digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
    return digest.digest()
