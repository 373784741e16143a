"""The head of a network that tells classes apart."""

from typing import Any

import keras
from keras import ops

from objectives.head import Array


class Classification:
    """Classes by their probabilities; see `objectives.head.Head`."""

    def loss(self, y: Any, outputs: Any) -> Any:
        """Return the cross-entropy of each picture, (n,); `outputs` are probabilities."""
        return keras.losses.sparse_categorical_crossentropy(y, outputs)

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
