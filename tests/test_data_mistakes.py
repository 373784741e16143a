"""Mistakes in data of a user's own: one short error each by `hpo create`, and no study."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
import pytest
from commands import hpo_here
from PIL import Image

from objectives import DataOptions
from objectives.data import datasets
from objectives.data.encoding import AS_STORED
from objectives.data.streams import first_batch
from objectives.errors import DataError

N = 60
STUDY = """
name = "s"
objective = "mlp"
dataset = "{dataset}"
metric = "{metric}"
search = {{ design = "grid" }}
[data]
{data}
[fixed]
{fixed}
[space]
{space}
"""
Table = Callable[[pd.DataFrame], "pd.DataFrame | None"]


def houses() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame({
        "price": rng.normal(50, 10, N), "area": rng.normal(size=N), "kind": ["x", "y"] * (N // 2),
        "street": np.arange(N) % 10, "day": np.arange(N), "part": ["train", "val", "test"] * 20,
    })  # fmt: skip


def without(column: str) -> Table:
    """Leave the value of a column out in line 7."""
    return lambda table: table.assign(**{column: table[column].where(table.index != 5)})


def same(column: str, value: Any) -> Table:
    return lambda table: table.assign(**{column: value})


def rare(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(kind=["x"] * (N - 2) + ["y"] * 2)


def infinite(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(price=table["price"].where(table.index != 5, np.inf))


PRICE, KIND = 'target = "price"', 'target = "kind"'
TABLES = [  # what is done to the table, lines of [data], lines of [fixed], the error
    (None, "target = []", "", r"Expected \[data\] target, the column to predict, .* none\."),
    (infinite, PRICE, "", "column price, the target. Received: inf in line 7."),
    (without("street"), f'{PRICE}\ngroup = "street"', "",
     "a group in each row of column street. Received: none in line 7."),
    (same("street", 3), f'{PRICE}\ngroup = "street"', "",
     "two groups in column street, .* Received: one, 3."),
    (None, f'{PRICE}\ngroup = "street"\nfolds = 12', "",
     "as many groups in street as folds. Received: folds=12, and 10.$"),
    (lambda table: table[:5], f'{PRICE}\ntime = "day"\nfolds = 5', "",
     "Expected more rows than folds, since the .* Received: folds=5, and 5.$"),
    (rare, f"{KIND}\nfolds = 3", "",
     "dataset: Expected at least as many examples of each class as folds. .* 2 of class y.$"),
    (without("day"), f'{PRICE}\ntime = "day"', "", "in column day. Received: none in line 7."),
    (without("part"), f'{PRICE}\nsplit = "part"', "", "in column part. Received: none in line 7."),
    (same("part", "train"), f'{PRICE}\nsplit = "part"', "",
     "rows of the validation part, by column part. Received: none. Write validation there"),
    (None, PRICE, 'class_weight = "balanced"',
     "line 10: fixed.class_weight: Expected classes as target, .* whose numbers are told. Leave"),
    (None, KIND, "class_weight = { z = 2.0 }",
     "line 10: fixed.class_weight: Expected a label of the data, .* one of x, y. Received: z."),
]  # fmt: skip


@pytest.fixture
def create(tmp_path: Path, sqlite_url: str) -> Callable[..., str]:
    """Return what runs `hpo create` on a study that must be refused, and returns the error."""

    def run(dataset: str, data: str = "", fixed: str = "", space: str = "") -> str:
        metric = "val_accuracy" if KIND in data or "target" not in data else "val_loss"
        space = space or "learning_rate = [0.01]"
        text = STUDY.format(dataset=dataset, metric=metric, data=data, fixed=fixed, space=space)
        (tmp_path / "s.toml").write_text(text)
        made = hpo_here("create", "s.toml", url=sqlite_url, folder=tmp_path)
        assert made.returncode == 1, made.stdout
        assert made.stderr.startswith("error: s.toml, line ")
        assert optuna.get_all_study_names(sqlite_url) == []
        return " ".join(made.stderr.split())

    return run


@pytest.mark.parametrize(("change", "data", "fixed", "words"), TABLES)
def test_a_mistake_in_a_table(
    create: Callable[..., str],
    tmp_path: Path,
    change: Table | None,
    data: str,
    fixed: str,
    words: str,
) -> None:
    table = houses()
    changed = table if change is None else change(table)
    assert changed is not None
    changed.to_csv(tmp_path / "houses.csv", index=False)
    found = create("houses.csv", data, fixed)
    assert re.search(words, found), found


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("price;area\n1;2\n3;4\n", "Separate the columns by commas, not by ';'."),
        ("price,town\n1,M\xfcnchen\n", "invalid start byte. Save it in UTF-8."),
        ("price,area,area\n1,2,3\n", "columns of different names .* Received: area, more than"),
        (",price,area\n0,1,2\n1,2,3\n", r'none for column 1, .* drop = \["Unnamed: 0"\]'),
    ],
)
def test_a_file_that_is_no_table_as_others_write_it(
    create: Callable[..., str], tmp_path: Path, content: str, words: str
) -> None:
    (tmp_path / "houses.csv").write_bytes(content.encode("latin-1"))
    found = create("houses.csv", PRICE)
    assert re.search(words, found), found


def test_the_index_that_pandas_has_written_can_be_dropped(tmp_path: Path, sqlite_url: str) -> None:
    houses().to_csv(tmp_path / "houses.csv")
    lines = {"data": f'{PRICE}\ndrop = ["Unnamed: 0"]', "fixed": "", "metric": "val_loss"}
    space = "learning_rate = [0.01]"
    (tmp_path / "s.toml").write_text(STUDY.format(dataset="houses.csv", space=space, **lines))
    made = hpo_here("create", "s.toml", url=sqlite_url, folder=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "3 columns of numbers are standardized, 2 of text are one-hot" in made.stdout


def test_classes_that_the_space_weighs_are_looked_at_too(
    create: Callable[..., str], tmp_path: Path
) -> None:
    x = np.random.default_rng(0).integers(0, 256, (N, 8, 8)).astype(np.uint8)
    np.savez(tmp_path / "mine.npz", x_train=x, y_train=np.arange(N) % 3)
    levels = "a = { class_weight = { 1 = 2.0 } }, b = { class_weight = { 7 = 2.0 } }"
    found = create("mine.npz", space=f"weigh = {{ {levels} }}")
    assert "space.weigh: Expected a label of the data" in found
    np.savez(tmp_path / "mine.npz", x_train=x.reshape(N, -1), y_train=np.arange(N) % 3)
    assert "A network of your own, build(trial), takes any arrays." in create("mine.npz")


def test_what_is_not_there_is_told_before_what_it_cannot_have(create: Callable[..., str]) -> None:
    assert "There is no such file: " in create("nowhere.csv", PRICE)
    found = create("birds", "channels = 2")
    assert "data.channels: Expected a value, one of 1, 3. Received: 2." in found


def test_a_part_is_no_class(create: Callable[..., str], tmp_path: Path) -> None:
    for i in range(4):
        file = tmp_path / "birds" / "validation" / "owl" / f"{i}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (16, 16), i).save(file)
    assert "Expected a folder train beside those of other parts in" in create("birds")


CODE = """
import numpy as np
x, y = np.arange(120.0).reshape(60, 2), np.arange(60) % 2
def load({arguments}):
    {body}
"""


@pytest.fixture
def function(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Write a function that loads data; return its name."""

    def write(body: str, arguments: str = "") -> str:
        (tmp_path / "own_load.py").write_text(CODE.format(body=body, arguments=arguments))
        return f"{tmp_path}/own_load.py:load"

    yield write
    sys.modules.pop("own_load", None)


@pytest.mark.parametrize(
    ("body", "arguments", "words"),
    [
        ("pass", "", r"Received: None. Is a `return` missing\?$"),
        ("return {'train': (x, y)}", "n", r"'n'. Its arguments are the lines of \[data\].$"),
        ("return load(1, 2, 3)", "", r"given \(own_load.py, line 5\)\.$"),
        ("return {'train': (x[:0], y[:0])}", "", "Expected examples in the training part"),
        (
            "return {'train': (x * np.where(x == 7, np.nan, 1), y)}",
            "",
            r"others, first at \[3, 1\]",
        ),
    ],
)
def test_a_mistake_in_a_function(
    function: Callable[..., str], body: str, arguments: str, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        datasets.load(function(body, arguments), DataOptions(), AS_STORED)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("return {'train': (x, y, y - 0.5)}", r"weights from 0 in .*own_load.py:load. .*: -0.5\.$"),
        (
            "return {'train': (x, y), 'test': (x, y, y - 0.5)}",
            r"weights from 0 in the test part of .* Received: others\.$",
        ),
    ],
)
def test_weights_below_0_are_refused_where_a_study_is_made_and_no_worker_of_one_of_before(
    function: Callable[..., str], body: str, words: str
) -> None:
    name = function(body)
    with pytest.raises(DataError, match=words):
        datasets.load_checked(name, DataOptions(), AS_STORED)
    assert len(datasets.load(name, DataOptions(), AS_STORED).x_train) > 0
    if "test" in body:
        assert datasets.load_test(name, DataOptions(), AS_STORED)[2].min() == -0.5


def test_what_is_no_function_or_fails_as_it_yields_is_named(function: Callable[..., str]) -> None:
    name = function("pass\nother = 3").replace(":load", ":other")
    with pytest.raises(DataError, match=r"a function that returns data. Received: .*, of type int"):
        datasets.load(name, DataOptions(), AS_STORED)

    def batches() -> Iterator[Any]:
        raise OSError("disk full")
        yield

    with pytest.raises(DataError, match=r"as train. Received: OSError: disk full \(test_data_mist"):
        first_batch("train", batches)
