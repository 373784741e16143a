"""Judge a trained network on pictures that it has not seen."""

import keras
import numpy as np

from objectives.head import Array, Head
from objectives.training.lanes import evaluation_batches, loss_and_prediction


def losses_and_predictions(network: keras.Model, head: Head, x: Array, y: Array) -> Array:
    """Return the loss and what is predicted of each picture, (n, 2).

    Args:
        network: A trained network.
        head: What its output means.
        x: Pictures, as it takes them.
        y: Labels, (n,).
    """
    found = []
    for rows in evaluation_batches(x.shape, 1):
        outputs = head.scores(network(x[rows], training=False))
        found.append(keras.ops.convert_to_numpy(loss_and_prediction(head, y[rows], outputs)))
    return np.concatenate(found)[: len(x)]


def metrics(head: Head, scores: Array, y: Array) -> dict[str, float]:
    """Return the loss and the head's metrics, without `val_` or `test_`.

    Args:
        head: What the network's output means.
        scores: As `losses_and_predictions` returns them.
        y: Labels, (n,).
    """
    loss, predicted = scores.T
    return {"loss": float(loss.mean()), **head.summarize(y, predicted)}
