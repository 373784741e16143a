"""An error of a definition in a file names the line of the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from studies import load_definition
from studies.definition.lines import line_of
from studies.errors import DefinitionError, DefinitionNotFoundError

TEXT = """\
name = "s"
objective = "mlp"
dataset = "digits"
metric = "val_accuracy"  # search.n_trials = 3 is no key

[search]   # how
sampler = { name = "tpe", group = true }
n_trials = 9
"repeats" = "train"

[fixed]
epochs = 3
[space]
momentum = { low = 0.1, high = 0.9, when = { optimizer = ["sgd"] } }
optimizer = ["sgd", "adam"]
search.depth = 1
[quick]
epochs = 1
"""


@pytest.mark.parametrize(
    ("key", "line"),
    [
        ("metric", 4),
        ("search.sampler", 7),
        ("search.n_trials", 8),
        ("search.repeats", 9),
        ("fixed.epochs", 12),
        ("space.momentum.when.optimizer", 14),
        ("space.search.depth", 16),
        ("space (momentum=0.1)", None),
        ("search.timeout", None),
        ("direction", None),
        ("epochs", None),
    ],
)
def test_the_line_of_a_key_is_found_or_not_told(key: str, line: int | None) -> None:
    assert line_of(key, TEXT) == line
    assert line_of(key, TEXT + 'note = """\nmetric = 1\n"""') is None


def test_an_error_names_file_and_line(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(TEXT.replace("search.depth = 1", "").replace('"adam"]', '"adm"]'))
    with pytest.raises(DefinitionError) as caught:
        load_definition(file)
    assert str(caught.value).startswith(f"{file}, line 15: space.optimizer: Expected")
    assert caught.value.key == "space.optimizer"


@pytest.mark.parametrize(
    ("overrides", "quick", "line"),
    [
        ({}, False, 12),
        ({}, True, 17),
        ({"epochs": -1}, False, None),  # not of the file
        ({"fixed.epochs": -1}, True, None),
    ],
)
def test_the_line_is_that_of_the_value(
    overrides: dict[str, object], quick: bool, line: int | None, tmp_path: Path
) -> None:
    file = tmp_path / "mine.toml"
    text = TEXT.replace("search.depth = 1\n", "")
    file.write_text(text.replace("epochs = 1" if quick else "epochs = 3", "epochs = 0"))
    with pytest.raises(DefinitionError) as caught:
        load_definition(file, overrides, quick=quick)
    place = "" if line is None else f"{file}, line {line}: "
    assert str(caught.value).startswith(f"{place}fixed.epochs: Expected an int >= 1")


def test_a_file_that_is_not_there_is_no_study_of_the_catalogue(tmp_path: Path) -> None:
    for name in ("mine.toml", "studies/mine"):
        with pytest.raises(DefinitionNotFoundError) as caught:
            load_definition(str(tmp_path / name))
        assert f"no such file as {tmp_path / name}" in str(caught.value)
        assert "digits-mlp" not in str(caught.value)
