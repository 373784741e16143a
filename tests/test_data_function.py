"""Data sets that a function of the user's returns: read, split, checked and named in errors."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from objectives import DataOptions
from objectives.data import datasets, sources
from objectives.data.encoding import AS_STORED
from objectives.errors import CodeError, DataError

HEAD = """
import numpy as np
rng = np.random.default_rng(0)
calls = []
x, y = rng.random((100, 5)), np.arange(100) % 2
def numbers(n):
    return {"title": rng.random((n, 4)), "body": rng.integers(0, 9, (n, 3))}
def load({arguments}):
    calls.append(1)
    return {returned}
"""


@pytest.fixture
def function(tmp_path: Path) -> Iterator[Callable[..., str]]:
    """Return a writer of a function that returns something; its module is forgotten afterwards."""
    made: list[str] = []

    def write(returned: str, arguments: str = "") -> str:
        name = f"own_data_{len(made)}"
        made.append(name)
        text = HEAD.replace("{arguments}", arguments).replace("{returned}", returned)
        (tmp_path / f"{name}.py").write_text(text)
        return f"{tmp_path / name}.py:load"

    yield write
    for name in made:
        sys.modules.pop(name, None)


def load(name: str, **options: Any) -> datasets.Dataset:
    return datasets.load(name, DataOptions(**options), AS_STORED)


def test_arrays_are_split_by_class_or_come_with_a_validation_part(
    function: Callable[..., str],
) -> None:
    split = load(function("{'train': (x, y)}"), validation_fraction=0.2)
    assert split.x_train.shape == (80, 5)
    assert np.bincount(split.y_validation).tolist() == [10, 10]
    whole = load(function("{'train': (x, y), 'validation': (x[:7], y[:7])}"))
    assert (whole.n_train, len(whole.x_validation)) == (100, 7)
    assert split.sha256 != whole.sha256


def test_arguments_are_the_lines_of_the_data(function: Callable[..., str]) -> None:
    name = function("{'train': (x[:n], y[:n])}", "n, unused=1")
    assert load(name, arguments={"n": 40}, validation_fraction=0.25).n_train == 30
    with pytest.raises(DataError, match="unexpected keyword argument 'm'"):
        load(name, arguments={"m": 40})


def test_the_function_of_the_page_is_called_with_what_the_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (Path(__file__).parents[1] / "docs" / "own_data.md").read_text()
    (code,) = re.findall(r"```python\n(.*?)```", page, flags=re.DOTALL)
    (name,) = re.findall(r'`dataset = "(.*?)"`', page)
    (n,) = re.findall(r"here `n =\s(\d+)`", page)
    (tmp_path / name.partition(":")[0]).write_text(code)
    monkeypatch.chdir(tmp_path)
    try:
        data = load(name, arguments={"n": int(n)})
    finally:
        sys.modules.pop("my_data", None)
    assert {key: x.shape for key, x in data.x_train.items()} == {
        "title": (900, 8),
        "body": (900, 20, 4),
    }
    assert len(data.y_validation) == 100


def test_nested_arrays_keep_their_names_and_have_weights(function: Callable[..., str]) -> None:
    labels = "{'a': y[:60], 'b': x[:60]}"
    one = f"{{'train': (numbers(60), {labels}, np.arange(60))}}"
    other = one.replace("'b'", "'c'")
    data = load(function(one), validation_fraction=0.5)
    assert {name: array.shape for name, array in data.x_train.items()} == {
        "title": (30, 4),
        "body": (30, 3),
    }
    assert data.y_validation["b"].shape == (30, 5)
    assert sorted([*data.train_weights, *data.validation_weights]) == list(range(60))
    # What belongs together stays together.
    rows = [np.flatnonzero((_x() == b).all(1))[0] for b in data.y_train["b"]]
    assert rows == data.train_weights.tolist()
    assert load(function(other)).sha256 != load(function(one)).sha256
    assert load(function(one)).sha256 == load(function(one)).sha256


def _x() -> np.ndarray[Any, Any]:
    return np.random.default_rng(0).random((100, 5))


def test_labels_that_are_text_become_classes_by_name(function: Callable[..., str]) -> None:
    named = "np.array(['dog', 'cat'])[y]"
    name = function(f"{{'train': (x, {named}), 'test': lambda: (x[:9], ['cat'] * 9)}}")
    data = load(name)
    assert (data.labels, data.n_classes, data.y_train.dtype) == (("cat", "dog"), 2, np.int32)
    x, y = datasets.load_test(name, DataOptions(), AS_STORED)
    assert (x.shape, y.tolist()) == ((9, 5), [0] * 9)
    owl = function(f"{{'train': (x, {named}), 'test': (x[:1], ['owl'])}}")
    with pytest.raises(DataError, match="label=owl"):
        datasets.load_test(owl, DataOptions(), AS_STORED)


def test_what_keras_needs_no_labels_for_has_none(function: Callable[..., str]) -> None:
    data = load(function("{'train': (x,)}"))
    assert (len(data.train), data.y_train) == (1, None)


def test_whether_there_is_a_test_part_is_told_without_reading_it(
    function: Callable[..., str], tmp_path: Path
) -> None:
    datasets.check_has_test(function("{'train': (x, y), 'test': lambda: 1 / 0}"), DataOptions())
    with pytest.raises(DataError, match="Let the function return it, under the key test"):
        datasets.check_has_test(function("{'train': (x, y)}"), DataOptions())
    table = tmp_path / "t.csv"
    table.write_text("a,part\n1,train\n2,train\n3,validation\n")
    for split in (None, "part"):
        with pytest.raises(DataError, match=r"Make the study with \[data\] test_fraction = 0.2"):
            datasets.check_has_test(str(table), DataOptions(target="a", split=split))
    table.write_text("a,part\n1,train\n2,test\n3,validation\n")
    datasets.check_has_test(str(table), DataOptions(target="a", split="part"))
    file = tmp_path / "own.npz"
    np.savez(file, x_train=np.zeros((4, 2, 2)), y_train=[0, 1, 0, 1])
    with pytest.raises(DataError, match=r"as an \.npz with x_test and y_test"):
        datasets.check_has_test(str(file), DataOptions())


def test_a_search_does_not_call_for_the_test_part(function: Callable[..., str]) -> None:
    name = function("{'train': (x, y), 'test': lambda: 1 / 0}")
    load(name)
    assert sys.modules["own_data_0"].calls == [1]
    with pytest.raises(DataError, match=r"ZeroDivisionError: .*\(own_data_0.py, line 10\)"):
        datasets.load_test(name, DataOptions(), AS_STORED)


@pytest.mark.parametrize(
    "test",
    ["(x[:, :4], y)", "(np.where(x > .5, np.nan, x), y)", "(x, y + 5)", "(x[:9], y[:8])", "x"],
)
def test_a_test_part_that_does_not_fit_is_no_data_set(
    function: Callable[..., str], test: str
) -> None:
    name = function(f"{{'train': (x, y), 'test': {test}}}")
    with pytest.raises(DataError, match="test") as caught:
        datasets.load_checked(name, DataOptions(), AS_STORED)
    assert "first at" not in str(caught.value)


@pytest.mark.parametrize(
    ("returned", "words"),
    [
        ("None", "Received: None. Is a `return` missing?"),
        ("(x, y)", "Received: tuple of 2"),
        ("{'training': (x, y)}", "Received: a dict of training"),
        ("{'train': (x, y), 'val': (x, y)}", "Received: val, too"),
        ("{'train': x}", "own_data_0.py:load. Received: ndarray"),
        ("{'train': (x, y[:99])}", "inputs (100, 5), labels (99,)"),
        ("{'train': ({'a': x, 'b': x[:9]}, y)}", "inputs ['a'](100, 5), ['b'](9, 5)"),
        ("{'train': ({'a': x, 'b': x + np.nan}, y)}", "finite inputs['b']"),
        ("{'train': (x, y, y + np.inf)}", "finite weights"),
        ("{'train': (x, [object()] * 100)}", "Received: object"),
        ("{'train': (x, y), 'validation': (x[:, :2], y)}", "shape (2,)"),
        ("{'train': (x, y), 'validation': (x,)}", "labels"),
        ("1 / 0", "ZeroDivisionError: division by zero (own_data_0.py, line 10)"),
        ("__import__('sys').exit(3)", "ExitError: sys.exit(3) (own_data_0.py, line 10)"),
    ],
)
def test_what_is_no_data_set_is_refused_in_one_line(
    function: Callable[..., str], returned: str, words: str
) -> None:
    with pytest.raises(DataError) as caught:
        load(function(returned))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_check_executes_nothing(function: Callable[..., str], tmp_path: Path) -> None:
    sources.check(function("1 / 0"), DataOptions())
    assert "own_data_0" not in sys.modules
    with pytest.raises(CodeError, match="Received: lod"):
        sources.check(function("x").replace(":load", ":lod"), DataOptions())
    with pytest.raises(CodeError, match="no such file"):
        sources.check(f"{tmp_path}/absent.py:load", DataOptions())


def test_built_in_networks_take_pictures_with_classes_of_a_function(
    function: Callable[..., str],
) -> None:
    pictures = "(rng.integers(0, 256, (100, 8, 8)).astype('uint8'), np.array(['b', 'a'])[y])"
    name = function(f"{{'train': {pictures}, 'test': {pictures}}}")
    found = sources.source_of(name).examine(DataOptions())
    assert (found.encoding.scale, found.encoding.labels, found.shape) == (
        255,
        ("a", "b"),
        (8, 8, 1),
    )
    data = datasets.load(name, DataOptions(), found.encoding)
    assert (data.x_train.shape, data.y_train.dtype, data.n_classes) == ((90, 8, 8, 1), np.int32, 2)
    weighted = function(f"{{'train': (*{pictures}, y)}}")
    with pytest.raises(DataError, match="A network of your own"):
        sources.source_of(weighted).examine(DataOptions())
