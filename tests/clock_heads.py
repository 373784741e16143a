"""All heads of the clock network, for the tests of heads and of networks."""

from __future__ import annotations

from typing import Any

import objectives
from objectives.clock.heads import ClockHead
from objectives.clock.hyperparameters import ClockHyperparameters

# Each head, and the error in minutes that its classes may come to.
HEADS: list[tuple[dict[str, Any], int]] = [
    ({"head": "regression"}, 0),
    ({"head": "regression", "regression_loss": "mae"}, 0),
    ({"head": "regression_periodic"}, 0),
    ({"head": "classification", "n_classes": 720}, 0),
    ({"head": "classification", "n_classes": 72}, 5),
    ({"head": "classification", "n_classes": 24}, 15),
    *(
        ({"head": "two_heads", "hour_output": hour, "minute_output": minute}, 0)
        for hour in ("class", "regression")
        for minute in ("class", "regression")
    ),
    ({"head": "two_heads", "minute_classes": 30}, 1),
    ({"head": "hour_hand"}, 0),
    ({"head": "hour_hand", "hand_activation": "unit_norm"}, 0),
    ({"head": "both_hands"}, 0),
    ({"head": "both_hands", "hand_activation": "unit_norm"}, 0),
    ({"head": "soft_circular"}, 0),
    ({"head": "soft_circular", "n_classes": 72, "label_shape": "von_mises"}, 0),
    ({"head": "von_mises"}, 0),
    ({"head": "hour_class_minute_circle"}, 0),
]
NAMES = ["-".join(map(str, setting.values())) for setting, _ in HEADS]


def head_of(**setting: Any) -> ClockHead:
    """Make the head of a setting."""
    return objectives.get("clock").head_of(ClockHyperparameters(**setting))
