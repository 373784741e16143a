"""What an evaluation adds up over the pictures, on either backend."""

from typing import Any

import keras
from keras import ops


def weighted_sums(y: Any, probabilities: Any, weight: Any) -> tuple[Any, Any]:
    """Sum cross-entropy and correct answers over a batch.

    Args:
        y: Labels, (n,).
        probabilities: The network's output, (n, n_classes).
        weight: What each picture counts, (n,); zero for those that only fill a batch.

    Returns:
        Two scalars, of Keras's float type.
    """
    loss = keras.losses.sparse_categorical_crossentropy(y, probabilities)
    correct = keras.metrics.sparse_categorical_accuracy(y, probabilities)
    # A padding picture may overflow, and zero times infinity is not zero.
    loss = ops.where(weight > 0, loss, 0.0)
    return ops.sum(loss * weight), ops.sum(ops.cast(correct, weight.dtype) * weight)
