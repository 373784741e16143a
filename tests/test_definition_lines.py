"""An error of a definition in a file names the line of the file."""

from __future__ import annotations

from pathlib import Path

import pytest

from studies import load_definition
from studies.definition.lines import find_key
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
        ("space (momentum=0.1)", 13),
        ("search.timeout", 6),  # lacking: its table
        ("data.seed", 1),  # its table too: the file
        ("direction", 1),
        ("epochs", 1),
        ("fixed", 11),
    ],
)
def test_the_line_of_a_key_is_its_own_or_that_of_its_table(key: str, line: int) -> None:
    assert find_key(key, TEXT).line == line
    assert find_key(key, TEXT + 'note = """\nmetric = 1\n"""').line == line
    assert find_key(key, "# why\n\n" + TEXT.replace("\n", "\r\n")).line == line + 2


MISTAKES = {  # what is changed in the file -> the line of the error, and what it says
    'objective = "mlp"\n->': (1, 'objective: Expected this line, such as objective = "mlp"'),
    'name = "s"\n->': (1, "name: Expected this line"),
    'dataset = "digits"\n->': (1, "dataset: Expected one of"),
    "n_trials = 9->": (6, "search: Expected n_trials, or a timeout"),
    ', when = { optimizer = ["sgd"] }->': (14, 'such as when = { optimizer = ["sgd"] }.'),
    "epochs = 3->rho = 0.5": (12, "Expected a setting that"),
    "[quick]->[tuner]": (16, "tuner: Expected a key"),
    "[quick]->[[tuner]]": (16, "tuner: Expected a key"),
    "[quick]->[search.pruner]": (16, "search.pruner: Expected"),
    "n_trials = 9->n_trials = nine": (8, "Expected TOML in UTF-8"),
    "epochs = 1->epochs = [": (18, "a bracket or quote is not closed"),
    "epochs = 3->epochs = [\n3]\ndropout = 2": (14, "fixed.dropout: Expected"),
}


@pytest.mark.parametrize("change", list(MISTAKES))
def test_each_mistake_names_its_line_or_that_of_the_table_that_lacks_it(
    change: str, tmp_path: Path
) -> None:
    line, says = MISTAKES[change]
    file = tmp_path / "mine.toml"
    was, _, becomes = change.partition("->")
    text = TEXT.replace("search.depth = 1\n", "")
    assert was in text
    file.write_text(text.replace(was, becomes))
    with pytest.raises(DefinitionError) as caught:
        load_definition(file)
    found = [each for each in caught.value.each() if says in str(each)]
    assert [each.place for each in found] == [f"{file}, line {line}"]


def test_a_level_of_a_setting_names_the_line_of_the_setting(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    head = TEXT.partition("[space]")[0]
    file.write_text(
        f'{head}[space.how]\na = {{ optimizer = "sgd", momentum = 0.5 }}\n'
        'b = { optimizer = "adam", momentum = 0.5 }\n'
    )
    with pytest.raises(DefinitionError, match=r"line 15: space \(how=b\): Expected a setting"):
        load_definition(file)


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
    text = "[search]\nn_trials = 2\n[fixed]\nepochs = 3\n[[search.enqueue]]\ndropout = 5\n"
    text += "[[search.enqueue]]\ndropout = 5\n[space]\n"
    text += "hidden_units = [\n  [64],\n  [64]\n]\n  [data]\nseed = -1 # ] [\n"
    text += 'activation = ["rleu"]\n"a.b" = 1\n'
    lines = {
        "fixed.dropout": 3, "search.enqueue[0].dropout": 6, "search.enqueue[1].dropout": 8,
        "search.enqueue[2].dropout": 5, "space.hidden_units": 10, "space.activation": 9,
        "data.seed": 15, "data.activation": 16, "data.a.b": 17,
    }  # fmt: skip
    assert {key: find_key(key, text).line for key in lines} == lines
    assert find_key("name", "").line == 1
