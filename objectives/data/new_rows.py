"""Rows of a new file as the network of a study takes them: read and encoded as its table was."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from objectives.data.columns import FIRST_ROW, Columns
from objectives.data.table import read_frame
from objectives.errors import DataError
from objectives.types import Array

if TYPE_CHECKING:
    import pandas as pd


def read_new_rows(file: Path, columns: Columns) -> tuple[pd.DataFrame, Array]:
    """Read rows to predict.

    Args:
        file: A .csv or .parquet file.
        columns: How the table of the study is encoded.

    Returns:
        The rows as they are, and what the network takes, (n, inputs), float32.

    Raises:
        DataError: It cannot be read, lacks a column, or has text or infinity in place of numbers.
    """
    frame = read_frame(file)
    x = columns.encode(_with_texts(file, frame, columns))
    is_wrong = ~np.isfinite(x)
    if is_wrong.any():
        row, i = map(int, np.argwhere(is_wrong)[0])
        name = columns.numbers[i].name  # a category is 0 or 1
        raise DataError(
            f"Expected finite numbers in column {name}. Received: {frame[name].iloc[row]} in line "
            f"{row + FIRST_ROW}. Mend it, or leave it empty."
        )
    return frame, x


def _with_texts(file: Path, frame: pd.DataFrame, columns: Columns) -> pd.DataFrame:
    """Return the rows with categories as text where these few rows look like numbers.

    A column of `007` and `B12` is text, but numbers in a file that has no `B12`: 7, or 7.0.
    """
    import pandas as pd

    texts = [
        category.name
        for category in columns.categories
        if category.name in frame and frame[category.name].dtype.kind in "iuf"
    ]
    if not texts or file.suffix.lower() != ".csv":
        return frame
    return frame.assign(**pd.read_csv(file, usecols=texts, dtype=str))
