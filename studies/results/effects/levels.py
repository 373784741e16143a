"""The row of a level in the table of level means: over which trials, and how the others ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from studies.results.effects.trials import BROKEN, ENDINGS, Level, Trial

COLUMNS: Mapping[str, str] = {
    "factor": "str",
    "within": "str",
    "level": "object",
    "mean": "float64",
    "adjusted": "float64",
    "difference": "float64",
    "low": "float64",
    "high": "float64",
    "n": "int64",
    "n_trials": "int64",
    "is_default": "bool",
    **{ending.replace(" ", "_"): "int64" for ending in ENDINGS},
}


def level_row(name: str, within: str, level: Level, own: Sequence[Trial]) -> dict[str, Any]:
    """Return the row of a level, without an interval.

    Args:
        name: The factor.
        within: The trials among which it is, in words.
        level: The level.
        own: The trials that have it, whatever they have come to.
    """
    values = [t.value for t in own if t.value is not None]
    endings = [t.ending for t in own]
    counts = {ending.replace(" ", "_"): endings.count(ending) for ending in ENDINGS}
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {"factor": name, "within": within, "level": level, "is_default": False, **counts}
    return row | {"mean": mean_of(values), "n": len(values), "n_trials": len(own)}


def mean_of(values: Sequence[float]) -> float | None:
    """Return a mean; None of nothing."""
    return sum(values) / len(values) if values else None


def level_table(rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """Return rows as a data frame whose columns have the same types whatever there is in them."""
    return pd.DataFrame(
        {name: pd.Series([row[name] for row in rows], dtype=kind) for name, kind in COLUMNS.items()}
    )


def n_broken(row: Mapping[str, Any]) -> int:
    """Return how many trials of a level have ended without a value."""
    return sum(int(row[ending.replace(" ", "_")]) for ending in BROKEN)


def in_words(counts: Mapping[str, int], n: int) -> str:
    """Return how trials ended without a value: `6 of 27 failed, 3 pruned`.

    Args:
        counts: Ending -> number of trials.
        n: How many there are.
    """
    (first, k), *others = ((ending, k) for ending, k in counts.items() if k)
    return ", ".join([f"{k} of {n} {first}", *(f"{k} {ending}" for ending, k in others)])


def endings_of(row: Mapping[str, Any]) -> dict[str, int]:
    """Return ending -> number, of the trials of a level that have ended without a value."""
    return {ending: int(row[ending.replace(" ", "_")]) for ending in BROKEN}
