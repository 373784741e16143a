"""Trials as data frames, and as CSV, Parquet, JSON and Markdown files.

Columns have the names of Optuna's `trials_dataframe` and a stable order, so that a script that
reads one export can read the next.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
from optuna.trial import FrozenTrial

from storage import STARTED, best_rows, read_times, storage_of, study_id, trial_id
from studies.errors import FileFormatError, StudyNotFoundError

FORMATS = ("csv", "parquet", "json", "md")
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")  # a cell that begins so is computed


def best_trials(study: optuna.Study, top: int = 10) -> pd.DataFrame:
    """Return the `top` best completed trials, the best first; of equal ones the earlier first."""
    return _frame(study, _trials(study, top))


def export_trials(
    study: optuna.Study, path: str | Path | None = None, *, top: int | None = None
) -> pd.DataFrame:
    """Return the trials as a data frame, and write them to a file.

    Args:
        study: The study.
        path: The file to write, in the format that its ending names: csv, parquet, json or md.
            None writes no file.
        top: Only this many of the best completed trials, the best first. None for every trial that
            has started, by number.

    Raises:
        ValueError: The file's ending is unknown.
        OSError: The file cannot be written.
    """
    if path is not None:
        check_format(path)
    frame = _frame(study, _trials(study, top))
    if path is not None:
        _write(frame, Path(path))
    return frame


def check_format(path: str | Path) -> None:
    """Check that the ending of a file's name is a known format.

    Raises:
        ValueError: The ending is unknown.
    """
    if Path(path).suffix[1:].lower() not in FORMATS:
        raise FileFormatError(
            f"Expected a file name that ends in {', '.join(FORMATS)}. Received: {str(path)!r}."
        )


def to_csv(frame: pd.DataFrame) -> str:
    """Return a data frame as CSV in which a spreadsheet takes no cell for a formula."""
    return str(_harmless(_as_text(frame)).to_csv(index=False))


def _trials(study: optuna.Study, top: int | None) -> list[FrozenTrial]:
    """Return the `top` best completed trials, or every trial that has started."""
    try:
        if top is None:
            return study.get_trials(deepcopy=False, states=STARTED)
        return best_rows(study, top)
    except KeyError:
        raise StudyNotFoundError(f"Study {study.study_name!r} was deleted.") from None


def _frame(study: optuna.Study, trials: list[FrozenTrial]) -> pd.DataFrame:
    """Make the data frame: Optuna's columns, then parameters and attributes, each by name."""
    with storage_of(study).reading() as connection:
        times = read_times(connection, study_id(study))
    found = [times.get(trial_id(trial), (None, None)) for trial in trials]
    start = _utc(began for began, _ in found)
    # A trial may have ended since it was read.
    complete = _utc(
        ended if trial.state.is_finished() else None
        for trial, (_, ended) in zip(trials, found, strict=True)
    )
    params = sorted({name for trial in trials for name in trial.params})
    attrs = sorted({name for trial in trials for name in trial.user_attrs})
    columns: dict[str, Any] = {
        "number": [trial.number for trial in trials],
        "value": [trial.value for trial in trials],
        "state": [trial.state.name for trial in trials],
        "datetime_start": start,
        "datetime_complete": complete,
        "duration": complete - start,
    }
    columns |= {f"params_{n}": _column([t.params.get(n) for t in trials]) for n in params}
    columns |= {f"user_attrs_{n}": _column([t.user_attrs.get(n) for t in trials]) for n in attrs}
    return pd.DataFrame(columns)


def _column(cells: list[Any]) -> Any:
    """Return a column whose integers stay integers where some are missing."""
    kinds = {type(cell) for cell in cells} - {type(None)}
    if str in kinds:
        return [_utf8(cell) if isinstance(cell, str) else cell for cell in cells]
    return pd.array(cells, dtype="Int64") if kinds == {int} and None in cells else cells


def _utf8(text: str) -> str:
    """Return a text as every format holds it: a file's name may have bytes that are not UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def _utc(times: Iterable[Any]) -> pd.Series[pd.Timestamp]:
    return pd.Series([pd.NaT if t is None else t for t in times], dtype="datetime64[us, UTC]")


def _write(frame: pd.DataFrame, path: Path) -> None:
    match path.suffix[1:].lower():
        case "csv":
            path.write_text(to_csv(frame), encoding="utf-8")
        case "json":
            rows = _in_seconds(frame).to_dict("records")
            # Not with pandas, which rounds to a fixed number of decimals.
            text = json.dumps([_plain(row) for row in rows], indent=1, allow_nan=False)
            path.write_text(text, encoding="utf-8")
        case "md":
            path.write_text(_markdown(frame), encoding="utf-8")
        case "parquet":
            _typed(frame).to_parquet(path, index=False)


def _plain(cell: Any) -> Any:
    """Return a cell as JSON can hold it: times in ISO 8601, null for nan and infinity."""
    if isinstance(cell, Mapping):
        return {key: _plain(value) for key, value in cell.items()}
    if isinstance(cell, list | tuple):
        return [_plain(value) for value in cell]
    if cell is pd.NaT or cell is pd.NA or (isinstance(cell, float) and not math.isfinite(cell)):
        return None
    return cell.isoformat() if isinstance(cell, pd.Timestamp) else cell


def _in_seconds(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with its duration in seconds, a number that every format can hold."""
    return frame.assign(duration=frame["duration"].dt.total_seconds())


def _as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with nested cells as JSON and the duration in seconds."""
    new = _in_seconds(frame)
    for name in new.columns:
        if new[name].dtype == object:
            new[name] = new[name].map(
                lambda cell: json.dumps(_plain(cell)) if _is_nested(cell) else cell
            )
    return new


def _markdown(frame: pd.DataFrame) -> str:
    """Return a table with one line a trial, even where a text has line breaks, and all digits."""

    def cell(value: Any) -> str:
        plain = _plain(value)
        text = "" if plain is None else str(plain)
        return text.replace("|", "\\|").replace("\n", "<br>")

    cells = _as_text(frame).astype(object).map(cell)
    return str(cells.to_markdown(index=False, disable_numparse=True)) + "\n"


def _is_nested(cell: Any) -> bool:
    return isinstance(cell, list | tuple | Mapping)


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with each column of mixed types as text: Parquet needs one type a column."""
    new = _as_text(frame)
    for name in new.columns:
        kinds = {type(cell) for cell in new[name].dropna()} if new[name].dtype == object else set()
        if len(kinds) > 1:
            new[name] = new[name].map(lambda cell: None if cell is None else str(cell))
    return new


def _harmless(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with a quote before each text that a spreadsheet would compute."""

    def quote(cell: Any) -> Any:
        if not isinstance(cell, str):
            return cell
        quoted = f"'{cell}" if cell.startswith(FORMULA_SIGNS) else cell
        # Python's csv does not quote a bare carriage return, which readers take for a new row.
        return quoted.replace("\r\n", "\n").replace("\r", "\n")

    return pd.DataFrame({quote(name): column.map(quote) for name, column in frame.items()})
