"""Predict the target of new rows by a study's network, encoded as its training part was."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from objectives.data.columns import Columns
from objectives.data.encoding import Encoding, from_json
from objectives.data.new_rows import read_new_rows
from objectives.data.table import SUFFIXES, as_list
from objectives.types import Array
from studies.attributes import ENCODING_KEY
from studies.errors import FileFormatError
from studies.lookup import definition_of
from studies.results.models import load_model

if TYPE_CHECKING:
    import optuna
    import pandas as pd


def predict(
    study: optuna.Study,
    rows: str | Path,
    trial: int | None = None,
    *,
    allow_modules: Sequence[str] = (),
) -> pd.DataFrame:
    """Predict the target of each row of a file. Imports Keras.

    Args:
        study: A study whose data are a table.
        rows: A .csv or .parquet file with the columns of that table; it need have no target.
        trial: The number of the trial whose network is asked; None for the best one.
        allow_modules: As of `load_model`.

    Returns:
        The rows with what is predicted beside them: `predicted_<target>`, a class by its name or a
        number, and of a network with an output a class the outputs, `output_<class>`.

    Raises:
        FileFormatError: The file is of another kind, or the study's data are no table.
        DataError: The file lacks columns, or has text or infinity in place of numbers.
        Exception: As `load_model`.
    """
    path = Path(rows)
    check_format(path)
    encoding = from_json(study.user_attrs.get(ENCODING_KEY))
    definition = definition_of(study)
    if encoding.table is None:
        raise FileFormatError(
            f"Expected a study whose data are a table. Received: {study.study_name}, of "
            f"{definition.dataset}. Give its network arrays: studies.load_model(study)."
        )
    frame, x = read_new_rows(path, Columns.from_json(encoding.table))
    network = load_model(study, trial, allow_modules=allow_modules)
    outputs = np.asarray(network.predict(x, verbose=0))
    outputs = outputs.reshape(len(frame), -1)
    return frame.assign(**_named(outputs, as_list(definition.data.target), encoding))


def check_format(file: Path) -> None:
    """Check that a file is named as one of rows.

    Raises:
        FileFormatError: It is not.
    """
    if file.suffix.lower() not in SUFFIXES:
        raise FileFormatError(f"Expected a file of {' or '.join(SUFFIXES)}. Received: {file}.")


def write(table: pd.DataFrame, file: Path) -> None:
    """Write rows to a .csv or .parquet file."""
    if file.suffix.lower() == ".csv":
        table.to_csv(file, index=False)
    else:
        table.to_parquet(file, index=False)


def _named(outputs: Array, targets: Sequence[str], encoding: Encoding) -> dict[str, Array]:
    """Return the columns that outputs, (n, units), become."""
    n = outputs.shape[1]
    if encoding.labels is not None and len(encoding.labels) == n:
        (target,) = targets
        labels = np.array(encoding.labels)
        own = {f"output_{label}": outputs[:, i] for i, label in enumerate(encoding.labels)}
        return {f"predicted_{target}": labels[outputs.argmax(1)], **own}
    if encoding.labels is None and n == len(targets):
        return {f"predicted_{name}": outputs[:, i] for i, name in enumerate(targets)}
    # What the outputs of a user's network mean is not known.
    return {f"output_{i}": outputs[:, i] for i in range(n)}
