"""A study's definition: the README's own examples, and a readable error for every mistake."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from small_studies import RANDOM, searching, table

from objectives.data import downloads
from storage import TrialStorage
from studies.catalog.shipped import catalog
from studies.create import create_study
from studies.definition.difference import difference
from studies.definition.files import load_definition, with_overrides
from studies.definition.study import StudyDefinition, parse_definition
from studies.designs.points import initial_points
from studies.errors import DefinitionError
from studies.lookup import definition_of

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
    search = parse_definition(searching(timeout=timeout, trial_timeout=timeout)).search
    assert (search.timeout, search.trial_timeout) == (seconds, seconds)


@pytest.mark.parametrize("text", [GRID, ADAPTIVE])
def test_a_definition_survives_json_and_the_database(
    text: str, tmp_path: Path, storage: TrialStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "fetch", lambda name: None)
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


SMALL_FORM = """
name = "clocks"
objective = "clock"
dataset = "clock"
[search]
design = "grid"
replicates = 3
seed = 5
[fixed]
epochs = 60
[space]
learning_rate = [1e-3, 1e-4]
dropout = [0.0, 0.5]
[quick]
data.n_images = 3600
search.replicates = 1
epochs = 2
dropout = 0.1
"""


def test_the_small_form_of_a_study_replaces_lines_and_has_a_name_of_its_own(
    tmp_path: Path,
) -> None:
    full = written(tmp_path, SMALL_FORM)
    assert (full.name, full.search.replicates, full.data.n_images) == ("clocks", 3, None)
    small = load_definition(tmp_path / "study.toml", {"epochs": 3}, quick=True)
    assert (small.name, small.search.replicates, small.data.n_images) == ("clocks-quick", 1, 3600)
    assert (small.search.seed, small.search.design) == (5, "grid")
    assert small.fixed == {"epochs": 3, "dropout": 0.1}
    assert set(small.space) == {"learning_rate"}
    assert full.metric == small.metric == "val_common_sense_error"
    assert full.direction == "minimize"


def test_a_study_without_a_small_form_says_so(tmp_path: Path) -> None:
    (tmp_path / "study.toml").write_text(GRID)
    with pytest.raises(
        DefinitionError, match=r"study.toml, line 2: quick: Expected a table \[quick\], with lines"
    ):
        load_definition(tmp_path / "study.toml", quick=True)


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


def test_the_levels_are_what_trials_can_have_with_what_they_have_where_nothing_is_said() -> None:
    definition = parse_definition(
        table(
            fixed={"dropout": 0.25},
            space={
                "activation": ["tanh", "elu"],
                "optimizer": ["sgd", "adam"],
                "momentum": {"low": 0.1, "high": 0.9, "when": {"optimizer": ["sgd"]}},
                "size": {"small": {"hidden_units": [8]}, "wide": {"input_dropout": 0.5}},
            },
        )
    )
    assert definition.levels == {
        "activation": ["tanh", "elu"],
        "optimizer": ["sgd", "adam"],
        "momentum": [0.1, 0.9, None],
        "hidden_units": [(8,), (128,)],
        "input_dropout": [0.5, 0.0],
    }


def test_structural_factors_are_those_whose_levels_need_programs_of_their_own() -> None:
    def structural(**space: Any) -> frozenset[str]:
        return parse_definition(table(space=space)).structural_factors

    assert structural(activation=["tanh", "elu"], regularizer=["none", "l1"]) == frozenset()
    assert structural(learning_rate={"low": 0.1, "high": 0.2}, seed=[1, 2]) == frozenset()
    assert structural(hidden_units=[[8], [16]], dropout=[0.0, 0.5]) == {"hidden_units"}
    assert structural(batch_size={"low": 8, "high": 16, "step": 8}) == {"batch_size"}
    # A momentum of zero is one as any other: the trials of a pack differ in it.
    assert structural(optimizer=["sgd"], momentum=[0.0, 0.5]) == frozenset()
    momentum = {"low": 0.0, "high": 0.9, "when": {"optimizer": ["sgd"]}}
    assert structural(optimizer=["sgd", "adam"], momentum=momentum) == {"optimizer"}
    settings = {"a": {"optimizer": "sgd", "learning_rate": 0.1}, "b": {"optimizer": "adam"}}
    assert structural(setting=settings) == {"setting"}
    settings = {"a": {"learning_rate": 0.1}, "b": {"learning_rate": 0.2}}
    assert structural(setting=settings) == frozenset()


def test_as_many_points_of_one_structure_as_a_sampler_can_tell_apart() -> None:
    def most(search: dict[str, Any] = RANDOM, **space: Any) -> int | None:
        return parse_definition(table(search=search, space=space)).most_alike

    widths = [[8], [16], [32]]
    assert most(hidden_units=widths) == 1
    assert most(hidden_units=widths, activation=["tanh", "elu"], seed=[1, 2, 3]) == 6
    assert most(hidden_units=widths, dropout={"low": 0.0, "high": 0.5, "step": 0.25}) == 3
    assert most(hidden_units=widths, dropout={"low": 0.0, "high": 0.5}) is None
    assert most({"design": "grid"}, hidden_units=widths) is None


def test_levels_of_dropout_are_rates_or_lists_of_one_for_each_layer() -> None:
    lines = table(space={"dropout": [0.2, [0.1, 0.3]]}, fixed={"hidden_units": [8, 8]})
    definition = parse_definition(lines)
    assert [definition.setting_at({"dropout": each})["dropout"] for each in (0.2, "0.1-0.3")] == [
        0.2, (0.1, 0.3),
    ]  # fmt: skip
    assert definition.structural_factors == frozenset()
    lines["fixed"] = {}
    with pytest.raises(DefinitionError, match=r"a list of 1: one for each of the hidden layers"):
        parse_definition(lines)


def test_what_is_fixed_is_taken_out_of_all_that_a_definition_says_of_it() -> None:
    lines = table(
        search=RANDOM | {"enqueue": [{"optimizer": "sgd", "momentum": 0.9}, {"dropout": 0.1}]},
        space={
            "optimizer": ["sgd", "adam"],
            "momentum": {"levels": [0.0, 0.9], "when": {"optimizer": ["sgd"]}},
            "dropout": [0.1, 0.2],
        },
    )
    adam = parse_definition(with_overrides(lines, {"optimizer": "adam"}))
    assert (adam.fixed, list(adam.factors.factors)) == ({"optimizer": "adam"}, ["dropout"])
    assert adam.search.enqueue == [{}, {"dropout": 0.1}]
    sgd = parse_definition(with_overrides(lines, {"optimizer": "sgd"}))
    assert list(sgd.factors.factors) == ["momentum", "dropout"]
    assert sgd.search.enqueue == [{"momentum": 0.9}, {"dropout": 0.1}]
    ranges = [{"low": 0.1, "high": 0.2, "when": {"optimizer": [o]}} for o in ("sgd", "adam")]
    lines = table(search=RANDOM, space={"optimizer": ["sgd", "adam"], "learning_rate": ranges})
    adam = parse_definition(with_overrides(lines, {"optimizer": "adam"}))
    assert adam.factors.factors["learning_rate"].when == {"optimizer": ["adam"]}
    adamax = parse_definition(with_overrides(lines, {"optimizer": "adamax"}))
    assert (adamax.fixed, dict(adamax.factors.factors)) == ({"optimizer": "adamax"}, {})
    for name in ("clock-final", "fashion-cnn"):  # with queued settings, and with a default
        assert load_definition(name, {"dropout": 0.1}).fixed["dropout"] == 0.1


def test_one_level_of_a_factor_of_several_hyperparameters_can_be_left() -> None:
    left = load_definition("clock-heads", {"head_setting": "von-mises"})
    assert left.factors.factors["head_setting"].choices() == ["von-mises"]
    with pytest.raises(DefinitionError, match=r"^space.head_setting: .*Did you mean von-mises\?"):
        load_definition("clock-heads", {"head_setting": "von-mise"})


def test_a_line_of_a_table_asks_for_its_table() -> None:
    with pytest.raises(DefinitionError, match=r"Received: n_trials\. Write search\.n_trials\."):
        load_definition("digits-mlp", {"n_trials": 5})


def test_a_point_of_a_design_may_be_queued_without_what_is_inactive_there() -> None:
    lines = {
        "space": {
            "optimizer": ["sgd", "adam"],
            "momentum": {"levels": [0.0, 0.9], "when": {"optimizer": ["sgd"]}},
        }
    }
    for setting in ({"optimizer": "adam"}, {"optimizer": "adam", "momentum": 0.9}):
        search = {"design": "grid", "enqueue": [setting]}
        definition = parse_definition(table(search=search, **lines))
        assert [point.params for point in initial_points(definition)] == [
            {"optimizer": "adam"},
            {"optimizer": "sgd", "momentum": 0.0},
            {"optimizer": "sgd", "momentum": 0.9},
        ]
    search = {"design": "grid", "enqueue": [{"optimizer": "sgd"}]}
    with pytest.raises(DefinitionError, match=r"factor of the design\. Received: no momentum"):
        parse_definition(table(search=search, **lines))


def test_a_condition_that_always_holds_needs_nothing_beside_it() -> None:
    strength = {"low": 1e-4, "high": 1e-2, "when": {"regularizer": ["l1", "l2"]}}
    lines = table(
        search=RANDOM | {"enqueue": [{"regularizer_strength": 1e-3}]},
        space={"regularizer": ["l1", "l2"], "regularizer_strength": strength},
    )
    assert parse_definition(lines).search.enqueue == [{"regularizer_strength": 1e-3}]


def test_levels_may_be_labelled_as_people_speak_and_lists_may_be_empty() -> None:
    units = {"low": [32], "medium": [64], "high": []}
    factor = parse_definition(table(objective="cnn", space={"hidden_units": units})).factors
    assert factor.resolve({"hidden_units": "high"}) == {"hidden_units": ()}
    lines = table(objective="cnn", space={"hidden_units": [[], [128]]})
    assert parse_definition(lines).factors.factors["hidden_units"].choices() == ["none", "128"]


def test_the_metric_of_a_function_is_its_value() -> None:
    lines = {"name": "s", "objective": "mine:f", "direction": "minimize", "search": RANDOM}
    assert parse_definition({**lines, "space": {"x": {"low": 0.0, "high": 1.0}}}).metric == "value"
