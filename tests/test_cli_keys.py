"""`hpo keys`: every key of a definition, with an example that is right."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import pytest
from small_studies import table
from typer.testing import CliRunner

from objectives.errors import UnknownNameError
from studies.cli.commands import app
from studies.cli.keys import EXAMPLES, METHODS, MODELS, OPTION_EXAMPLES, SPACE
from studies.definition.data_lines import data_options
from studies.definition.sampler_options import read_pruner, read_sampler
from studies.definition.study import StudyDefinition, parse_definition


def shown(*arguments: str) -> str:
    return CliRunner().invoke(app, ["keys", *arguments], catch_exceptions=False).output


def test_every_key_of_every_model_is_shown_within_80_columns() -> None:
    words = shown()
    for name, model in MODELS.items():
        first_words = [line.split(" ")[0] for line in shown(name).splitlines()]
        assert [word for word in first_words if word in model.model_fields] == [*model.model_fields]
    assert max(map(len, words.splitlines())) <= 80
    assert "[search]" in words
    with pytest.raises(UnknownNameError, match="Did you mean search"):
        shown("serach")


@pytest.mark.parametrize("kind", METHODS)
def test_every_option_of_every_method_has_a_type_a_default_and_an_example(kind: str) -> None:
    lines = shown(kind).splitlines()[2:]
    expected = [
        line
        for method, about in METHODS[kind].items()
        for line in (method, *(f"  {option}" for option in about.options))
    ]
    assert [re.split(r"\b  ", line)[0].rstrip() for line in lines] == expected
    for line in (line for line in lines if line.startswith("  ")):
        key, *cells = re.split("  +", line.strip())
        without_default = key in ("lower", "upper")  # of a threshold: Optuna has none
        assert len(cells) == (2 if without_default else 3), line
    assert f"hpo keys {kind}" in shown("search")


@pytest.mark.parametrize(
    ("read", "name", "option"),
    [
        (read, name, option)
        for kind, read in (("sampler", read_sampler), ("pruner", read_pruner))
        for name, method in METHODS[kind].items()
        for option in method.options
        if method.package is None or find_spec(method.package)
    ],
)
def test_each_example_of_an_option_is_right(
    read: Callable[[Any], Any], name: str, option: str
) -> None:
    value = tomllib.loads(f"x = {OPTION_EXAMPLES[option]}")["x"]
    beside: dict[str, Any] = {"min_resource": 1} if option == "bootstrap_count" else {}
    beside |= {"upper": 20.0} if name == "threshold" else {}  # it needs one of two
    assert read({"name": name, **beside, option: value})[1][option] == value


def test_the_keys_that_train_own_networks_too_are_those_of_fixed() -> None:
    words = shown("fixed")
    assert all(key in words for key in ("epochs", "steps", "batch_size", "plateau_patience"))
    assert "hpo objectives mlp" in words


FACTORS = {"space": {"dropout": [0.5, 0.1], "activation": ["relu", "tanh"]}}
BESIDE = {
    "search.enqueue": {"search": {"n_trials": 2, "enqueue": []}},
    "search.default": {
        "search": {"design": "one-factor-at-a-time", "default": {}},
        "space": {"activation": ["relu", "tanh"]},
    },
    "search.replicates": {"search": {"design": "grid"}},
    "search.design": {"search": {}},
    "search.dummy_levels": {"search": {"design": "orthogonal"}},
    "data.size": {"objective": "clock", "dataset": "clock", "space": {"optimizer": ["adam"]}},
}
BESIDE |= dict.fromkeys(("data.n_images", "data.rotation"), BESIDE["data.size"])


OF_SOME_DATA = {
    f"data.{name}"
    for name in ("channels", "test_fraction", "target", "drop", "group", "time", "split", "weight")
} | {"data.arguments"}


@pytest.mark.parametrize("key", EXAMPLES)
def test_each_example_is_right(key: str) -> None:
    value = tomllib.loads(f"x = {EXAMPLES[key]}")["x"]
    given = table(search={"n_trials": 9}, **FACTORS) | BESIDE.get(key, {})
    section, _, name = key.rpartition(".")
    given |= {section: {**given.get(section, {}), name: value}} if section else {name: value}
    if key in OF_SOME_DATA:  # the data sets that have such options are files and folders
        assert getattr(data_options({name: value}), name) == value
    else:
        assert isinstance(parse_definition(given), StudyDefinition)


def test_the_forms_of_a_factor_are_right() -> None:
    lines = "\n".join(line for line, _ in SPACE)
    space = tomllib.loads(lines)
    start = space.pop("start")
    assert parse_definition(
        table(search={"n_trials": 9}, space={"optimizer": ["sgd", "adam"], **space})
    )
    assert parse_definition(table(search={"n_trials": 9}, space={"start": start}))
