"""Trials as a table of Markdown, which people read: few columns, short names and numbers."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, TextIO

import pandas as pd

from studies.attributes import COMPILE_SECONDS_KEY, DATA_KEY, TRAIN_SECONDS_KEY, VERSIONS_KEY

PARAM, ATTRIBUTE = "params_", "user_attrs_"  # prefixes of columns
DATES = ("datetime_start", "datetime_complete")
# What repeats a trial, and what is read elsewhere: the columns that --columns must name.
ASIDE = frozenset(
    ("history", VERSIONS_KEY, DATA_KEY, "files_sha256", "code_sha256", "traceback", "backend",
     "device", "worker", "sampler", "compiled", COMPILE_SECONDS_KEY, "parameter_count",
     "best_epoch", "trained_by", "trained_by_reason", "retried_as", "retry_of", "lost_attempts",
     "fold_values", "fold_best_epochs", "lanes")
)  # fmt: skip
LONGEST = 60  # characters of a text in a column that is there by default


def columns_to_read(frame: pd.DataFrame, *, only_complete: bool) -> list[str]:
    """Return the columns of a table that is read by people, where they choose none.

    Args:
        frame: The first trials.
        only_complete: Whether all trials are complete.
    """
    known = [str(name) for name in frame]
    aside = {*DATES, *(f"{ATTRIBUTE}{name}" for name in ASIDE)}
    if only_complete:
        aside.add("state")
    if f"{ATTRIBUTE}{TRAIN_SECONDS_KEY}" in known:
        aside.add("duration")
    seed = f"{ATTRIBUTE}seed"
    if seed in known and frame[seed].nunique() < 2:
        aside.add(seed)
    aside |= {
        name for name in known if name.startswith(ATTRIBUTE) and not _is_short(name, frame[name])
    }
    return [name for name in known if name not in aside]


def _is_short(name: str, column: pd.Series[Any]) -> bool:
    """Tell whether a user's attribute is a number or a word, and not a list, a path or a report."""
    if name == f"{ATTRIBUTE}fail_reason":
        return True
    texts = [cell for cell in column if isinstance(cell, str)]
    is_long = any(len(text) > LONGEST or text.startswith(("/", "~/", "\\\\")) for text in texts)
    return not is_long and not any(isinstance(cell, list | tuple | dict) for cell in column)


def write_markdown(frames: Iterable[pd.DataFrame], file: TextIO) -> None:
    """Write parts of one table with one line a trial, even where a text has line breaks.

    Args:
        frames: The parts, of whose cells none is nested.
        file: Where to.
    """

    def line(cells: Iterable[str]) -> str:
        words = (text.replace("|", "\\|").replace("\n", "<br>") for text in cells)
        return f"| {' | '.join(words)} |\n"

    for i, frame in enumerate(frames):
        if i == 0:
            file.write(line(_short_names(list(map(str, frame)))) + "|---" * len(frame.columns))
            file.write("|\n")
        rows = frame.astype(object).itertuples(index=False, name=None)
        file.writelines(line(map(_cell, row)) for row in rows)


def _short_names(names: list[str]) -> list[str]:
    """Return names of columns without the prefixes that are not needed to tell them apart."""
    short = [name.removeprefix(PARAM).removeprefix(ATTRIBUTE) for name in names]
    return [s if short.count(s) == 1 else name for name, s in zip(names, short, strict=True)]


def _cell(value: Any) -> str:
    """Return a cell: numbers with five digits, times to the second."""
    if value is None or value is pd.NaT or value is pd.NA:
        return ""
    if isinstance(value, float):
        return f"{value:.5g}" if math.isfinite(value) else ""
    return f"{value:%Y-%m-%d %H:%M:%S}" if isinstance(value, pd.Timestamp) else str(value)
