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
    file.write_text(TEXT.replace("search.depth = 1", ""))
    with pytest.raises(DefinitionError) as caught:  # the line has another value
        load_definition(file, {"epochs": 0})
    assert str(caught.value).startswith("fixed.epochs: Expected")


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


def test_no_array_and_no_list_of_tables_is_taken_for_the_table_of_a_key() -> None:
    text = "[search]\nn_trials = 2\n[fixed]\nepochs = 3\n[[search.enqueue]]\ndropout = 5\n[space]\n"
    text += "hidden_units = [\n  [64],\n  [64]\n]\n  [data]\nseed = -1 # ] [\n"
    text += 'activation = ["rleu"]\n'
    assert line_of("fixed.dropout", text) is None
    assert line_of("search.enqueue[0].dropout", text) is None
    assert line_of("data.seed", text) == 13
    assert line_of("space.activation", text) is None
    assert line_of("space.activation", text.replace("  [data]\nseed = -1 # ] [\n", "")) == 12


def test_a_mistake_of_a_whole_table_is_in_the_line_of_its_header() -> None:
    text = "name = 's'\n[search]\nsampler = 'tpe'\n[space]\nlr = 1\n"
    assert line_of("search", text) == 2
    assert line_of("search.sampler", text) == 3
    assert line_of("fixed", text) is None
