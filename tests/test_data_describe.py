"""What is told of a data set before anything is trained on it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from objectives import DataOptions
from objectives.data.describe import describe
from studies.cli.catalog_commands import catalog


def rows(folder: Path) -> str:
    lines = ["area,town,part,kind"]
    lines += [f"{'' if i % 10 == 0 else i},{'ab'[i % 2]},train,{i % 2}" for i in range(80)]
    lines += ["50,a,val,1"] * 20 + ["1e6,q,test,0"]
    (folder / "rows.csv").write_text("\n".join(lines))
    return str(folder / "rows.csv")


def test_the_columns_of_a_table_are_told(tmp_path: Path) -> None:
    found = describe(rows(tmp_path), DataOptions(target="kind", split="part"))
    assert (found.n_train, found.n_validation) == (80, 20)
    assert found.classes == {"0": (40, 0), "1": (40, 20)}
    told = {part.name: (part.form, part.values, part.missing) for part in found.parts}
    assert told["area"] == ("float64", "1 to 79", 8)  # nothing of the test part
    assert told["town"] == ("text", "2 different", 0)


def test_arrays_are_told_with_shape_type_and_range(tmp_path: Path) -> None:
    x, y = np.arange(600, dtype=np.float32).reshape(60, 5, 2), np.arange(60) / 10
    np.savez(tmp_path / "own.npz", x_train=x, y_train=y)
    inputs, labels = describe(str(tmp_path / "own.npz"), DataOptions()).parts
    assert (inputs.name, inputs.form) == ("inputs", "(n, 5, 2) float32")
    assert (labels.name, labels.form) == ("labels", "(n) float64")
    assert describe(str(tmp_path / "own.npz"), DataOptions()).classes == {}


def test_the_command_shows_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    options = ["--set", "target=kind", "--set", "split=part"]
    catalog(["data", rows(tmp_path), *options], standalone_mode=False)
    shown = capsys.readouterr().out
    for words in ("80 examples to train on, 20 to validate on", "1 to 79", "2 classes"):
        assert words in shown
