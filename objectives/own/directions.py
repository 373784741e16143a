"""Whether more of a metric is better, known by Keras's names of losses and metrics."""

from __future__ import annotations

from objectives.types import Direction

RETURNED = "default_objective"
"""What `fit` of a HyperModel returns where that is a number: KerasTuner's name, which minimizes."""
LOWER_IS_BETTER = ("error", "loss", "divergence", "crossentropy", "poisson", "hinge", "logcosh")
SHORT_NAMES = ("mae", "mse", "mape", "msle", "rmse")  # of errors, as Keras reports them
HIGHER_IS_BETTER = (
    "accuracy",
    "auc",
    "precision",
    "recall",
    "fbeta",
    "f1",
    "iou",
    "r2",
    "sensitivity",
    "specificity",
    "cosine_similarity",
    "within",
)


def direction_of(metric: str) -> Direction | None:
    """Return whether a metric is better higher or lower; None where its name does not tell."""
    if metric == RETURNED:
        return "minimize"
    name = metric.removeprefix("val_").lower()
    # An output's name stands before that of its metric.
    if any(part in name for part in LOWER_IS_BETTER) or name.rpartition("_")[2] in SHORT_NAMES:
        return "minimize"
    return "maximize" if any(part in name for part in HIGHER_IS_BETTER) else None
