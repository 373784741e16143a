"""Lanes: networks of one structure that train side by side in one program."""

from collections.abc import Sequence
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops

from objectives.head import Array, Head

EVALUATION_BATCH = 512
"""Pictures evaluated at once; more gains nothing and costs memory in convolutional networks."""
EVALUATION_PIXELS = 2**21
"""Pixels evaluated at once in all lanes: 32 filters of them take 256 MiB."""

LaneState = list[Array]
"""All variables of a program as one lane has them, in its order, then the weights kept for it."""

DeviceArrays = tuple[Any, ...]
"""x_train, y_train, x_validation and y_validation of a data set, as the backend's tensors."""


class Lanes(Protocol):
    """Networks of one structure that train side by side, each with numbers and seed of its own.

    No lane's result depends on another lane. A lane that nobody looks at costs time only.
    """

    size: int

    def put(self, lanes: Sequence[int], states: Sequence[LaneState]) -> None:
        """Bring each of some lanes to a state."""

    def get(self, lane: int) -> LaneState:
        """Copy the state of a lane."""

    def begin_epoch(self, rates: Array) -> None:
        """Set the learning rates, (lanes,), and begin the epoch's metrics anew."""

    def train(self, order: Array, start: int, stop: int) -> None:
        """Take the gradient steps from `start` to `stop` of an epoch in every lane.

        Args:
            order: The pictures in the order of each lane's epoch, (lanes, n), int32. The last step
                takes what is left of them, which may be less than a batch.
            start: The first step, from 0.
            stop: The step before which to end.
        """

    def metrics(self) -> dict[str, Array]:
        """Return the epoch's "loss", with the penalty, and the head's metrics, each (lanes,)."""

    def evaluate(self) -> Array:
        """Evaluate all validation pictures.

        Returns:
            The loss and what is predicted of each picture, (lanes, n, 2). Unlike Keras's, the loss
            has no penalty in it: it could not be compared between trials of different penalties.
        """

    def keep(self, lanes: Sequence[int]) -> None:
        """Keep the present weights of some lanes, in the place of those kept before."""

    def kept(self, lane: int) -> list[Array]:
        """Copy the weights kept of a lane, in the order of `Program.weight_variables`."""

    def resized(self, lanes: Sequence[int], size: int) -> "Lanes":
        """Return `size` lanes of which the first are those given, with all that they hold.

        Raises:
            ValueError: The backend has one lane only.
        """


class Steps(Protocol):
    """What a backend compiles of a program. The two agree within float tolerance.

    Attributes:
        traces: How often a training step was traced, which is when it is compiled.
        max_lanes: The most lanes that are worth trying.
    """

    traces: int
    max_lanes: int

    def memory(self) -> tuple[int, int] | None:
        """Return the most bytes in use on the device so far, and how many it has, if known."""

    def lane(self, data: DeviceArrays) -> Lanes:
        """Make one lane on a data set, to be brought to a state with `put`."""


def evaluation_batches(shape: Sequence[int], size: int) -> Array:
    """Divide pictures into batches for `size` lanes at once.

    Args:
        shape: Of all pictures: (n, height, width, channels).
        size: The number of lanes.

    Returns:
        The pictures of each step, (steps, batch), int32; the first ones again, to fill the last.
    """
    n, height, width = shape[:3]
    most = EVALUATION_PIXELS // (height * width * size)
    batch = min(n, EVALUATION_BATCH, max(64, 8 * EVALUATION_BATCH // size), max(16, most))
    padded = -(-n // batch) * batch
    return (np.arange(padded, dtype=np.int32) % n).reshape(-1, batch)


def loss_and_prediction(head: Head, y: Any, outputs: Any) -> Any:
    """Return what `Lanes.evaluate` tells of a batch, (n, 2)."""
    floats = keras.backend.floatx()
    found = head.loss(y, outputs), head.predict(outputs)
    return ops.stack([ops.cast(each, floats) for each in found], axis=-1)
