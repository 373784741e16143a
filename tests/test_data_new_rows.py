"""Rows of a new file: read as the table that was learned from, or refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from objectives.data.columns import Columns
from objectives.data.new_rows import read_new_rows
from objectives.errors import DataError

TRAIN = pd.DataFrame({"room": ["007", "101", "B12", "C1"], "area": [1.0, 2.0, 3.0, 4.0]})


@pytest.mark.parametrize("cells", [["007", "101"], ["007", "101", ""], ["007", "101", "B12"]])
def test_texts_are_told_from_numbers_by_the_table_that_was_learned_from(
    tmp_path: Path, cells: list[str]
) -> None:
    file = tmp_path / "new.csv"
    file.write_text("room,area\n" + "".join(f"{cell},2.5\n" for cell in cells))
    rows, x = read_new_rows(file, Columns.fit(TRAIN))
    assert len(rows) == len(cells)
    expected = [[float(cell == room) for room in TRAIN["room"]] for cell in cells]
    np.testing.assert_array_equal(x[:, 1:], expected)
    np.testing.assert_array_equal(x[:, 0], 0)


@pytest.mark.parametrize("cell", ["inf", "-inf", "1e300"])
def test_a_number_that_no_network_can_take_is_named_with_its_line(
    tmp_path: Path, cell: str
) -> None:
    file = tmp_path / "new.csv"
    file.write_text(f"room,area\nB12,2\nB12,{cell}\n")
    with pytest.raises(DataError, match=r"finite numbers in column area. Received: .* in line 3\."):
        read_new_rows(file, Columns.fit(TRAIN))
