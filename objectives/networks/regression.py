"""The head of a network that tells a number."""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from objectives.head import TargetScale
from objectives.types import Array


class Regression:
    """A number in its own units; see `Head`.

    Args:
        target: The mean and the standard deviation of the numbers to train on.
    """

    def __init__(self, target: TargetScale) -> None:
        self._deviation = target.deviation

    def loss(self, y: Any, outputs: Any) -> Any:
        """Return the square of each error, in standard deviations, (n,).

        So the same learning rates serve prices of houses and of eggs.
        """
        errors = (ops.cast(ops.reshape(y, (-1,)), outputs.dtype) - outputs[:, 0]) / self._deviation
        return ops.square(errors)

    def scores(self, outputs: Any) -> Any:
        """Return the outputs."""
        return outputs

    def predict(self, outputs: Any) -> Any:
        """Return the number of each row, (n,)."""
        return outputs[:, 0]

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return Keras's mean absolute error."""
        return [keras.metrics.MeanAbsoluteError(name="mae")]

    def reporting(self, names: Sequence[str]) -> "Regression":
        """Return the same head, which reports all that it has."""
        return self

    def details(self, y: Any, outputs: Any) -> list[Any]:
        """Return nothing: the numbers are enough."""
        return []

    def summarize(self, y: Array, predicted: Array, details: Array) -> dict[str, float]:
        """Return the mean absolute error, the root of the mean squared one, and R squared."""
        errors = y.astype(np.float64) - predicted
        squares, spread = (
            float((errors**2).sum()),
            float(((y - y.mean(dtype=np.float64)) ** 2).sum()),
        )
        return {
            "mae": float(np.abs(errors).mean()),
            "rmse": float(np.sqrt(squares / len(y))),
            "r2": 1 - squares / spread if spread else 0.0,
        }

    def stock_compile(self) -> dict[str, Any]:
        """Return Keras's own loss, in the units of the target, and metrics."""
        return {"loss": keras.losses.MeanSquaredError(), "metrics": self.metrics()}
