"""Between which values the metric of a study lies, so that no interval promises others.

A table of names, since reading results loads no objective.
"""

from __future__ import annotations

from math import inf

import optuna

from studies.attributes import DEFINITION_KEY

Bounds = tuple[float, float]

UNBOUNDED: Bounds = (-inf, inf)
SHARE: Bounds = (0.0, 1.0)
POSITIVE: Bounds = (0.0, inf)
MINUTES: Bounds = (0.0, 360.0)  # no two times are further apart on the dial
_OF_CLASSES = {
    **dict.fromkeys(("val_accuracy", "val_balanced_accuracy", "val_top_5_accuracy"), SHARE),
    **dict.fromkeys(("val_f1", "val_precision", "val_recall", "val_auc"), SHARE),
    "val_loss": POSITIVE,  # a cross-entropy or a square, with penalties
}
_OF_NUMBERS = {"val_rmse": POSITIVE, "val_mae": POSITIVE, "val_r2": (-inf, 1.0)}
_OF_CLOCKS = {
    **dict.fromkeys(("val_common_sense_error", "val_median_error", "val_p95_error"), MINUTES),
    **dict.fromkeys(("val_within_1", "val_within_5", "val_within_10"), SHARE),
    "val_hour_accuracy": SHARE,
}
BOUNDS: dict[str, dict[str, Bounds]] = {
    "clock": _OF_CLOCKS,
    "cnn": _OF_CLASSES,
    "mlp": _OF_CLASSES | _OF_NUMBERS,
}


def metric_bounds(study: optuna.Study) -> Bounds:
    """Return the bounds of what a study optimizes: an accuracy lies between 0 and 1.

    What a user's own code calls an accuracy may be in percent, and has no bounds here.
    """
    stored = study.user_attrs.get(DEFINITION_KEY, {})
    known = BOUNDS.get(str(stored.get("objective")), {})
    return known.get(str(stored.get("metric")), UNBOUNDED)


def within(ends: tuple[float, float] | None, bounds: Bounds) -> tuple[float, float] | None:
    """Return an interval without what lies beyond the bounds of its metric.

    It covers the mean as often as before, which cannot lie there; a symmetric one ends there where
    few seeds leave it wide.
    """
    if ends is None:
        return None
    low, high = bounds
    return max(ends[0], low), min(ends[1], high)
