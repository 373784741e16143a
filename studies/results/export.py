"""Trials as data frames, and as CSV, Parquet, JSON and Markdown files.

Columns have the names of Optuna's `trials_dataframe` and a stable order, so that a script that
reads one export can read the next.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import optuna
import pandas as pd
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial

from objectives.errors import unknown_name
from storage import Column, StudyGoneError, TrialTable, trial_id, trial_table
from studies.errors import FileFormatError, StudyNotFoundError
from studies.results.markdown import ATTRIBUTE, PARAM, columns_to_read, write_markdown
from studies.results.metric_bounds import Bounds, metric_bounds
from studies.results.output_folder import check_folder
from studies.results.point_columns import point_columns

FORMATS = ("csv", "parquet", "json", "md")
ROWS = 400  # of a table that are in memory at a time, where it is written part by part
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")  # a cell that begins so is computed


def best_trials(study: optuna.Study, top: int = 10) -> pd.DataFrame:
    """Return the completed trials of the `top` best points, the best first, of equals the earlier.

    Where a point has several seeds, points are ranked by the mean over them: columns `point` and
    `point_mean`, and others like it, tell of the point of each trial.
    """
    return export_trials(study, top=top)


def export_trials(
    study: optuna.Study,
    path: str | Path | None = None,
    *,
    top: int | None = None,
    columns: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Return the trials as a data frame, and write them to a file.

    A file of Markdown is for reading: its numbers have five digits, and what repeats a trial is in
    it only if it is among the `columns`, as histories, versions and hashes.

    Args:
        study: The study.
        path: The file to write, in the format that its ending names: csv, parquet, json or md.
            None writes no file.
        top: Only the completed trials of this many of the best points, as in `best_trials`. None
            for every trial that has started, by number.
        columns: The columns, in this order; a parameter and an attribute by its own name too. None
            for all.

    Raises:
        ValueError: The file's ending or a column is unknown.
        OSError: The file cannot be written.
    """
    if path is not None:
        check_output(path)
    (frame,) = _frames(study, top, sys.maxsize, columns)
    if path is not None:
        shown = _shown(frame, path, top, columns)
        _write_frames([frame[shown]], Path(path))
    return frame


def write_trials(
    study: optuna.Study,
    path: str | Path,
    *,
    top: int | None = None,
    columns: Sequence[str] | None = None,
) -> int:
    """Write the trials to a file as `export_trials` does, some hundred in memory at a time.

    Returns:
        The number of trials.

    Raises:
        ValueError: The file's ending or a column is unknown.
        OSError: The file cannot be written.
    """
    check_output(path)
    frames = _frames(study, top, ROWS, columns)
    # The first part before the file is opened: an unknown column must not empty it.
    first = next(frames)
    shown = _shown(first, path, top, columns)
    parts = itertools.chain([first], frames)
    return _write_frames((part[shown] for part in parts), Path(path))


def print_trials(
    study: optuna.Study,
    stream: TextIO,
    *,
    top: int | None = None,
    columns: Sequence[str] | None = None,
) -> None:
    """Write the trials to a stream as CSV, some hundred in memory at a time.

    Raises:
        ValueError: A column is unknown.
    """
    _write_csv(_frames(study, top, ROWS, columns), stream)


def check_output(path: str | Path) -> None:
    """Check that the ending of a file's name is a known format, and that its folder is there.

    Raises:
        FileFormatError: The ending is unknown.
        FolderError: The folder is not there.
    """
    if Path(path).suffix[1:].lower() not in FORMATS:
        raise FileFormatError(
            f"Expected a file name that ends in {', '.join(FORMATS)}. Received: {str(path)!r}."
        )
    check_folder(path)


def write_frame(frame: pd.DataFrame, path: str | Path) -> None:
    """Write a data frame in the format that the ending of a file's name stands for.

    Raises:
        ValueError: The ending is unknown.
        OSError: The file cannot be written.
    """
    check_output(path)
    _write_frames([frame], Path(path))


def to_csv(frame: pd.DataFrame) -> str:
    """Return a data frame as CSV in which a spreadsheet takes no cell for a formula."""
    return _csv(frame, header=True)


def _frames(
    study: optuna.Study, top: int | None, rows: int, columns: Sequence[str] | None
) -> Iterator[pd.DataFrame]:
    """Yield the trials of the `top` best points, or all that have started; at least one part."""
    try:
        bounds = metric_bounds(study)
        with trial_table(study, top) as table:
            for trials in table.parts(rows):
                frame = _frame(trials, table, bounds)
                yield frame if columns is None else frame[_chosen(columns, list(map(str, frame)))]
    except StudyGoneError:
        raise StudyNotFoundError(f"Study {study.study_name!r} was deleted.") from None


def _chosen(columns: Sequence[str], known: Sequence[str]) -> list[str]:
    """Return the full names of columns.

    Raises:
        UnknownNameError: There is no such column.
    """
    chosen = []
    for name in columns:
        full = [each for each in (name, PARAM + name, ATTRIBUTE + name) if each in known]
        if not full:
            short = [each.removeprefix(PARAM).removeprefix(ATTRIBUTE) for each in known]
            raise unknown_name("a column", name, short)
        chosen.append(full[0])
    return list(dict.fromkeys(chosen))


def _shown(
    frame: pd.DataFrame, path: str | Path, top: int | None, columns: Sequence[str] | None
) -> list[str]:
    """Return the columns that a file has: one of Markdown is read by people."""
    if columns is not None or Path(path).suffix.lower() != ".md":
        return list(map(str, frame))
    return columns_to_read(frame, only_complete=top is not None)


def _frame(trials: list[FrozenTrial], table: TrialTable, bounds: Bounds) -> pd.DataFrame:
    """Make the data frame: Optuna's columns, then parameters and attributes, each by name."""
    times = [table.times[trial_id(trial)] for trial in trials]
    start, complete = _utc(began for began, _ in times), _utc(ended for _, ended in times)
    columns: dict[str, Any] = {
        "number": [trial.number for trial in trials],
        "value": pd.Series([trial.value for trial in trials], dtype="float64"),
        "state": pd.Series([trial.state.name for trial in trials], dtype="str"),
        "datetime_start": start,
        "datetime_complete": complete,
        "duration": complete - start,
    }
    columns |= point_columns(trials, table, bounds)
    for name, column in table.params.items():
        columns[f"{PARAM}{name}"] = _column([level_of(t, name) for t in trials], column)
    for key, column in table.user_attrs.items():
        columns[f"{ATTRIBUTE}{key}"] = _column([t.user_attrs.get(key) for t in trials], column)
    return pd.DataFrame(columns)


def level_of(trial: FrozenTrial, name: str) -> Any:
    """Return a parameter; that of a range with steps as a person counts them, 3 * 0.1 as 0.3."""
    value = trial.params.get(name)
    distribution = trial.distributions.get(name)
    if isinstance(distribution, FloatDistribution) and distribution.step is not None:
        return None if value is None else float(f"{value:.15g}")
    return value


def _column(cells: list[Any], column: Column) -> Any:
    """Return cells of a type that the whole column has, whichever part of it they are.

    Integers stay integers where some are missing.
    """
    if str in column.kinds:
        cells = [_utf8(cell) if isinstance(cell, str) else cell for cell in cells]
    if column.kinds == {int} and not column.has_gaps:
        return cells  # of more than 64 bits, it may be
    if column.kinds == {int}:
        return pd.array(cells, dtype="Int64")
    if column.kinds and column.kinds <= {int, float}:
        return pd.array(cells, dtype="float64")
    if column.kinds == {str}:
        return pd.array(cells, dtype="str")
    if column.kinds == {bool} and column.has_gaps:
        return pd.array(cells, dtype="boolean")
    return pd.Series(cells, dtype=bool if column.kinds == {bool} else object)


def _utf8(text: str) -> str:
    """Return a text as every format holds it: a file's name may have bytes that are not UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()


def _utc(times: Iterable[Any]) -> pd.Series[pd.Timestamp]:
    return pd.Series([pd.NaT if t is None else t for t in times], dtype="datetime64[us, UTC]")


def _write_frames(frames: Iterable[pd.DataFrame], path: Path) -> int:
    """Write parts of one table in the format of the ending; return the number of rows."""
    n = 0

    def counted() -> Iterator[pd.DataFrame]:
        nonlocal n
        for frame in frames:
            n += len(frame)
            yield frame

    ending = path.suffix[1:].lower()
    if ending == "parquet":
        _write_parquet(counted(), path)
        return n
    with path.open("w", encoding="utf-8") as file:
        match ending:
            case "csv":
                _write_csv(counted(), file)
            case "json":
                _write_json(counted(), file)
            case "md":
                write_markdown(map(_as_text, counted()), file)
    return n


def _write_csv(frames: Iterable[pd.DataFrame], file: TextIO) -> None:
    """Write parts of one table as CSV, as `to_csv` does."""
    for i, frame in enumerate(frames):
        file.write(_csv(frame, header=i == 0))


def _csv(frame: pd.DataFrame, *, header: bool) -> str:
    new = _as_text(frame)
    for name, column in new.items():
        if isinstance(column.dtype, pd.DatetimeTZDtype):
            # One by one: pandas writes all of a part with as many decimals as one of them needs.
            times = [None if pd.isna(time) else str(time) for time in column]
            new[name] = pd.Series(times, column.index, dtype="str")
    return str(_harmless(new).to_csv(index=False, header=header))


def _write_json(frames: Iterable[pd.DataFrame], file: TextIO) -> None:
    """Write parts of one table as a list of rows."""
    is_first = True
    file.write("[")
    for frame in frames:
        for row in _in_seconds(frame).to_dict("records"):
            # Not with pandas, which rounds to a fixed number of decimals.
            text = json.dumps(_plain(row), indent=1, allow_nan=False).replace("\n", "\n ")
            file.write(("\n " if is_first else ",\n ") + text)
            is_first = False
    file.write("]" if is_first else "\n]")


def _write_parquet(frames: Iterable[pd.DataFrame], path: Path) -> None:
    """Write parts of one table as Parquet, a group of rows each."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    with contextlib.ExitStack() as stack:
        writer = None
        for frame in frames:
            table = pa.Table.from_pandas(_typed(frame), preserve_index=False)
            if writer is None:
                writer = stack.enter_context(pq.ParquetWriter(path, table.schema))
            writer.write_table(table)


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
    if "duration" not in frame:
        return frame.copy()
    return frame.assign(duration=frame["duration"].dt.total_seconds())


def _as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with nested cells as JSON and the duration in seconds."""
    new = _in_seconds(frame)
    for name, column in new.items():
        if column.dtype == object:
            new[name] = _mapped(
                lambda cell: json.dumps(_plain(cell)) if _is_nested(cell) else cell, column
            )
    return new


def _mapped(change: Callable[[Any], Any], column: pd.Series[Any]) -> pd.Series[Any]:
    """Change each cell; pandas' own way would give a part of a column a type of its own."""
    return pd.Series([change(cell) for cell in column], column.index, dtype=column.dtype)


def _is_nested(cell: Any) -> bool:
    return isinstance(cell, list | tuple | Mapping)


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with each column of mixed types as text: Parquet needs one type a column."""
    new = _as_text(frame)
    for name in frame.columns:
        if frame[name].dtype == object:
            cells = [None if pd.isna(cell) else str(cell) for cell in new[name]]
            new[name] = pd.array(cells, dtype="str")
    return new


def _harmless(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with a quote before each text that a spreadsheet would compute."""

    def quote(cell: Any) -> Any:
        if not isinstance(cell, str):
            return cell
        quoted = f"'{cell}" if cell.startswith(FORMULA_SIGNS) else cell
        # Python's csv does not quote a bare carriage return, which readers take for a new row.
        return quoted.replace("\r\n", "\n").replace("\r", "\n")

    return pd.DataFrame(
        {
            quote(name): _mapped(quote, column) if column.dtype in (object, "str") else column
            for name, column in frame.items()
        }
    )
