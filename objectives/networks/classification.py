"""The head of a network that tells classes apart."""

from typing import Any

import keras
from keras import ops

from objectives.head import Array

LEAST = 1e-37  # of a probability: the least normal number, below which its logarithm is infinite


class Classification:
    """Classes by their scores, of which a network's softmax makes probabilities; see `Head`.

    Of probabilities Keras on JAX cuts off what is below 1e-7, so that a network that is surely
    wrong has no gradient and never learns again, and takes the scores behind them on TensorFlow.
    """

    def loss(self, y: Any, outputs: Any) -> Any:
        """Return the cross-entropy of each picture, (n,); `outputs` are scores."""
        return keras.losses.sparse_categorical_crossentropy(y, outputs, from_logits=True)

    def scores(self, outputs: Any) -> Any:
        """Return the scores, but for a constant, of a network's probabilities."""
        return ops.log(ops.maximum(outputs, LEAST))

    def predict(self, outputs: Any) -> Any:
        """Return the likeliest class of each picture, (n,)."""
        return ops.argmax(outputs, axis=-1)

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return Keras's accuracy."""
        return [keras.metrics.SparseCategoricalAccuracy(name="accuracy")]

    def summarize(self, y: Array, predicted: Array) -> dict[str, float]:
        """Return the accuracy."""
        return {"accuracy": float((y == predicted).mean())}

    def stock_compile(self) -> dict[str, Any]:
        """Return Keras's own loss and metric."""
        return {
            "loss": keras.losses.SparseCategoricalCrossentropy(),
            "metrics": self.metrics(),
        }
