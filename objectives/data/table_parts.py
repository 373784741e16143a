"""Part the rows of a table: at random or by class, by groups, by time, or as a column says."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from objectives.data.as_stored import are_classes
from objectives.data.columns import FIRST_ROW, shown
from objectives.data.npz import ENDINGS, Part
from objectives.data.options import DEFAULT, DataOptions
from objectives.data.splits import fold_parts, stratified_parts
from objectives.errors import DataError
from objectives.types import Array

if TYPE_CHECKING:
    import pandas as pd

HoldOut = Callable[[Array, float, str], tuple[Array, Array]]
"""Takes indices of rows, the share to hold out, and the option that says it; returns both parts."""


def parts_of(
    table: pd.DataFrame, y: Array, options: DataOptions, fold: int = 0
) -> Mapping[Part, Array]:
    """Return the indices of each part's rows.

    First the test part is held out, where `test_fraction` says so, then the validation part.

    Args:
        table: All rows.
        y: What is to be predicted, (n, ...).
        options: How to part them.
        fold: Which of `options.folds` validates, where there are such.

    Raises:
        DataError: They cannot be parted as asked.
    """
    if options.split is not None:
        return _as_said(table[options.split], options)
    if options.group is not None and options.time is not None:
        raise DataError("Expected group or time. Received: both. Leave one out.")
    if options.group is not None:
        _check_whole(table[options.group])
    hold_out = _random(y, options)
    if options.group is not None:
        hold_out = _by_group(table[options.group], options)
    if options.time is not None:
        hold_out = _by_time(table[options.time])
    rows = np.arange(len(table))
    parts: dict[Part, Array] = {}
    if options.test_fraction is not None:
        rows, parts["test"] = hold_out(rows, options.test_fraction, "test_fraction")
    if options.folds is None:
        train, validation = hold_out(rows, options.validation_fraction, "validation_fraction")
    else:
        train, validation = _fold(rows, table, y, options, fold)
    return {"train": train, "validation": validation, **parts}


def _fold(
    rows: Array, table: pd.DataFrame, y: Array, options: DataOptions, fold: int
) -> tuple[Array, Array]:
    """Part rows as one of the folds does: by class, whole groups, or what comes later."""
    from sklearn.model_selection import GroupKFold, TimeSeriesSplit

    folds = options.folds
    assert folds is not None
    try:
        if options.group is not None:
            groups = table[options.group].iloc[rows].astype(str)
            train, validation = list(GroupKFold(folds).split(rows, groups=groups))[fold]
        elif options.time is not None:
            order = np.argsort(_times(table[options.time])[rows], kind="stable")
            train, validation = (
                order[part] for part in list(TimeSeriesSplit(folds).split(rows))[fold]
            )
        else:
            own = y[rows]
            is_class = own.dtype.kind == "U" or are_classes(own)
            train, validation = fold_parts(own, folds, options.seed, fold, is_class=is_class)
    except DataError:
        raise
    except ValueError:  # of scikit-learn: fewer groups or rows than folds
        n, rule = len(rows), "at least as many rows as folds"
        if options.group is not None:
            n = table[options.group].iloc[rows].nunique()
            rule = f"at least as many groups in {options.group} as folds"
        elif options.time is not None:
            rule = "more rows than folds, since the first by time are only learned from"
        raise DataError(f"Expected {rule}. Received: folds={folds}, and {n}.") from None
    return rows[np.sort(train)], rows[np.sort(validation)]


def _as_said(column: pd.Series[Any], options: DataOptions) -> Mapping[Part, Array]:
    """Part rows by a column that has the name of each row's part."""
    for option in ("validation_fraction", "test_fraction", "group", "time", "folds"):
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
            f"Received: {shown(column[unknown].iloc[0])} in line {line}."
        )
    parts = said.map(known).to_numpy()
    found = {part: np.flatnonzero(parts == part) for part in ENDINGS}
    for part in ("train", "validation"):
        if not len(found[part]):
            raise DataError(
                f"Expected rows of the {part} part, by column {column.name}. Received: none. Write "
                f"{part} there, or leave split out."
            )
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
        if len(names) < 2:
            raise DataError(
                f"Expected at least two groups in column {column.name}, to learn from and to judge "
                f"by. Received: one, {names[0]}."
            )
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
            f"Received: {shown(column[parsed.isna()].iloc[0])} in line {line}."
        )
    return times


def _check_whole(column: pd.Series[Any]) -> None:
    """Check that each row has a group."""
    if column.isna().any():
        line = int(column.index[column.isna()][0]) + FIRST_ROW
        raise DataError(
            f"Expected a group in each row of column {column.name}. Received: none in line {line}."
        )


def _checked(kept: Array, held: Array, fraction: float, option: str) -> tuple[Array, Array]:
    if not len(kept) or not len(held):
        raise DataError(
            f"Expected rows to learn from and rows to judge by. Received: {option}={fraction:g}, "
            f"which makes {len(kept)} and {len(held)}."
        )
    return kept, held
