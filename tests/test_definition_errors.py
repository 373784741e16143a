"""Each mistake in a definition names its line, the rule, and the nearest known name."""

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


MOMENTUM_OF_SGD = {
    "optimizer": ["sgd", "adam"],
    "momentum": {"low": 0.1, "high": 0.9, "when": {"optimizer": ["sgd"]}},
}
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
    "metric that stops": (
        table(fixed={"early_stopping_patience": 2, "early_stopping_metric": "val_acuracy"}),
        "fixed.early_stopping_metric",
        "Did you mean val_accuracy?",
    ),
    "metric of a plateau": (
        spaced(plateau_patience=[2], plateau_metric=["loss", "val_mine"]),
        "space.plateau_metric",
        "a metric of the network",
    ),
    "fixed value": (table(fixed={"epochs": 0}), "fixed.epochs", "an int >= 1"),
    "factor name": (spaced(drop=[0.1], dropuot=[0.1]), "space.drop", "Did you mean dropout?"),
    "level": (spaced(activation=["relu", "tahn"]), "space.activation", "Did you mean 'tanh'?"),
    "parts of one level": (
        spaced(hidden_units=[64, 128]),
        "space.hidden_units",
        "Write [[64], [128]] for networks of one layer, or [[64, 128]] for one of 2.",
    ),
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
    "no level": (spaced(activation=[]), "space.activation", "at least one level"),
    "same level": (spaced(activation=["relu", "relu"]), "space.activation", "that differ"),
    "same label": (spaced(hidden_units=[[8, 9], "8-9"]), "space.hidden_units", "that differ"),
    "scalar for a factor": (spaced(dropout=0.3), "space.dropout", "a list of levels, a range"),
    "queued without its condition": (
        table(
            search=RANDOM | {"enqueue": [{"momentum": 0.9}]},
            space=MOMENTUM_OF_SGD,
        ),
        "search.enqueue[0].momentum",
        "optimizer=sgd beside it, without which there is no momentum. "
        "Received: optimizer=sgd or adam",
    ),
    "queued against its condition": (
        table(
            search=RANDOM | {"enqueue": [{"momentum": 0.9, "optimizer": "adam"}]},
            space=MOMENTUM_OF_SGD,
        ),
        "search.enqueue[0].momentum",
        "Received: optimizer=adam",
    ),
    "queued against a condition on a range": (
        table(
            search=RANDOM | {"enqueue": [{"dropout": 0.1}]},
            space={
                "epochs": {"low": 1, "high": 9},
                "dropout": {"levels": [0.1, 0.2], "when": {"epochs": [1, 2]}},
            },
        ),
        "search.enqueue[0].dropout",
        "epochs=1 or 2 beside it",
    ),
    "no effect of an alternative": (
        table(
            objective="clock",
            dataset="clock",
            fixed={"head": "two_heads"},
            space={"regression_loss": ["mse", "mae"]},
        ),
        "space.regression_loss",
        "or where head is two_heads and minute_output is regression. Received: head=two_heads, "
        "hour_output=class, minute_output=class",
    ),
    "no layer to drop units of": (
        table(
            objective="cnn",
            fixed={"hidden_units": [], "conv_dropout": 0.1},
            space={"dropout": [0.1, 0.2]},
        ),
        "space.dropout",
        "where hidden_units is something; or where conv_dropout is None",
    ),
    "the loss of clocks": (
        table(objective="clock", dataset="clock", metric="val_loss", space={"gamma": [1.0, 2.0]}),
        "metric",
        "one of val_common_sense_error",
    ),
    "a level between the ends": (
        table(
            objective="clock",
            dataset="clock",
            fixed={"head": "classification"},
            space={"n_classes": {"low": 10, "high": 80, "step": 10}},
        ),
        "space (n_classes=50)",
        "a number that divides 720",
    ),
    "the ends of a range in others' words": (
        spaced(learning_rate={"min": 1e-5, "max": 1e-1}),
        "space.learning_rate",
        "a range or levels. Received: min=1e-05, max=0.1. Write learning_rate = { low = 1e-05, ",
    ),
    "None in the words of TOML": (
        spaced(learning_rate=[-1, 0.1]),
        "space.learning_rate",
        'a float > 0 and <= 100 or "none". Received: learning_rate=-1.',
    ),
    "a fixed value that cannot be none": (
        table(fixed={"dropout": "none"}),
        "fixed.dropout",
        "one for each layer. Received: dropout='none'.",
    ),
    "a structural range by its logarithm": (
        spaced(batch_size={"low": 16, "high": 128, "log": True}),
        "space.batch_size",
        "a list of levels: every value of batch_size is a program to compile",
    ),
    "no effect under its own condition": (
        spaced(
            regularizer=["none", "l2"],
            regularizer_strength={"levels": [0.1, 0.2], "when": {"regularizer": ["none"]}},
        ),
        "space.regularizer_strength",
        "where regularizer is something. Received: regularizer=none",
    ),
    "epochs where steps count": (
        table(fixed={"steps": 10}, space={"epochs": [2, 3]}),
        "space.epochs",
        "where steps is None. Received: steps=10",
    ),
    "a program for each float": (
        table(objective="clock", dataset="clock", space={"gamma": {"low": 0.5, "high": 3.0}}),
        "space.gamma",
        "a step: every value of gamma is a program to compile, and these are without number",
    ),
    "no effect": (
        spaced(regularizer_strength=[0.1, 0.2]),
        "space.regularizer_strength",
        "where regularizer is something. Received: regularizer=none. Change that, or fix",
    ),
    "no effect of a value": (
        spaced(
            learning_rate_final={"low": 0.1, "high": 0.9},
            learning_rate_schedule={"levels": ["constant"]},
        ),
        "space.learning_rate_final",
        "where learning_rate_schedule is linear or cosine or exponential",
    ),
    "dataset": (table(dataset="mnst"), "dataset", "Did you mean mnist?"),
    "no dataset": (table(dataset=None), "dataset", "one of cifar10, clock, digits"),
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
    "candidates": (
        searching(sampler={"name": "tpe", "n_ei_candidates": 0}),
        "search.sampler",
        "Expected n_ei_candidates >= 1",
    ),
    "bracket's factor": (
        searching(pruner={"name": "hyperband", "reduction_factor": 1}),
        "search.pruner",
        "Expected reduction_factor >= 2",
    ),
    "bracket's resource": (
        searching(pruner={"name": "hyperband", "min_resource": 0}),
        "search.pruner",
        "Expected min_resource >= 1",
    ),
    "true for a number": (searching(n_trials=True), "search.n_trials", "True"),
    "text for a number": (searching(n_trials="3"), "search.n_trials", "'3'"),
    "endless timeout": (searching(timeout=float("inf")), "search.timeout", "inf"),
    "fraction of networks": (table(keep=1.0), "keep", "1.0"),
    "pruner": (searching(pruner="hyperbnd"), "search.pruner", "Did you mean hyperband?"),
    "pruner option": (
        searching(pruner={"name": "hyperband", "min_resourc": 1}),
        "search.pruner",
        "Did you mean min_resource?",
    ),
    "pruner without its option": (searching(pruner="threshold"), "search.pruner", "lower, upper"),
    "design": (searching(design="gird"), "search.design", "Did you mean grid?"),
    "design and sampler": (searching(design="grid"), "search", "a design or a sampler"),
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
    "condition without a value": (
        spaced(optimizer=["sgd"], momentum={"low": 0.1, "high": 0.9, "when": {"optimizer": []}}),
        "space.momentum",
        "Expected when = { name = [values] }",
    ),
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
    "no table of the search": (
        {"name": "s", "objective": "mlp", "dataset": "digits"},
        "search",
        "such as [search] with n_trials = 100",
    ),
    "range in the words of W&B": (
        spaced(learning_rate={"min": 1e-5, "max": 0.1, "distribution": "log_uniform_values"}),
        "space.learning_rate",
        "Write learning_rate = { low = 1e-05, high = 0.1, log = true }.",
    ),
    "data of a function": (
        {
            "name": "s",
            "objective": "a:b",
            "direction": "minimize",
            "data": {"seed": 1},
            "search": RANDOM,
        },
        "data",
        "returns a number, which has its own data",
    ),
    "file without a function": (
        table(objective="my_net.py"),
        "objective",
        "written module:function or file.py:function",
    ),
    "scale of an own network": (
        table(objective="a.py:build", data={"scale": 2.0}, space={"units": [1, 2]}),
        "data.scale",
        "keras.layers.Rescaling(1 / 2)",
    ),
    "permuted pixels of an own network": (
        table(objective="a.py:build", data={"permute_pixels": True}, space={"units": [1, 2]}),
        "data.permute_pixels",
        "Permute them in the network",
    ),
    "metric that may be better higher or lower": (
        table(objective="a:build", metric="val_own", space={"units": [1, 2]}),
        "direction",
        "'maximize' or 'minimize'",
    ),
    "epochs of an own network": (
        table(objective="a:build", space={"epochs": [0, 2]}),
        "space.epochs",
        ">= 1",
    ),
    "no factor of an own network": (
        table(objective="a:build", search=RANDOM | {"enqueue": [{"n": 1}]}, space={"u": [1, 2]}),
        "search.enqueue[0].n",
        "one of u",
    ),
}


@pytest.mark.parametrize("mistake", list(MISTAKES))
def test_a_mistake_names_its_line_and_what_was_expected(mistake: str) -> None:
    definition, key, says = MISTAKES[mistake]
    with pytest.raises(DefinitionError, match=f"(?s)^{re.escape(key)}.*: Expected ") as caught:
        parse_definition(definition)
    assert "Received: " in str(caught.value) or mistake == "pruner without its option"
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
