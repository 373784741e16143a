"""One setting on several data sets: differences over the seeds that it has on both."""

from __future__ import annotations

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

    They are paired by the seed, the first 40 that both have where there are more, and compared as
    `hpo confirm` compares settings.

    Args:
        names: The studies.
        points: The point with the setting in each; None where it has none.
        pairs: The places of those that are compared.

    Returns:
        A row for each pair with two common seeds or more.
    """
    common = {(i, j): _common_seeds(points[i], points[j]) for i, j in pairs}
    known = [pair for pair in pairs if len(common[pair]) > 1]
    # Two settings for each pair: 40 seeds are a pair's own, and not those of another.
    values = [_values(points[place], common[pair]) for pair in known for place in pair]
    found = compare_pairs(values, pairs=[(2 * k, 2 * k + 1) for k in range(len(known))])
    rows = [
        {
            "first": names[i],
            "second": names[j],
            "n": each.n,
            "difference": each.mean,
            "std": each.std,
            "low": each.low,
            "high": each.high,
            "p": each.p,
            "p_adjusted": each.p_adjusted,
            "differs": each.is_different,
        }
        for (i, j), each in zip(known, found, strict=True)
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
    some, verb = ("1 pair", "is") if lacking == 1 else (f"{lacking} pairs", "are")
    notes = [f"{some} without two common seeds {verb} left out."] if lacking else []
    least = least_seeds_of_tests(len(table))
    if (table["n"] < least).any():
        notes.append(
            f"Fewer than {least} common seeds cannot call a pair different, whatever their values: "
            f"train it with {least} (search.replicates)."
        )
    return notes


def _common_seeds(first: ComparedPoint | None, second: ComparedPoint | None) -> list[int]:
    if first is None or second is None:
        return []
    return sorted(first.seeds.keys() & second.seeds.keys())[:MOST_SEEDS]


def _values(point: ComparedPoint | None, seeds: Sequence[int]) -> list[float]:
    return [] if point is None else [point.seeds[seed] for seed in seeds]
