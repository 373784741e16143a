"""`hpo keys`: every key of a definition, with an example that is right."""

from __future__ import annotations

import tomllib

import pytest
from small_studies import table
from typer.testing import CliRunner

from objectives.errors import UnknownNameError
from studies.cli.commands import app
from studies.cli.keys import EXAMPLES, METHODS, MODELS, SPACE
from studies.definition.study import StudyDefinition, parse_definition


def shown(*arguments: str) -> str:
    return CliRunner().invoke(app, ["keys", *arguments], catch_exceptions=False).output


def test_every_key_of_every_model_is_shown_within_80_columns() -> None:
    words = shown()
    for name, model in MODELS.items():
        first_words = [line.split(" ")[0] for line in shown(name).splitlines()]
        assert [word for word in first_words if word in model.model_fields] == [*model.model_fields]
    options = {
        key for each in METHODS.values() for method in each.values() for key in method.options
    }
    assert all(key in words for key in options)
    assert all(method in words for each in METHODS.values() for method in each)
    assert max(map(len, words.splitlines())) <= 80
    assert "[search]" in words
    with pytest.raises(UnknownNameError, match="Did you mean search"):
        shown("serach")


FACTORS = {"space": {"dropout": [0.5, 0.1], "activation": ["relu", "tanh"]}}
BESIDE = {
    "search.enqueue": {"search": {"n_trials": 2, "enqueue": []}},
    "search.default": {
        "search": {"design": "one-factor-at-a-time", "default": {}},
        "space": {"activation": ["relu", "tanh"]},
    },
    "search.replicates": {"search": {"design": "grid"}},
    "search.design": {"search": {}},
    "data.size": {"objective": "clock", "dataset": "clock", "space": {"optimizer": ["adam"]}},
}
BESIDE |= dict.fromkeys(("data.n_images", "data.rotation"), BESIDE["data.size"])


@pytest.mark.parametrize("key", EXAMPLES)
def test_each_example_is_right(key: str) -> None:
    value = tomllib.loads(f"x = {EXAMPLES[key]}")["x"]
    given = table(search={"n_trials": 9}, **FACTORS) | BESIDE.get(key, {})
    section, _, name = key.rpartition(".")
    given |= {section: {**given.get(section, {}), name: value}} if section else {name: value}
    assert isinstance(parse_definition(given), StudyDefinition)


def test_the_forms_of_a_factor_are_right() -> None:
    lines = "\n".join(line for line, _ in SPACE)
    space = tomllib.loads(lines)
    start = space.pop("start")
    assert parse_definition(
        table(search={"n_trials": 9}, space={"optimizer": ["sgd", "adam"], **space})
    )
    assert parse_definition(table(search={"n_trials": 9}, space={"start": start}))
