"""How wrong a reading of the time is, whatever loss the network was trained with."""

from typing import Any

import numpy as np

from objectives.types import Array, Direction

METRICS: dict[str, Direction] = {
    "val_common_sense_error": "minimize",
    "val_median_error": "minimize",
    "val_p95_error": "minimize",
    "val_within_1": "maximize",
    "val_within_5": "maximize",
    "val_within_10": "maximize",
    "val_hour_accuracy": "maximize",
}
"""What a study of clocks can optimize: errors in minutes, shares from 0 to 1.

The loss is not among them: it cannot be compared between heads, or between weights of their parts.
"""


def common_sense_error(one: Any, other: Any) -> Any:
    """Return the shorter way round the dial between two times: 10 for 11:55 and 0:05.

    Args:
        one: Minutes of the dial, from 0 to 719; a number or an array.
        other: Likewise.

    Returns:
        Minutes, from 0 to 360, of the same shape.
    """
    forward = (one - other) % 720
    return np.minimum(forward, 720 - forward)


def time_of(minute: int) -> str:
    """Return a minute of the dial as a time of day; minute 0 is 12:00."""
    return f"{minute // 60 or 12}:{minute % 60:02d}"


def summarize(y: Array, predicted: Array) -> dict[str, float]:
    """Return all metrics of readings.

    Args:
        y: The true times, in minutes of the dial, (n,).
        predicted: The times read, likewise.
    """
    error = common_sense_error(y.astype(int), predicted.astype(int))
    return {
        "common_sense_error": float(error.mean()),
        "median_error": float(np.median(error)),
        "p95_error": float(np.percentile(error, 95)),
        **{f"within_{most}": float((error <= most).mean()) for most in (1, 5, 10)},
        "hour_accuracy": float((y // 60 == predicted // 60).mean()),
    }
