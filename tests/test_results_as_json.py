"""Answers as JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd

from studies.results.as_json import to_json


@dataclass(frozen=True)
class _Answer:
    table: pd.DataFrame
    numbers: tuple[float, ...]
    named: dict[str, object]


def test_frames_become_rows_and_what_is_no_number_null() -> None:
    table = pd.DataFrame({"value": [0.5, np.nan], "n": [1, 2], "level": ["relu", None]})
    text = to_json(
        _Answer(table, (1.0, float("inf")), {"at": pd.Timestamp("2026-01-01"), "x": np.float64(2)})
    )
    assert json.loads(text) == {
        "table": [
            {"value": 0.5, "n": 1, "level": "relu"},
            {"value": None, "n": 2, "level": None},
        ],
        "numbers": [1.0, None],
        "named": {"at": "2026-01-01T00:00:00", "x": 2.0},
    }
