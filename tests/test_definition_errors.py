"""How mistakes in a definition are told: by line, with the nearest known name, and all at once."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from small_studies import RANDOM, searching, spaced, table

from studies.definition.files import load_definition
from studies.definition.study import StudyDefinition, parse_definition
from studies.errors import DefinitionError


def written(folder: Path, text: str) -> StudyDefinition:
    """Write a definition to a file and read it."""
    file = folder / "study.toml"
    file.write_text(text, encoding="utf-8")
    return load_definition(file)


MISTAKES: dict[str, tuple[dict[str, Any], str, str]] = {
    # what is wrong: (definition, the line's key, what the message says)
    "key at the top": (table(serach={}), "serach", "Did you mean search?"),
    "key of search": (searching(n_trial=1), "search.n_trial", "Did you mean n_trials?"),
    "key of data": (table(data={"train_siz": 9}), "data.train_siz", "Did you mean train_size?"),
    "value of data": (table(data={"validation_fraction": 2.0}), "data.validation_fraction", "1"),
    "fixed name": (table(fixed={"epoch": 3}), "fixed.epoch", "Did you mean epochs?"),
    "metric that stops": (
        table(fixed={"early_stopping_patience": 2, "early_stopping_metric": "val_acuracy"}),
        "fixed.early_stopping_metric",
        "Did you mean val_accuracy?",
    ),
    "factor name": (spaced(drop=[0.1], dropuot=[0.1]), "space.drop", "Did you mean dropout?"),
    "level": (spaced(activation=["relu", "tahn"]), "space.activation", "Did you mean 'tanh'?"),
    "word of Keras": (table(fixed={"lr": 0.1}), "fixed.lr", "call 'lr' is here: learning_rate."),
    "word of KerasTuner": (spaced(units=[[8]]), "space.units", "'units' is here: hidden_units"),
    "word of W&B": (
        spaced(dropout={"values": [0.1]}),
        "space.dropout",
        "Write dropout = [0.1].",
    ),
    "word of Ray": (searching(num_samples=9), "search.num_samples", "is here: search.n_trials."),
    "word of Optuna for workers": (searching(n_jobs=2), "search.n_jobs", "option -j of hpo run."),
    "word of Ray for a budget": (searching(max_t=9), "search.max_t", "is here: max_resource"),
    "design as a sampler": (searching(sampler="grid"), "search.sampler", 'here: design = "grid".'),
    "direction of KerasTuner": (table(direction="max"), "direction", "is here: maximize."),
    "metric of KerasTuner": (table(objective_metric="x"), "objective_metric", "is here: metric."),
    "table of hyperparameters": (table(hyperparameters={}), "hyperparameters", "here: [space]."),
    "table of W&B": (table(search_space={}), "search_space", "is here: [space]."),
    "class of Optuna": (
        searching(sampler="TPESampler"),
        "search.sampler",
        "call 'TPESampler' is here: tpe.",
    ),
    "old metric of Keras": (table(metric="val_acc"), "metric", "is here: val_accuracy."),
    "objective of KerasTuner": (searching(objective="x"), "search.objective", "here: metric, at"),
    "class of a level": (spaced(activation=["ReLU"]), "space.activation", "Did you mean 'relu'?"),
    "tuner of KerasTuner": (
        searching(sampler="Hyperband"),
        "search.sampler",
        "call 'Hyperband' is here: pruner = \"hyperband\".",
    ),
    "pruner as a sampler": (
        searching(sampler="successive_halving"),
        "search.sampler",
        'is here: pruner = "successive_halving".',
    ),
    "pruner of Optuna": (
        searching(pruner="MedianPruner"),
        "search.pruner",
        "call 'MedianPruner' is here: median.",
    ),
    "the ends of a range in others' words": (
        spaced(learning_rate={"min": 1e-5, "max": 1e-1}),
        "space.learning_rate",
        "a range or levels. Received: min=1e-05, max=0.1. Write learning_rate = { low = 1e-05, ",
    ),
    "dataset": (table(dataset="mnst"), "dataset", "Did you mean mnist?"),
    "objective": (table(objective="mpl"), "objective", "Did you mean mlp?"),
    "metric": (table(metric="val_acuracy"), "metric", "Did you mean val_accuracy?"),
    "direction's name": (table(direction="maximise"), "direction", "Did you mean maximize?"),
    "sampler": (searching(sampler="tpee"), "search.sampler", "Did you mean tpe?"),
    "sampler option": (
        searching(sampler={"name": "tpe", "multivariat": True}),
        "search.sampler",
        "Did you mean multivariate?",
    ),
    "pruner": (searching(pruner="hyperbnd"), "search.pruner", "Did you mean hyperband?"),
    "pruner option": (
        searching(pruner={"name": "hyperband", "min_resourc": 1}),
        "search.pruner",
        "Did you mean min_resource?",
    ),
    "design": (searching(design="gird"), "search.design", "Did you mean grid?"),
    "key of a range": (
        spaced(dropout={"low": 0.0, "high": 0.5, "stp": 0.1}),
        "space.dropout.stp",
        "Did you mean step?",
    ),
    "name in a setting": (
        spaced(setting={"a": {"optimzer": "adam"}}),
        "space.setting.a",
        "Did you mean optimizer?",
    ),
    "level in a setting": (
        spaced(setting={"a": {"optimizer": "adm"}}),
        "space.setting.a",
        "Did you mean 'adam'?",
    ),
    "when of nothing": (
        spaced(optimizer=["sgd"], momentum={"low": 0.0, "high": 0.9, "when": {"optimiser": [1]}}),
        "space.momentum.when.optimiser",
        "Did you mean optimizer?",
    ),
    "default of no level": (
        table(search={"design": "one-factor-at-a-time", "default": {"activation": "rely"}}),
        "search.default.activation",
        "Did you mean relu?",
    ),
    "enqueued name": (
        searching(enqueue=[{"activations": "relu"}]),
        "search.enqueue[0].activations",
        "Did you mean activation?",
    ),
    "enqueued level": (
        searching(enqueue=[{"activation": "relu"}, {"activation": "rulu"}]),
        "search.enqueue[1].activation",
        "Did you mean relu?",
    ),
    "range in the words of W&B": (
        spaced(learning_rate={"min": 1e-5, "max": 0.1, "distribution": "log_uniform_values"}),
        "space.learning_rate",
        "Write learning_rate = { low = 1e-05, high = 0.1, log = true }.",
    ),
}


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_mistake_names_its_line_and_what_was_expected(mistake: str) -> None:
    definition, key, says = MISTAKES[mistake]
    with pytest.raises(DefinitionError, match=f"(?s)^{re.escape(key)}.*: Expected ") as caught:
        parse_definition(definition)
    assert "Received: " in str(caught.value)
    assert says in str(caught.value)


def test_a_definition_made_in_python_raises_the_same_errors() -> None:
    assert StudyDefinition(**table()) == parse_definition(table())  # with the metric's direction
    for mistake in ("key at the top", "value of data", "factor name", "class of Optuna"):
        definition, key, says = MISTAKES[mistake]
        with pytest.raises(DefinitionError) as caught:
            StudyDefinition(**definition)
        assert caught.value.key == key
        assert says in str(caught.value)


MANY = """\
name = "mine"
objectve = "mlp"
objective = "mlp"
dataset = "digits"
[search]
sampler = "TPESampler"
pruner = "hyperbnd"
n_trials = 5
[fixed]
lr = 0.1
epochs = "ten"
[space]
activation = ["relu", "tahn"]
dropout = [0.1]
droput = [0.1]
hidden_units = [64, 128]
"""


def test_all_mistakes_of_a_file_are_told_at_once_in_the_order_of_its_lines(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError) as caught:
        written(tmp_path, MANY)
    lines = str(caught.value).splitlines()
    expected = {
        2: "objectve", 6: "search.sampler", 7: "search.pruner", 10: "fixed.lr", 11: "fixed.epochs",
        13: "space.activation", 15: "space.droput", 16: "space.hidden_units",
    }  # fmt: skip
    file = tmp_path / "study.toml"
    assert [line.split(": Expected")[0] for line in lines] == [
        f"{file}, line {n}: {key}" for n, key in expected.items()
    ]
    assert caught.value.key == "objectve"
    assert [mistake.key for mistake in caught.value.each()] == list(expected.values())


@pytest.mark.parametrize(
    ("mistakes", "keys"),
    [
        ({"objective": "mpl", "dataset": "mnst"}, ["dataset", "objective"]),
        ({"metric": "val_acuracy", "fixed": {"lr": 1.0}}, ["metric", "fixed.lr"]),
        ({"search": {**RANDOM, "enqueue": [{"a": 1}, {"b": 1}]}}, ["search.enqueue[0].a"] * 2),
        (
            {"metric": "val_acc", "search": {"sampler": "TPE", "pruner": "Median", "method": "x"}},
            ["search.sampler", "search.pruner", "search.method", "metric"],
        ),
    ],
)
def test_mistakes_that_only_the_whole_shows_are_told_at_once(
    mistakes: dict[str, Any], keys: list[str]
) -> None:
    with pytest.raises(DefinitionError) as caught:
        parse_definition(table(**mistakes))
    found = [mistake.key for mistake in caught.value.each()]
    assert found == [key.replace("[0].a", "[1].b") if i else key for i, key in enumerate(keys)]


@pytest.mark.parametrize(
    "mistake", ["fixed name", "factor name", "level", "word of Keras", "word of KerasTuner"]
)
def test_the_hint_stands_before_a_long_list_of_known_names(mistake: str) -> None:
    definition, _, says = MISTAKES[mistake]
    with pytest.raises(DefinitionError) as caught:
        parse_definition(definition)
    first = str(caught.value.each()[0])
    assert first.index(says) < first.index("It must be one of ") > len(first) - 1000
    assert first.index(says) < 200


@pytest.mark.parametrize(
    "mistake",
    ["word of Ray", "metric of KerasTuner", "table of W&B"],  # sampler, objective, search
)
def test_no_other_name_is_guessed_beside_a_word_that_is_known(mistake: str) -> None:
    definition, _, says = MISTAKES[mistake]
    with pytest.raises(DefinitionError) as caught:
        parse_definition(definition)
    assert says in str(caught.value)
    assert "Did you mean" not in str(caught.value)


def test_an_option_of_a_pruner_is_no_word_of_another_tool() -> None:
    with pytest.raises(DefinitionError, match="an option of median") as caught:
        parse_definition(searching(pruner={"name": "median", "patience": 3}))
    assert "other tools" not in str(caught.value)


def test_a_line_that_is_missing_is_named() -> None:
    with pytest.raises(DefinitionError, match=r'^objective: Expected this line.*= "mlp"'):
        parse_definition({"name": "s", "direction": "minimize", "search": RANDOM})


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"study\.toml, line 1: Expected TOML in UTF-8"):
        written(tmp_path, "name = ")
    with pytest.raises(DefinitionError, match=r"line 1: .*column 8.*quotes.*true and false"):
        written(tmp_path, "name = shapes")


def test_an_unknown_study_suggests_the_nearest_of_the_catalogue() -> None:
    with pytest.raises(FileNotFoundError, match=r"Received: digit-mlp\. Did you mean digits-mlp\?"):
        load_definition("digit-mlp")
