"""One setting on several data sets: differences over the seeds that it has on both."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any

import pandas as pd

from studies.results.compared_points import ComparedPoint
from studies.statistics.paired import (
    ALPHA,
    MOST_SEEDS,
    compare_pairs,
    least_seeds_of_tests,
)

COLUMNS: Mapping[str, str] = {
    **dict.fromkeys(("first", "second"), "str"),
    "n": "int64",
    **dict.fromkeys(("difference", "std", "low", "high", "p", "p_adjusted"), "float64"),
    "differs": "bool",
}
_Pair = tuple[int, int]


def data_pairs(rows: Sequence[Mapping[str, Any]], data: Sequence[object]) -> list[_Pair]:
    """Return the places of studies that have one objective and metric, on different data.

    Args:
        rows: The row of each study in the table.
        data: What it is trained on.
    """
    same = ("objective", "metric", "direction")
    return [
        (i, j)
        for i, j in combinations(range(len(rows)), 2)
        if data[i] != data[j] and all(rows[i][key] == rows[j][key] for key in same)
    ]


def pair_table(
    names: Sequence[str], points: Sequence[ComparedPoint | None], pairs: Sequence[_Pair]
) -> tuple[pd.DataFrame, float]:
    """Return the differences of one setting between data sets, and the level of their intervals.

    They are paired by the seed, the first 40 where there are more, and compared as `hpo confirm`
    compares settings.

    Args:
        names: The studies.
        points: The point with the setting in each; None where it has none.
        pairs: The places of those that are compared.

    Returns:
        A row for each pair with two common seeds or more.
    """
    seeds = _common_seeds(points)
    values = [[None if p is None else p.seeds.get(seed) for seed in seeds] for p in points]
    known = [(i, j) for i, j in pairs if _n_common(values[i], values[j]) > 1]
    found = compare_pairs(values, pairs=known)
    rows = [
        {
            "first": names[each.first],
            "second": names[each.second],
            "n": each.n,
            "difference": each.mean,
            "std": each.std,
            "low": each.low,
            "high": each.high,
            "p": each.p,
            "p_adjusted": each.p_adjusted,
            "differs": each.is_different,
        }
        for each in found
    ]
    frame = pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)
    return frame, found[0].confidence if found else 1 - ALPHA


def pair_notes(
    names: Sequence[str],
    points: Sequence[ComparedPoint | None],
    pairs: Sequence[_Pair],
    table: pd.DataFrame,
) -> list[str]:
    """Return why there are no differences, or why they can tell nothing apart.

    Args:
        names: The studies.
        points: The point with the setting in each.
        pairs: The places of those that are compared.
        table: What `pair_table` has found.
    """
    there = [(i, j) for i, j in pairs if points[i] is not None and points[j] is not None]
    if not there:
        return []
    if table.empty:
        return ["No two of them have two seeds in common, so that no difference is told."]
    lacking = len(there) - len(table)
    notes = [f"{lacking} pairs without two common seeds are left out."] if lacking else []
    least = least_seeds_of_tests(len(table))
    if (table["n"] < least).any():
        notes.append(
            f"Fewer than {least} common seeds cannot call a pair different, whatever their values: "
            f"train it with {least} (search.replicates)."
        )
    return notes


def _common_seeds(points: Sequence[ComparedPoint | None]) -> list[int]:
    counts = Counter(seed for point in points if point is not None for seed in point.seeds)
    return sorted(seed for seed, n in counts.items() if n > 1)[:MOST_SEEDS]


def _n_common(first: Sequence[float | None], second: Sequence[float | None]) -> int:
    both = zip(first, second, strict=True)
    return sum(one is not None and other is not None for one, other in both)
