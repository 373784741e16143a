"""How wrong a reading of the time is, whatever the network was trained with."""

from typing import Any

import numpy as np

from objectives.head import Array, Direction

METRICS: dict[str, Direction] = {
    "val_common_sense_error": "minimize",
    "val_median_error": "minimize",
    "val_p95_error": "minimize",
    "val_within_1": "maximize",
    "val_within_5": "maximize",
    "val_within_10": "maximize",
    "val_hour_accuracy": "maximize",
}
"""What a study of clocks can optimize; errors in minutes, the others from 0 to 1.

Not the loss: heads, and weights of their parts, have losses of units of their own.
"""


def common_sense_error(one: Any, other: Any) -> Any:
    """Return the shorter way round the dial between two times: of 11:55 and 0:05 it is 10.

    Args:
        one: Minutes of the dial, from 0 to 719; a number or an array.
        other: Likewise.

    Returns:
        Minutes, from 0 to 360, of the same shape.
    """
    forward = (one - other) % 720
    return np.minimum(forward, 720 - forward)


def time_of(minute: int) -> str:
    """Return a minute of the dial as people say it: the first one is 12:00."""
    return f"{minute // 60 or 12}:{minute % 60:02d}"


def summarize(y: Array, predicted: Array) -> dict[str, float]:
    """Return all measures of some readings.

    Args:
        y: The times, in minutes of the dial, (n,).
        predicted: What was read, likewise.
    """
    error = common_sense_error(y.astype(int), predicted.astype(int))
    return {
        "common_sense_error": float(error.mean()),
        "median_error": float(np.median(error)),
        "p95_error": float(np.percentile(error, 95)),
        **{f"within_{most}": float((error <= most).mean()) for most in (1, 5, 10)},
        "hour_accuracy": float((y // 60 == predicted // 60).mean()),
    }
