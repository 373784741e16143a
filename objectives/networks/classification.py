"""The head of a network that classifies."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from objectives.networks.class_metrics import OF_PREDICTIONS, TOP, TOP_ACCURACY, auc, of_predictions
from objectives.types import Array

LEAST = 1e-37  # probability: about the least normal float32; the logarithm of zero is infinite


class Classification:
    """Classes by their scores, before the softmax; see `Head`.

    The loss is computed from scores, not probabilities. On JAX, Keras clips probabilities at 1e-7,
    so that a network that is certain and wrong has no gradient and stops learning; on TensorFlow
    it finds and uses the scores behind them.

    Args:
        reported: The metrics of `objectives.networks.class_metrics` to report beside the accuracy.
    """

    def __init__(self, reported: Sequence[str] = ()) -> None:
        self._reported = frozenset(reported)

    def loss(self, y: Any, outputs: Any) -> Any:
        """Return the cross-entropy of each picture, (n,); `outputs` are scores."""
        return keras.losses.sparse_categorical_crossentropy(y, outputs, from_logits=True)

    def scores(self, outputs: Any) -> Any:
        """Return the scores behind a network's probabilities, up to a constant."""
        return ops.log(ops.maximum(outputs, LEAST))

    def predict(self, outputs: Any) -> Any:
        """Return the most likely class of each picture, (n,)."""
        return ops.argmax(outputs, axis=-1)

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return Keras's accuracy."""
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def reporting(self, names: Sequence[str]) -> "Classification":
        """Return a head that reports these metrics; see `Head`."""
        return Classification(names)

    def details(self, y: Any, outputs: Any) -> list[Any]:
        """Return the place of the label among the classes, and their probabilities, if needed."""
        found: list[Any] = []
        if self._reported.isdisjoint(("auc", TOP_ACCURACY)):
            return found
        # Not scores: as probabilities many are equal, and count as such to scikit-learn.
        probabilities = ops.softmax(outputs)
        if TOP_ACCURACY in self._reported:
            found.append(_place(y, probabilities))
        if "auc" in self._reported:
            found.append(probabilities)
        return found

    def summarize(self, y: Array, predicted: Array, details: Array) -> dict[str, float]:
        """Return the accuracy, and what else is to be reported."""
        found = {"accuracy": float((y == predicted).mean())}
        if not self._reported.isdisjoint(OF_PREDICTIONS):
            found |= of_predictions(y, predicted.astype(int))
        if TOP_ACCURACY in self._reported:
            found[TOP_ACCURACY] = float((details[:, 0] < TOP).mean())
            details = details[:, 1:]
        if "auc" in self._reported:
            found["auc"] = auc(y, details)
        return found

    def stock_compile(self) -> dict[str, Any]:
        """Return Keras's own loss and metric."""
        return {
            "loss": keras.losses.SparseCategoricalCrossentropy(),
            "metrics": self.metrics(),
        }


def _place(y: Any, probabilities: Any) -> Any:
    """Return how many classes come before the label's, (n, 1); of equal ones, the later in order.

    That is the order in which scikit-learn has them.
    """
    y = ops.cast(ops.reshape(y, (-1, 1)), "int32")
    own = ops.take_along_axis(probabilities, y, axis=-1)
    later = ops.arange(probabilities.shape[-1], dtype="int32") > y
    before = ops.logical_or(
        probabilities > own, ops.logical_and(ops.equal(probabilities, own), later)
    )
    return ops.sum(ops.cast(before, probabilities.dtype), axis=-1, keepdims=True)
