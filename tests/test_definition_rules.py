"""Each rule for a value, a range, a condition or a combination of lines of a definition."""

from __future__ import annotations

import re
from typing import Any

import pytest
from small_studies import RANDOM, searching, spaced, table

from studies.definition.study import parse_definition
from studies.errors import DefinitionError

MOMENTUM_OF_SGD = {
    "optimizer": ["sgd", "adam"],
    "momentum": {"low": 0.1, "high": 0.9, "when": {"optimizer": ["sgd"]}},
}
SGD = {"levels": ["sgd"], "when": {"activation": ["relu"]}}
RELU = {"levels": ["relu"], "when": {"optimizer": ["sgd"]}}
MISTAKES: dict[str, tuple[dict[str, Any], str, str]] = {
    # what is wrong: (definition, the line's key, what the message says)
    "metric of a plateau": (
        spaced(plateau_patience=[2], plateau_metric=["loss", "val_mine"]),
        "space.plateau_metric",
        "a metric of the network",
    ),
    "fixed value": (table(fixed={"epochs": 0}), "fixed.epochs", "an int >= 1"),
    "parts of one level": (
        spaced(hidden_units=[64, 128]),
        "space.hidden_units",
        "Write [[64], [128]] for networks of one layer, or [[64, 128]] for one of 2.",
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
    "no dataset": (table(dataset=None), "dataset", "one of cifar10, clock, digits"),
    "direction": (table(direction="minimize"), "direction", "'maximize' for val_accuracy"),
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
    "pruner without its option": (searching(pruner="threshold"), "search.pruner", "lower, upper"),
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
