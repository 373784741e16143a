"""Compiled programs: one for each structure, reused by every trial that shares it."""

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Protocol

import keras
import numpy as np

from objectives import optimizers, twin
from objectives.datasets import Dataset

EVALUATION_BATCH = 512
"""Pictures evaluated at once; more gains nothing and costs memory in convolutional networks."""


DeviceArrays = tuple[Any, ...]
"""x_train, y_train, x_validation and y_validation of a data set, as the backend's tensors."""


class Loop(Protocol):
    """How a backend runs an epoch. The two implementations agree within float tolerance."""

    traces: int
    """How often the training step was traced, which is when it is compiled."""

    def train(self, x: Any, y: Any, order: np.ndarray[Any, Any], steps: int) -> None:
        """Take gradient steps, and leave the model's variables and metrics as they then are.

        Args:
            x: Pictures on the device, (n, h, w, c).
            y: Labels on the device, (n,).
            order: The pictures of each step of a full epoch, (full epoch's steps, batch), int32.
            steps: How many of these steps to take.
        """

    def evaluate(
        self, x: Any, y: Any, order: np.ndarray[Any, Any], weight: np.ndarray[Any, Any]
    ) -> tuple[float, float]:
        """Return the sums of cross-entropy and of correct answers, each picture times its weight.

        Args:
            x: Pictures on the device, (n, h, w, c).
            y: Labels on the device, (n,).
            order: The pictures of each step, (steps, batch), int32.
            weight: What each of them counts, (steps, batch), float32.
        """


class Program:
    """A network and an optimizer, compiled once, that trial after trial is loaded into.

    Args:
        network: A stock network of the structure.
        optimizer: The stock optimizer that goes with it, built on the network's variables.
    """

    def __init__(self, network: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
        self.model = twin.create(network)
        own = optimizer.__class__.from_config(optimizer.get_config())
        own.build(self.model.trainable_variables)
        optimizers.make_tunable(own)
        self.model.compile(
            optimizer=own,
            loss=keras.losses.SparseCategoricalCrossentropy(),
            metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        )
        # Keras makes a metric's variables when it first sees data; a traced step may make none.
        probabilities = np.ones((1, *network.output_shape[1:]), np.float32)
        self.model.compute_metrics(None, np.zeros((1,), np.int32), probabilities)
        self.loop = _loop(self.model)

    def refill(self, network: keras.Model, optimizer: keras.optimizers.Optimizer) -> None:
        """Load the first state of a trial: a stock network and its built optimizer."""
        twin.refill(self.model, network)
        optimizers.refill(self.model.optimizer, optimizer)

    @property
    def learning_rate(self) -> float:
        """The learning rate of the next step."""
        return float(self.model.optimizer.learning_rate)

    def train_epoch(
        self, x: Any, y: Any, order: np.ndarray[Any, Any], steps: int, learning_rate: float
    ) -> dict[str, float]:
        """Take an epoch's gradient steps; see `Loop.train`.

        Returns:
            "loss", the penalty included, and "accuracy", each the mean over the epoch.
        """
        self.model.optimizer.learning_rate = learning_rate
        self.model.reset_metrics()
        self.loop.train(x, y, order, steps)
        return {name: float(value) for name, value in self.model.get_metrics_result().items()}

    def evaluate(self, x: Any, y: Any) -> dict[str, float]:
        """Evaluate all pictures.

        Returns:
            "val_loss", the mean cross-entropy, and "val_accuracy". Unlike Keras's, the loss has no
            penalty in it: it could not be compared between trials of different penalties.
        """
        n = len(x)
        batch = min(EVALUATION_BATCH, n)
        padded = -(-n // batch) * batch
        order = (np.arange(padded, dtype=np.int32) % n).reshape(-1, batch)
        weight = (np.arange(padded) < n).astype(np.float32).reshape(-1, batch)
        loss, correct = self.loop.evaluate(x, y, order, weight)
        return {"val_loss": loss / n, "val_accuracy": correct / n}


class ProgramCache:
    """The programs used last, and the data set on the device.

    Args:
        size: How many programs are kept; the one unused for longest goes first.
    """

    def __init__(self, size: int = 8) -> None:
        self.built = 0
        self._size = size
        self._programs: OrderedDict[Hashable, Program] = OrderedDict()
        self._data: Dataset | None = None
        self._arrays: DeviceArrays = ()

    def get(self, structure: Hashable, build: Callable[[], Program]) -> Program:
        """Return the program of a structure, built now if it is not there."""
        if structure not in self._programs:
            self._programs[structure] = build()
            self.built += 1
        self._programs.move_to_end(structure)
        while len(self._programs) > self._size:
            self._programs.popitem(last=False)
        return self._programs[structure]

    def place(self, data: Dataset) -> DeviceArrays:
        """Return a data set's arrays on the device, copied there once while it stays the same."""
        if self._data is not data:
            arrays = (data.x_train, data.y_train, data.x_validation, data.y_validation)
            self._arrays = tuple(keras.ops.convert_to_tensor(array) for array in arrays)
            self._data = data
        return self._arrays


def _loop(model: keras.Model) -> Loop:
    if keras.backend.backend() == "jax":
        from objectives.jax_loop import JaxLoop

        return JaxLoop(model)
    from objectives.tensorflow_loop import TensorflowLoop

    return TensorflowLoop(model)
