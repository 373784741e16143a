"""The columns of a ranking that tell of points: what the seeds of a trial's point come to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from optuna.trial import FrozenTrial

from storage import TrialTable, trial_id
from storage.seeds import SeededPoint, mean, spread, values_of_seeds
from storage.study_attributes import SEED_VALUES_KEY
from studies.results.metric_bounds import Bounds, within
from studies.statistics.intervals import interval

NUMBERS = ("point_mean", "point_std", "point_low", "point_high")
COUNTS = ("point", "point_seeds", "point_missing")


def point_columns(
    trials: Sequence[FrozenTrial], table: TrialTable, bounds: Bounds
) -> dict[str, Any]:
    """Return the columns, `point` for its rank; none where no point has several seeds.

    Args:
        trials: Those of one part of the table.
        table: The table.
        bounds: Those of the study's metric.
    """
    found: list[tuple[int, Sequence[float], int]]
    if table.points is not None:
        points = _by_trial(table.points)
        found = [points[trial_id(trial)] for trial in trials]
    elif table.is_ranked and SEED_VALUES_KEY in table.user_attrs:
        ranks = {i: rank for rank, i in enumerate(table.ids, start=1)}
        found = [(ranks[trial_id(trial)], values_of_seeds(trial), 0) for trial in trials]
    else:
        return {}
    cells = [_cells(*each, bounds) for each in found]
    counts = {name: pd.Series([c[name] for c in cells], dtype="int64") for name in COUNTS}
    return counts | {n: pd.Series([c[n] for c in cells], dtype="float64") for n in NUMBERS}


def _by_trial(points: Sequence[SeededPoint]) -> dict[int, tuple[int, Sequence[float], int]]:
    return {
        i: (rank, list(point.values.values()), point.n_missing)
        for rank, point in enumerate(points, start=1)
        for i in point.values
    }


def _cells(rank: int, values: Sequence[float], n_missing: int, bounds: Bounds) -> Mapping[str, Any]:
    center, std, n = mean(values), spread(values), len(values)
    low, high = within(interval(center, std, n), bounds) or (None, None)
    return {
        "point": rank,
        "point_mean": center,
        "point_std": std,
        "point_low": low,
        "point_high": high,
        "point_seeds": n,
        "point_missing": n_missing,
    }
