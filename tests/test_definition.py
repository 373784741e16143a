"""A study's definition: the README's own examples, and a readable error for every mistake."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from storage import TrialStorage
from studies.create import create_study, definition_of
from studies.definition import (
    StudyDefinition,
    catalog,
    difference,
    load_definition,
    parse_definition,
    with_overrides,
)
from studies.space import DefinitionError

GRID = """
name = "fashion-mlp-grid"
objective = "mlp"
dataset = "fashion_mnist"
metric = "val_accuracy"
direction = "maximize"
[data]
validation_fraction = 0.1
[search]
design = "grid"
seed = 0
[fixed]
epochs = 50
early_stopping_patience = 5
hidden_units = [128]
[space]
initializer = ["random_normal", "glorot_normal", "glorot_uniform"]
activation = ["relu", "sigmoid", "tanh"]
regularizer = ["none", "l1", "l2"]
[space.optimizer_setting]
rmsprop = { optimizer = "rmsprop", learning_rate = 1e-3 }
adam = { optimizer = "adam", learning_rate = 1e-3 }
adam_fast = { optimizer = "adam", learning_rate = 1e-2 }
"""
ADAPTIVE = """
name = "cifar10-cnn"
objective = "cnn"
dataset = "cifar10"
metric = "val_accuracy"
direction = "maximize"
[search]
sampler = "tpe"
pruner = "hyperband"
n_trials = 200
timeout = "6h"
[space]
optimizer = ["sgd", "adam", "rmsprop"]
learning_rate = { low = 1e-5, high = 1e-1, log = true }
momentum = { low = 0.0, high = 0.99, when = { optimizer = ["sgd"] } }
dropout = { low = 0.0, high = 0.5, step = 0.05 }
filters = [[32, 64], [32, 32, 64, 64], [64, 128, 128, 256, 256]]
batch_size = [32, 64, 128, 256]
"""
RANDOM = {"sampler": "random", "n_trials": 3}


def table(**lines: Any) -> dict[str, Any]:
    """Return a small valid definition with some lines of its own."""
    plain = {"name": "s", "objective": "mlp", "dataset": "digits", "search": RANDOM}
    return plain | {"space": {"activation": ["relu", "tanh"]}} | lines


def searching(**options: Any) -> dict[str, Any]:
    return table(search=RANDOM | options)


def spaced(**factors: Any) -> dict[str, Any]:
    return table(space=factors)


def written(folder: Path, text: str) -> StudyDefinition:
    file = folder / "study.toml"
    file.write_text(text, encoding="utf-8")
    return load_definition(file)


def test_the_grid_example_is_valid(tmp_path: Path) -> None:
    definition = written(tmp_path, GRID)
    assert definition.factors.grid_size == 81
    assert definition.max_epochs == 50
    assert definition.data.validation_fraction == 0.1
    assert definition.search.n_trials is None


def test_the_adaptive_example_is_valid(tmp_path: Path) -> None:
    definition = written(tmp_path, ADAPTIVE)
    assert definition.search.n_trials == 200
    assert definition.search.timeout == 6 * 3600
    assert definition.factors.factors["momentum"].when == {"optimizer": ["sgd"]}


@pytest.mark.parametrize("name", list(catalog()))
def test_every_study_of_the_catalogue_is_valid_and_bears_its_files_name(name: str) -> None:
    assert load_definition(name).name == name


@pytest.mark.parametrize(
    ("timeout", "seconds"), [("90s", 90), ("1.5m", 90), ("6h", 21600), ("1d", 86400), (60, 60)]
)
def test_a_timeout_is_a_number_of_seconds_or_a_duration(timeout: Any, seconds: float) -> None:
    assert parse_definition(searching(timeout=timeout)).search.timeout == seconds


SGD_ONLY = {"optimizer": ["sgd"]}
SGD = {"levels": ["sgd"], "when": {"activation": ["relu"]}}
RELU = {"levels": ["relu"], "when": {"optimizer": ["sgd"]}}
MISTAKES: dict[str, tuple[dict[str, Any], str, str]] = {
    # what is wrong: (definition, the line's key, what the message says)
    "key at the top": (table(serach={}), "serach", "Did you mean search?"),
    "key of search": (searching(n_trial=1), "search.n_trial", "Did you mean n_trials?"),
    "key of data": (table(data={"train_siz": 9}), "data.train_siz", "Did you mean train_size?"),
    "value of data": (table(data={"validation_fraction": 2.0}), "data.validation_fraction", "1"),
    "fixed name": (table(fixed={"epoch": 3}), "fixed.epoch", "Did you mean epochs?"),
    "fixed value": (table(fixed={"epochs": 0}), "fixed.epochs", "an int >= 1"),
    "factor name": (spaced(drop=[0.1], dropuot=[0.1]), "space.drop", "Did you mean dropout?"),
    "level": (spaced(activation=["relu", "tahn"]), "space.activation", "Did you mean 'tanh'?"),
    "no level": (spaced(activation=[]), "space.activation", "at least one level"),
    "same level": (spaced(activation=["relu", "relu"]), "space.activation", "that differ"),
    "same label": (spaced(hidden_units=[[8, 9], "8-9"]), "space.hidden_units", "that differ"),
    "scalar for a factor": (spaced(dropout=0.3), "space.dropout", "a list of levels, a range"),
    "dataset": (table(dataset="mnst"), "dataset", "Did you mean mnist?"),
    "no dataset": (table(dataset=None), "dataset", "one of cifar10, digits"),
    "objective": (table(objective="mpl"), "objective", "Did you mean mlp?"),
    "metric": (table(metric="val_acuracy"), "metric", "Did you mean val_accuracy?"),
    "direction": (table(direction="minimize"), "direction", "'maximize' for val_accuracy"),
    "direction's name": (table(direction="maximise"), "direction", "Did you mean maximize?"),
    "sampler": (searching(sampler="tpee"), "search.sampler", "Did you mean tpe?"),
    "sampler option": (
        searching(sampler={"name": "tpe", "multivariat": True}),
        "search.sampler",
        "Did you mean multivariate?",
    ),
    "sampler option's type": (
        searching(sampler={"name": "tpe", "n_startup_trials": "many"}),
        "search.sampler",
        "Expected int for n_startup_trials of tpe. Received: 'many'",
    ),
    "pruner": (searching(pruner="hyperbnd"), "search.pruner", "Did you mean hyperband?"),
    "pruner option": (
        searching(pruner={"name": "hyperband", "min_resourc": 1}),
        "search.pruner",
        "Did you mean min_resource?",
    ),
    "pruner without its option": (searching(pruner="threshold"), "search.pruner", "lower, upper"),
    "design": (searching(design="gird"), "search.design", "Did you mean grid?"),
    "design and sampler": (searching(design="grid"), "search", "a design or a sampler"),
    "replicates": (searching(replicates=2), "search", "a design with replicates"),
    "replicates of a fixed seed": (
        table(search={"design": "grid", "replicates": 2}, fixed={"seed": 3}),
        "search.replicates",
        "sets the seed",
    ),
    "no budget": (table(search={"sampler": "tpe"}), "search", "n_trials, or a timeout"),
    "timeout": (searching(timeout="6 hours"), "search.timeout", '"6h"'),
    "order of a range": (spaced(dropout={"low": 0.5, "high": 0.1}), "space.dropout", "low <= high"),
    "open range": (spaced(dropout={"low": 0.5}), "space.dropout", "a number for 'high'"),
    "endless range": (
        {
            "name": "s",
            "objective": "a:b",
            "metric": "m",
            "direction": "minimize",
            "search": RANDOM,
            "space": {"x": {"low": float("-inf"), "high": 1.0}},
        },
        "space.x",
        "a number for 'low'",
    ),
    "range outside": (spaced(dropout={"low": 0.0, "high": 1.5}), "space.dropout", "< 1"),
    "key of a range": (
        spaced(dropout={"low": 0.0, "high": 0.5, "stp": 0.1}),
        "space.dropout.stp",
        "Did you mean step?",
    ),
    "log with step": (
        spaced(dropout={"low": 0.1, "high": 0.5, "step": 0.1, "log": True}),
        "space.dropout",
        "no step",
    ),
    "log from zero": (
        spaced(dropout={"low": 0.0, "high": 0.5, "log": True}),
        "space.dropout",
        "low above 0",
    ),
    "log of text": (
        spaced(dropout={"low": 0.1, "high": 0.5, "log": "yes"}),
        "space.dropout",
        "true or false",
    ),
    "uneven step": (
        spaced(dropout={"low": 0.0, "high": 0.5, "step": 0.3}),
        "space.dropout",
        "divides high - low",
    ),
    "negative step": (
        spaced(dropout={"low": 0.0, "high": 0.5, "step": -0.1}),
        "space.dropout",
        "divides high - low",
    ),
    "step of text": (
        spaced(dropout={"low": 0.0, "high": 0.5, "step": "0.1"}),
        "space.dropout",
        "a number for 'step'",
    ),
    "broken step of whole numbers": (
        spaced(batch_size={"low": 16, "high": 32, "step": 0.5}),
        "space.batch_size",
        "a whole step",
    ),
    "range of a list": (spaced(hidden_units={"low": 8, "high": 9}), "space.hidden_units", "a list"),
    "range of a choice": (spaced(activation={"low": 1, "high": 2}), "space.activation", "'relu'"),
    "nine programs": (
        spaced(batch_size={"low": 16, "high": 24}),
        "space.batch_size",
        "a step: every value of batch_size is a program to compile, and these are 9",
    ),
    "fixed and varied": (
        table(fixed={"activation": "relu"}),
        "space.activation",
        "set once. Received: it again after fixed.activation",
    ),
    "varied twice": (
        spaced(optimizer=["sgd"], setting={"a": {"optimizer": "adam"}}),
        "space.setting",
        "set once. Received: it again after space.optimizer",
    ),
    "setting named as a hyperparameter": (
        spaced(optimizer={"a": {"optimizer": "adam"}}),
        "space.optimizer",
        "a name of its own",
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
    "when of no level": (
        spaced(optimizer=["sgd"], momentum={"low": 0.0, "high": 0.9, "when": {"optimizer": ["g"]}}),
        "space.momentum.when.optimizer",
        "one of sgd",
    ),
    "when of a scalar": (
        spaced(optimizer=["sgd"], momentum={"low": 0.0, "high": 0.9, "when": {"optimizer": "sgd"}}),
        "space.momentum",
        "when = { name = [values] }",
    ),
    "circle": (spaced(optimizer=SGD, activation=RELU), "space.optimizer.when", "no circle"),
    "momentum of adam": (
        spaced(optimizer=["adam", "sgd"], momentum={"low": 0.1, "high": 0.9}),
        "space (optimizer=adam",
        "a setting that adam has",
    ),
    "picture too small": (
        table(objective="cnn", fixed={"filters": [8] * 10}),
        "space (activation=relu)",
        "at least 2 pixels a side in block 4",
    ),
    "no default": (
        table(search={"design": "one-factor-at-a-time"}),
        "search",
        "[search.default] with design one-factor-at-a-time",
    ),
    "default of no level": (
        table(search={"design": "one-factor-at-a-time", "default": {"activation": "rely"}}),
        "search.default.activation",
        "Did you mean relu?",
    ),
    "default for some": (
        table(
            search={"design": "one-factor-at-a-time", "default": {"activation": "relu"}},
            space={"activation": ["relu"], "dropout": [0.1]},
        ),
        "search.default",
        "Received: no dropout",
    ),
    "grid without a step": (
        table(
            search={"design": "grid", "n_trials": 3}, space={"dropout": {"low": 0.1, "high": 0.5}}
        ),
        "space.dropout",
        "a range with a step, for a design",
    ),
    "grid of nothing": (table(search={"design": "grid"}, space={}), "space", "factors for"),
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
    "enqueued text for a number": (
        table(
            search=RANDOM | {"enqueue": [{"dropout": "0.1"}]},
            space={"dropout": {"low": 0.0, "high": 0.5}},
        ),
        "search.enqueue[0].dropout",
        "a number from 0.0 to 0.5",
    ),
    "data of a function": (
        {
            "name": "s",
            "objective": "a:b",
            "direction": "minimize",
            "dataset": "digits",
            "search": RANDOM,
        },
        "dataset",
        "none for a function",
    ),
}


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_mistake_names_its_line_and_what_was_expected(mistake: str) -> None:
    definition, key, says = MISTAKES[mistake]
    with pytest.raises(DefinitionError, match=f"(?s)^{re.escape(key)}.*: Expected ") as caught:
        parse_definition(definition)
    assert "Received: " in str(caught.value) or mistake == "pruner without its option"
    assert says in str(caught.value)


def test_a_line_that_is_missing_is_named() -> None:
    with pytest.raises(DefinitionError, match=r"^objective: Expected this line"):
        parse_definition({"name": "s", "direction": "minimize", "search": RANDOM})


def test_a_file_that_is_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(DefinitionError, match=r"study\.toml: Expected TOML\. Received: "):
        written(tmp_path, "name = ")


def test_an_unknown_study_suggests_the_nearest_of_the_catalogue() -> None:
    with pytest.raises(FileNotFoundError, match=r"Received: digit-mlp\. Did you mean digits-mlp\?"):
        load_definition("digit-mlp")


@pytest.mark.parametrize("text", [GRID, ADAPTIVE])
def test_a_definition_survives_json_and_the_database(
    text: str, tmp_path: Path, storage: TrialStorage
) -> None:
    definition = written(tmp_path, text)
    dumped = definition.model_dump(mode="json")
    assert StudyDefinition.model_validate(dumped) == definition
    assert StudyDefinition.model_validate(json.loads(json.dumps(dumped))) == definition
    study = create_study(definition, storage, artifacts=tmp_path)
    assert definition_of(study) == definition


def test_a_function_survives_json_too() -> None:
    definition = parse_definition(
        {
            "name": "s",
            "objective": "package.module:function",
            "metric": "loss",
            "direction": "minimize",
            "search": RANDOM,
            "space": {"x": {"low": 0.0, "high": 1.0}, "layers": [[1, 2], [3]]},
        }
    )
    assert StudyDefinition.model_validate(definition.model_dump(mode="json")) == definition
    assert definition.max_epochs is None


def test_a_bare_key_fixes_what_was_searched() -> None:
    given = table(space={"activation": ["relu", "tanh"], "dropout": [0.1, 0.2]})
    new = parse_definition(with_overrides(given, {"activation": "elu", "name": "t"}))
    assert new.name == "t"
    assert new.fixed == {"activation": "elu"}
    assert list(new.space) == ["dropout"]
    assert "activation" in given["space"], "the given table is left as it was"


def test_a_key_with_dots_replaces_a_line() -> None:
    overrides = {"search.seed": 7, "data.seed": 8, "fixed.epochs": 2}
    new = parse_definition(with_overrides(table(), overrides))
    assert (new.search.seed, new.data.seed, new.fixed["epochs"]) == (7, 8, 2)
    assert new.search.n_trials == 3


def test_the_identity_ignores_name_and_budget_and_nothing_else() -> None:
    base = parse_definition(table())
    same = parse_definition(table(name="t", search=RANDOM | {"n_trials": 9, "timeout": "1h"}))
    assert difference(base, same) == []
    assert base.identity == same.identity
    assert base.with_budget(9).identity == base.identity


def test_the_difference_lists_the_lines() -> None:
    old = parse_definition(table(fixed={"epochs": 3}))
    new = parse_definition(table(fixed={"dropout": 0.1}, search=RANDOM | {"seed": 4}))
    assert difference(old, new) == [
        "fixed.dropout: (none) -> 0.1",
        "fixed.epochs: 3 -> (none)",
        "search.seed: 0 -> 4",
    ]


@pytest.mark.parametrize(
    ("factors", "fixed", "epochs"),
    [
        ({"activation": ["relu"]}, {}, 10),
        ({"activation": ["relu"]}, {"epochs": 3}, 3),
        ({"epochs": [2, 5]}, {}, 5),
        ({"epochs": {"short": 2, "long": 5}}, {}, 5),
        ({"epochs": {"low": 1, "high": 6, "log": True}}, {}, 6),
        ({"length": {"short": {"epochs": 2}, "long": {"epochs": 30}}}, {}, 30),
        ({"activation": ["relu"]}, {"steps": 100}, None),
        ({"length": {"short": {"steps": 2}, "long": {"steps": 30}}}, {}, None),
        (
            {
                "optimizer": ["sgd", "adam"],
                "epochs": {"levels": [2], "when": {"optimizer": ["sgd"]}},
            },
            {},
            10,
        ),
    ],
)
def test_the_most_epochs_of_a_trial(
    factors: dict[str, Any], fixed: dict[str, Any], epochs: int | None
) -> None:
    assert parse_definition(table(space=factors, fixed=fixed)).max_epochs == epochs
