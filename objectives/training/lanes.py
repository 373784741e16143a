"""The interface of lanes: networks of one structure that train side by side in one program."""

import math
from collections.abc import Sequence
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops

from objectives.head import Head
from objectives.types import Array

EVALUATION_BATCH = 512
"""Pictures evaluated at once. More gains no speed, and costs memory in convolutional networks."""
EVALUATION_PIXELS = 2**21
"""Pixels evaluated at once in all lanes together: 32 filters of float32 take 256 MiB."""

LaneState = list[Array]
"""A lane's values of all variables of its network, in their order, then of its kept weights."""

DeviceArrays = tuple[Any, ...]
"""The examples of a data set to train and to validate on, each a `Batch`, as tensors."""


class Lanes(Protocol):
    """Networks of one structure that train side by side, each with its own numbers and seed.

    No lane's result depends on another lane. A lane that is not in use costs time only.
    """

    size: int

    def put(self, lanes: Sequence[int], states: Sequence[LaneState]) -> None:
        """Set the states of lanes, one for each."""

    def get(self, lane: int) -> LaneState:
        """Return a copy of a lane's state."""

    def begin_epoch(self, rates: Array) -> None:
        """Set the learning rates, (lanes,), and reset the metrics."""

    def train(self, order: Array, weights: Array | None, start: int, stop: int) -> None:
        """Take the gradient steps of an epoch from `start` up to, not including, `stop`.

        Args:
            order: The order of the pictures in each lane's epoch, (lanes, n), int32. The last step
                takes the remaining pictures, which may be fewer than a batch.
            weights: The weight of each class in each lane's loss, (lanes, classes); None where all
                are alike.
            start: The first step, from 0.
            stop: The step before which to end.
        """

    def metrics(self) -> dict[str, Array]:
        """Return the epoch's "loss", including the penalty, and the head's metrics, (lanes,)."""

    def evaluate(self) -> Array:
        """Evaluate all validation pictures.

        Returns:
            The loss, the prediction and the head's details of each picture, (lanes, n, columns).
            Unlike Keras's, this loss has no penalty: trials with different penalties could not be
            compared by it.
        """

    def keep(self, lanes: Sequence[int]) -> None:
        """Keep the current weights of these lanes, in place of those kept before."""

    def kept(self, lane: int) -> list[Array]:
        """Return a copy of a lane's kept weights, in the order of `weight_variables`."""

    def resized(self, lanes: Sequence[int], size: int) -> "Lanes":
        """Return `size` lanes, the first of which continue the given ones with all that they hold.

        Raises:
            SettingError: The backend has one lane only.
        """


class Steps(Protocol):
    """What a backend compiles for a network. Both backends agree within float tolerance.

    Attributes:
        traces: How often a training step has been traced, which precedes each compilation.
        max_lanes: The largest number of lanes that is worth trying.
        doubles_after: How many times as long as compiling a program takes it must have trained
            before twice as many lanes are tried.
    """

    traces: int
    max_lanes: int
    doubles_after: float

    def memory(self) -> tuple[int, int] | None:
        """Return the peak of bytes in use on the device so far, and its size; None if unknown."""

    def lane(self, data: DeviceArrays) -> Lanes:
        """Make one lane on a data set, whose state must then be set with `put`."""


def evaluation_batches(shape: Sequence[int], size: int) -> Array:
    """Divide pictures into batches that `size` lanes evaluate at once.

    Args:
        shape: The shape of all pictures, (n, height, width, channels), or of rows, (n, inputs).
        size: The number of lanes.

    Returns:
        The indices of each step's pictures, (steps, batch), int32. The first ones are repeated to
        fill the last batch.
    """
    n, *sides = shape[:3]
    most = EVALUATION_PIXELS // (math.prod(sides) * size)
    batch = min(n, EVALUATION_BATCH, max(64, 8 * EVALUATION_BATCH // size), max(16, most))
    padded = -(-n // batch) * batch
    return (np.arange(padded, dtype=np.int32) % n).reshape(-1, batch)


def loss_and_prediction(head: Head, y: Any, outputs: Any) -> Any:
    """Return loss, prediction and the head's details of each picture of a batch, (n, columns)."""
    floats = keras.backend.floatx()
    found = head.loss(y, outputs), head.predict(outputs)
    stacked = ops.stack([ops.cast(each, floats) for each in found], axis=-1)
    details = [ops.cast(each, floats) for each in head.details(y, outputs)]
    return ops.concatenate([stacked, *details], axis=-1) if details else stacked
