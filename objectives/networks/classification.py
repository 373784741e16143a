"""The head of a network that classifies."""

from typing import Any

import keras
from keras import ops

from objectives.types import Array

LEAST = 1e-37  # probability: about the least normal float32; the logarithm of zero is infinite


class Classification:
    """Classes by their scores, before the softmax; see `Head`.

    The loss is computed from scores, not probabilities. On JAX, Keras clips probabilities at 1e-7,
    so that a network that is certain and wrong has no gradient and stops learning; on TensorFlow
    it finds and uses the scores behind them.
    """

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

    def summarize(self, y: Array, predicted: Array) -> dict[str, float]:
        """Return the accuracy."""
        return {"accuracy": float((y == predicted).mean())}

    def stock_compile(self) -> dict[str, Any]:
        """Return Keras's own loss and metric."""
        return {
            "loss": keras.losses.SparseCategoricalCrossentropy(),
            "metrics": self.metrics(),
        }
