"""Epochs on TensorFlow: Keras's own training step in one graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import keras
import numpy as np

from objectives.scores import weighted_sums

if TYPE_CHECKING:
    import tensorflow as tf


class TensorflowLoop:
    """Runs an epoch of a compiled Keras model as one TensorFlow function.

    Args:
        model: Compiled, its optimizer and metrics built.
    """

    def __init__(self, model: keras.Model) -> None:
        import tensorflow as tf

        self.traces = 0
        self._model = model
        self._train_steps = tf.function(self._traced_train_steps, autograph=False)
        self._scores = tf.function(self._traced_scores, autograph=False)

    def train(self, x: Any, y: Any, order: np.ndarray[Any, Any], steps: int) -> None:
        """Take gradient steps; see `objectives.program.Loop`."""
        # As tensors: a Python number or an array would be a constant, traced for each value.
        tensor = keras.ops.convert_to_tensor
        self._train_steps(x, y, tensor(order), tensor(steps, dtype="int32"))

    def evaluate(
        self, x: Any, y: Any, order: np.ndarray[Any, Any], weight: np.ndarray[Any, Any]
    ) -> tuple[float, float]:
        """Sum cross-entropy and correct answers; see `objectives.program.Loop`."""
        tensor = keras.ops.convert_to_tensor
        loss, correct = self._scores(x, y, tensor(order), tensor(weight))
        return float(loss), float(correct)

    def _traced_train_steps(
        self, x: tf.Tensor, y: tf.Tensor, order: tf.Tensor, steps: tf.Tensor
    ) -> None:
        import tensorflow as tf

        self.traces += 1

        def body(i: tf.Tensor) -> tuple[tf.Tensor]:
            batch = order[i]
            self._model.train_step((tf.gather(x, batch), tf.gather(y, batch)))
            return (i + 1,)

        # One step after the other: each reads the weights that the one before it wrote.
        tf.while_loop(lambda i: i < steps, body, [tf.constant(0)], parallel_iterations=1)

    def _traced_scores(
        self, x: tf.Tensor, y: tf.Tensor, order: tf.Tensor, weight: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        import tensorflow as tf

        def body(i: tf.Tensor, loss: tf.Tensor, correct: tf.Tensor) -> tuple[tf.Tensor, ...]:
            batch = order[i]
            probabilities = self._model(tf.gather(x, batch), training=False)
            sums = weighted_sums(tf.gather(y, batch), probabilities, weight[i])
            return i + 1, loss + sums[0], correct + sums[1]

        rows = order.shape[0]
        first = [tf.constant(0), tf.constant(0.0), tf.constant(0.0)]
        _, loss, correct = tf.while_loop(lambda i, *_: i < rows, body, first, parallel_iterations=1)
        return loss, correct
