"""Metrics of a classification: scikit-learn's numbers, its averages of each class in turn.

Precision, recall and F1 are those of each class against the rest, averaged without weights over the
classes that are among the labels or the predictions.
"""

from collections.abc import Mapping

import numpy as np

from objectives.types import Array, Direction

TOP = 5
TOP_ACCURACY = f"top_{TOP}_accuracy"
OF_PREDICTIONS = ("balanced_accuracy", "f1", "precision", "recall")
"""Those that need no more than the predicted classes."""
OF_PROBABILITIES = ("auc", TOP_ACCURACY)

METRICS: dict[str, Direction] = {
    "val_accuracy": "maximize",
    "val_loss": "minimize",
    **{f"val_{name}": "maximize" for name in (*OF_PREDICTIONS, *OF_PROBABILITIES)},
}
"""What a study of classes can optimize."""

ON_REQUEST: Mapping[str, tuple[str, ...]] = {
    **{f"val_{name}": OF_PREDICTIONS for name in OF_PREDICTIONS},
    **{f"val_{name}": (*OF_PREDICTIONS, name) for name in OF_PROBABILITIES},
}
"""What is computed beside loss and accuracy in a study of each metric; nothing in another."""


def of_predictions(y: Array, predicted: Array) -> dict[str, float]:
    """Return the metrics of `OF_PREDICTIONS`; a share of nothing counts as zero.

    Args:
        y: Classes, (n,), integers from 0.
        predicted: The predicted classes, likewise.
    """
    n = int(max(y.max(), predicted.max())) + 1
    labelled, said, right = (
        np.bincount(each, minlength=n) for each in (y, predicted, y[y == predicted])
    )
    among = (labelled + said) > 0
    precision, recall = right / np.maximum(said, 1), right / np.maximum(labelled, 1)
    f1 = 2 * right / np.maximum(labelled + said, 1)
    return {
        "balanced_accuracy": float(recall[labelled > 0].mean()),
        "f1": float(f1[among].mean()),
        "precision": float(precision[among].mean()),
        "recall": float(recall[among].mean()),
    }


def auc(y: Array, probabilities: Array) -> float:
    """Return the mean of the areas under each class's ROC curve; of two classes, the second's.

    Classes of which there is no example, or no other, are left out; NaN if that leaves none.

    Args:
        y: Classes, (n,), integers from 0.
        probabilities: (n, classes).
    """
    n_classes = probabilities.shape[1]
    areas = []
    for k in range(n_classes) if n_classes > 2 else [1]:
        inside = y == k
        n_inside, n_outside = int(inside.sum()), int((~inside).sum())
        if n_inside == 0 or n_outside == 0:
            continue
        everyone, own = np.sort(probabilities[:, k]), probabilities[inside, k]
        # The mean rank, from 1, of each example among all that are as probable as it is.
        ranks = (everyone.searchsorted(own) + everyone.searchsorted(own, "right") + 1) / 2
        areas.append((ranks.sum() - n_inside * (n_inside + 1) / 2) / (n_inside * n_outside))
    return float(np.mean(areas)) if areas else float("nan")
