"""The label codec of a network: how its output is trained against labels and read as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from objectives.types import Array

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class TargetScale:
    """The scale of numbers that a network learns to tell.

    Attributes:
        mean: The mean of those to train on.
        deviation: Their standard deviation; 1 where all are the same.
    """

    mean: float
    deviation: float


class Head(Protocol):
    """The label codec of a network: its loss, its predictions, and the metrics of these.

    Tensors belong to the Keras backend. `loss` and `predict` treat each picture by itself.
    """

    def loss(self, y: Any, outputs: Any) -> Any:
        """Return the loss of each picture, (n,).

        Args:
            y: Labels, (n,), integers, or numbers to tell.
            outputs: The network's output, (n, units), before a softmax if it has one.
        """

    def scores(self, outputs: Any) -> Any:
        """Convert the output of a stock network, softmax included, to what `loss` takes."""

    def predict(self, outputs: Any) -> Any:
        """Return the most likely label of each picture, or the number told, (n,)."""

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return the Keras metrics that are averaged during training, beside the loss.

        They must not read the numbers that the head was made with: Keras computes metrics where
        variables have no values on JAX.
        """

    def reporting(self, names: Sequence[str]) -> Head:
        """Return a head that reports metrics of `Objective.on_request` too."""

    def details(self, y: Any, outputs: Any) -> Sequence[Any]:
        """Return what `summarize` needs of each picture beside its prediction, each (n, columns).

        It is brought from the device after each epoch, so that it should be little.
        """

    def summarize(self, y: Array, predicted: Array, details: Array) -> dict[str, float]:
        """Return the metrics of predictions other than the loss, named without `val_` or `test_`.

        Args:
            y: Labels, (n,).
            predicted: What `predict` returned, (n,).
            details: What `details` returned, side by side, (n, columns).
        """

    def stock_compile(self) -> Mapping[str, Any]:
        """Return Keras's loss and metrics for a network to save; nothing if it has no such loss."""
