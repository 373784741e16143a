"""Trials -> tables: data frames, CSV, Parquet, JSON, Markdown, and the trained networks.

Columns are named as in Optuna's `trials_dataframe` and stand in a stable order, so that a script
that reads one export reads the next.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from datetime import UTC
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import optuna
import pandas as pd
from optuna.trial import FrozenTrial

from storage import STARTED, artifact_store, best_rows, read_artifact, storage_of, study_id
from studies.attributes import ARTIFACTS_KEY
from studies.errors import (
    FileFormatError,
    NoCompleteTrialError,
    StudyNotFoundError,
    TrialNotFoundError,
)

if TYPE_CHECKING:
    import keras

FORMATS = ("csv", "parquet", "json", "md")
FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")  # what makes a spreadsheet compute a cell


def best_trials(study: optuna.Study, top: int = 10) -> pd.DataFrame:
    """Return the `top` best completed trials, the best first; of equals the earlier one."""
    return _frame(_trials(study, top))


def export_trials(
    study: optuna.Study, path: str | Path | None = None, *, top: int | None = None
) -> pd.DataFrame:
    """Return the trials as a data frame, and write them to a file.

    Args:
        study: The study.
        path: Where to write; its ending says how: csv, parquet, json or md. None writes nothing.
        top: Only so many of the best completed trials, the best first. None is every trial that
            has started, in order of number.

    Raises:
        ValueError: The file's ending is unknown.
        OSError: The file cannot be written.
    """
    if path is not None:
        check_format(path)
    frame = _frame(_trials(study, top))
    if path is not None:
        _write(frame, Path(path))
    return frame


def check_format(path: str | Path) -> None:
    """Check that the ending of a file's name is a known format.

    Raises:
        ValueError: It is not.
    """
    if Path(path).suffix[1:].lower() not in FORMATS:
        raise FileFormatError(
            f"Expected a file name that ends in {', '.join(FORMATS)}. Received: {str(path)!r}."
        )


def to_csv(frame: pd.DataFrame) -> str:
    """Return a data frame as CSV in which no cell is a formula to a spreadsheet."""
    return str(_harmless(_as_text(frame)).to_csv(index=False))


def save_model(study: optuna.Study, file: str | Path, trial: int | None = None) -> int:
    """Write the trained network of a trial to a `.keras` file, which stock Keras loads.

    Args:
        study: The study.
        file: Where to write.
        trial: The number of the trial; the best one by default.

    Returns:
        The number of the trial.

    Raises:
        ValueError: The file's ending is not .keras, or no trial is complete.
        KeyError: There is no such trial.
        FileNotFoundError: The trial's network is not kept.
    """
    path = Path(file)
    if path.suffix != ".keras":
        raise FileFormatError(f"Expected a file name that ends in .keras. Received: {str(file)!r}.")
    storage = storage_of(study)
    best = best_rows(study, 1)  # as ranked everywhere here: of equals the earlier one
    if trial is None and not best:
        raise NoCompleteTrialError(
            "Expected a study with a complete trial. Received: none is complete."
        )
    number = best[0].number if trial is None else trial
    try:
        trial_id = storage.get_trial_id_from_study_id_trial_number(study_id(study), number)
    except KeyError:
        raise TrialNotFoundError(
            f"Expected the number of a trial of {study.study_name}. Received: trial={number}. "
            f"See them: hpo export {study.study_name}"
        ) from None
    store = artifact_store(study.user_attrs[ARTIFACTS_KEY])
    path.write_bytes(read_artifact(storage, store, storage.get_trial(trial_id), path.suffix))
    return number


def load_model(study: optuna.Study, trial: int | None = None) -> keras.Model:
    """Return the trained network of a trial, of the best one by default. Imports Keras.

    Raises:
        KeyError: There is no such trial.
        ValueError: No trial is complete yet.
        FileNotFoundError: The trial's network is not kept.
    """
    import keras

    with TemporaryDirectory(prefix="hpo-") as folder:
        file = Path(folder) / "model.keras"
        save_model(study, file, trial)
        return keras.models.load_model(file)


def _trials(study: optuna.Study, top: int | None) -> list[FrozenTrial]:
    """Return the `top` best completed trials, or every trial that has started."""
    try:
        if top is None:
            return study.get_trials(deepcopy=False, states=STARTED)
        return best_rows(study, top)
    except KeyError:
        raise StudyNotFoundError(f"Study {study.study_name!r} was deleted.") from None


def _frame(trials: Iterable[FrozenTrial]) -> pd.DataFrame:
    """Make the table: Optuna's columns, parameters and attributes sorted by name."""
    trials = list(trials)
    params = sorted({name for trial in trials for name in trial.params})
    attrs = sorted({name for trial in trials for name in trial.user_attrs})
    columns: dict[str, Any] = {
        "number": [trial.number for trial in trials],
        "value": [trial.value for trial in trials],
        "state": [trial.state.name for trial in trials],
        "datetime_start": _utc(trial.datetime_start for trial in trials),
        "datetime_complete": _utc(trial.datetime_complete for trial in trials),
        "duration": pd.Series([trial.duration for trial in trials], dtype="timedelta64[us]"),
    }
    columns |= {f"params_{n}": _column([t.params.get(n) for t in trials]) for n in params}
    columns |= {f"user_attrs_{n}": _column([t.user_attrs.get(n) for t in trials]) for n in attrs}
    return pd.DataFrame(columns)


def _column(cells: list[Any]) -> Any:
    """Return a column in which whole numbers stay so where some are missing."""
    kinds = {type(cell) for cell in cells} - {type(None)}
    return pd.array(cells, dtype="Int64") if kinds == {int} and None in cells else cells


def _utc(times: Iterable[Any]) -> pd.Series[pd.Timestamp]:
    # Optuna stores UTC and gives local time, which two machines would print differently.
    utc = [pd.NaT if time is None else time.astimezone(UTC) for time in times]
    return pd.Series(utc, dtype="datetime64[us, UTC]")


def _write(frame: pd.DataFrame, path: Path) -> None:
    match path.suffix[1:].lower():
        case "csv":
            path.write_text(to_csv(frame), encoding="utf-8")
        case "json":
            rows = _in_seconds(frame).to_dict("records")
            # By Python, since pandas cuts numbers off after some decimals.
            text = json.dumps([_plain(row) for row in rows], indent=1, allow_nan=False)
            path.write_text(text, encoding="utf-8")
        case "md":
            path.write_text(_markdown(frame), encoding="utf-8")
        case "parquet":
            _typed(frame).to_parquet(path, index=False)


def _plain(cell: Any) -> Any:
    """Return a cell as JSON has it: times in ISO 8601, and null for what is no number."""
    if isinstance(cell, Mapping):
        return {key: _plain(value) for key, value in cell.items()}
    if isinstance(cell, list | tuple):
        return [_plain(value) for value in cell]
    if cell is pd.NaT or cell is pd.NA or (isinstance(cell, float) and not math.isfinite(cell)):
        return None
    return cell.isoformat() if isinstance(cell, pd.Timestamp) else cell


def _in_seconds(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose duration is a number of seconds, as every file has it."""
    return frame.assign(duration=frame["duration"].dt.total_seconds())


def _as_text(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame whose nested cells are JSON and whose duration is in seconds."""
    new = _in_seconds(frame)
    for name in new.columns:
        if new[name].dtype == object:
            new[name] = new[name].map(
                lambda cell: json.dumps(_plain(cell)) if _is_nested(cell) else cell
            )
    return new


def _markdown(frame: pd.DataFrame) -> str:
    """Return a table in which each trial is one row, whatever its texts, with all digits."""

    def cell(value: Any) -> str:
        plain = _plain(value)
        text = "" if plain is None else str(plain)
        return text.replace("|", "\\|").replace("\n", "<br>")

    cells = _as_text(frame).astype(object).map(cell)
    return str(cells.to_markdown(index=False, disable_numparse=True)) + "\n"


def _is_nested(cell: Any) -> bool:
    return isinstance(cell, list | tuple | Mapping)


def _typed(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame of columns of one type each, as Parquet needs: mixed ones become text."""
    new = _as_text(frame)
    for name in new.columns:
        kinds = {type(cell) for cell in new[name].dropna()} if new[name].dtype == object else set()
        if len(kinds) > 1:
            new[name] = new[name].map(lambda cell: None if cell is None else str(cell))
    return new


def _harmless(frame: pd.DataFrame) -> pd.DataFrame:
    """Return a frame in which text that a spreadsheet would compute begins with a quote."""

    def quote(cell: Any) -> Any:
        if not isinstance(cell, str):
            return cell
        quoted = f"'{cell}" if cell.startswith(FORMULA_SIGNS) else cell
        # A bare carriage return is not quoted by Python, and begins a row to who reads it.
        return quoted.replace("\r\n", "\n").replace("\r", "\n")

    return pd.DataFrame({quote(name): column.map(quote) for name, column in frame.items()})
