"""Part the rows of a table: at random or by class, by groups, by time, or as a column says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from objectives.data.as_stored import are_classes
from objectives.data.columns import FIRST_ROW
from objectives.data.npz import ENDINGS, Part
from objectives.data.options import DEFAULT, DataOptions
from objectives.data.splits import stratified_parts
from objectives.errors import DataError
from objectives.types import Array

if TYPE_CHECKING:
    import pandas as pd

HoldOut = Callable[[Array, float, str], tuple[Array, Array]]
"""Takes indices of rows, the share to hold out, and the option that says it; returns both parts."""


def parts_of(table: pd.DataFrame, y: Array, options: DataOptions) -> Mapping[Part, Array]:
    """Return the indices of each part's rows.

    First the test part is held out, where `test_fraction` says so, then the validation part.

    Args:
        table: All rows.
        y: What is to be predicted, (n, ...).
        options: How to part them.

    Raises:
        DataError: They cannot be parted as asked.
    """
    if options.split is not None:
        return _as_said(table[options.split], options)
    if options.group is not None and options.time is not None:
        raise DataError("Expected group or time. Received: both.")
    hold_out = _random(y, options)
    if options.group is not None:
        hold_out = _by_group(table[options.group], options)
    if options.time is not None:
        hold_out = _by_time(table[options.time])
    rows = np.arange(len(table))
    parts: dict[Part, Array] = {}
    if options.test_fraction is not None:
        rows, parts["test"] = hold_out(rows, options.test_fraction, "test_fraction")
    train, validation = hold_out(rows, options.validation_fraction, "validation_fraction")
    return {"train": train, "validation": validation, **parts}


def _as_said(column: pd.Series[Any], options: DataOptions) -> Mapping[Part, Array]:
    """Part rows by a column that has the name of each row's part."""
    for option in ("validation_fraction", "test_fraction", "group", "time"):
        if getattr(options, option) != getattr(DEFAULT, option):
            raise DataError(
                f"Expected no {option} beside split, which says the part of each row. "
                f"Received: {option}={getattr(options, option)}."
            )
    known = {name: part for part, names in ENDINGS.items() for name in names}
    said = column.astype(str).str.lower()
    unknown = ~said.isin(list(known))
    if unknown.any():
        line = int(column.index[unknown][0]) + FIRST_ROW
        raise DataError(
            f"Expected one of {', '.join(known)} in column {column.name}. "
            f"Received: {column[unknown].iloc[0]!r} in line {line}."
        )
    parts = said.map(known).to_numpy()
    found = {part: np.flatnonzero(parts == part) for part in ENDINGS}
    for part in ("train", "validation"):
        if not len(found[part]):
            raise DataError(f"Expected rows of the {part} part in {column.name}. Received: none.")
    return {part: rows for part, rows in found.items() if len(rows)}


def _random(y: Array, options: DataOptions) -> HoldOut:
    """Hold rows out at random, by class where there are classes."""

    def hold_out(rows: Array, fraction: float, option: str) -> tuple[Array, Array]:
        own = y[rows]
        n = ceil(len(rows) * fraction)
        if own.dtype.kind == "U" or are_classes(own):
            kept, held = stratified_parts(own, n, options.seed, option, fraction)
        else:
            order = np.random.default_rng(options.seed).permutation(len(rows))
            kept, held = np.sort(order[n:]), np.sort(order[:n])
        return _checked(rows[kept], rows[held], fraction, option)

    return hold_out


def _by_group(column: pd.Series[Any], options: DataOptions) -> HoldOut:
    """Hold whole groups out, chosen at random, until there are enough rows."""

    def hold_out(rows: Array, fraction: float, option: str) -> tuple[Array, Array]:
        names, groups, sizes = np.unique(
            column.iloc[rows].astype(str), return_inverse=True, return_counts=True
        )
        order = np.random.default_rng(options.seed).permutation(len(names))
        before = np.cumsum(sizes[order]) - sizes[order]
        is_held = np.isin(groups, order[before < fraction * len(rows)])
        return _checked(rows[~is_held], rows[is_held], fraction, option)

    return hold_out


def _by_time(column: pd.Series[Any]) -> HoldOut:
    """Hold the latest rows out; rows of one time stay together."""
    times = _times(column)

    def hold_out(rows: Array, fraction: float, option: str) -> tuple[Array, Array]:
        own = times[rows]
        first = np.sort(own)[len(own) - ceil(len(own) * fraction)]
        return _checked(rows[own < first], rows[own >= first], fraction, option)

    return hold_out


def _times(column: pd.Series[Any]) -> Array:
    """Return numbers in the order of times, which are numbers or dates."""
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column.dtype):
        times, parsed = column.to_numpy(np.float64, na_value=np.nan), column
    else:
        parsed = pd.to_datetime(column, errors="coerce", format="mixed", utc=True)
        times = parsed.astype("int64").to_numpy(np.float64)
    if parsed.isna().any():
        line = int(column.index[parsed.isna()][0]) + FIRST_ROW
        raise DataError(
            f"Expected a number or a date in column {column.name}. "
            f"Received: {column[parsed.isna()].iloc[0]!r} in line {line}."
        )
    return times


def _checked(kept: Array, held: Array, fraction: float, option: str) -> tuple[Array, Array]:
    if not len(kept) or not len(held):
        raise DataError(
            f"Expected rows to learn from and rows to judge by. Received: {option}={fraction:g}, "
            f"which makes {len(kept)} and {len(held)}."
        )
    return kept, held
