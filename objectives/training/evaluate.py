"""Evaluate a trained network on pictures that it has not seen."""

import keras
import numpy as np

from objectives.head import Head
from objectives.training.lanes import evaluation_batches, loss_and_prediction
from objectives.types import Array


def losses_and_predictions(network: keras.Model, head: Head, x: Array, y: Array) -> Array:
    """Return the loss, the prediction and the head's details of each picture, (n, columns).

    Args:
        network: A trained stock network.
        head: Its label codec.
        x: Pictures, as the network takes them.
        y: Labels, (n,).
    """
    found = []
    for rows in evaluation_batches(x.shape, 1):
        outputs = head.scores(network(x[rows], training=False))
        found.append(keras.ops.convert_to_numpy(loss_and_prediction(head, y[rows], outputs)))
    return np.concatenate(found)[: len(x)]


def metrics(head: Head, scores: Array, y: Array, weights: Array | None = None) -> dict[str, float]:
    """Return the loss and the head's metrics, named without `val_` or `test_`.

    Args:
        head: The label codec.
        scores: As `losses_and_predictions` returns them.
        y: Labels, (n,).
        weights: What each example counts in the loss, (n,); the other metrics are of all alike, as
            Keras's `metrics` are.
    """
    loss, predicted, details = scores[:, 0], scores[:, 1], scores[:, 2:]
    if weights is not None:
        loss = loss * weights
    return {"loss": float(loss.mean()), **head.summarize(y, predicted, details)}
