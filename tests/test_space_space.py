"""Factors: labels for what Optuna cannot store, conditions, and the way back."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

from objectives.networks.cnn import CnnHyperparameters
from studies.designs.grid import grid
from studies.errors import DefinitionError
from studies.space.factor import same
from studies.space.parse_space import parse_space
from studies.space.space import Space


def space(fixed: dict[str, Any] | None = None, **lines: Any) -> Space:
    return parse_space(lines, fixed or {}, CnnHyperparameters)


def choices(of: Space, name: str) -> tuple[Any, ...]:
    distribution = of.factors[name].distribution
    assert isinstance(distribution, CategoricalDistribution)
    return distribution.choices


MOMENTUM = {"low": 0.0, "high": 0.9, "step": 0.3, "when": {"optimizer": ["sgd"]}}


def test_a_list_is_stored_by_a_label_and_mapped_back() -> None:
    made = space(filters=[[32, 64], [8]], batch_size=[32, 64])
    assert choices(made, "filters") == ("32-64", "8")
    assert choices(made, "batch_size") == (32, 64)
    resolved = made.resolve({"filters": "32-64", "batch_size": 64})
    assert resolved == {"filters": (32, 64), "batch_size": 64}


def test_a_level_may_bear_the_label_of_its_toml_key() -> None:
    made = space(filters={"small": [8, 16], "large": [64, 64]}, dropout={"low": 0.1, "high": 0.5})
    assert choices(made, "filters") == ("small", "large")
    assert made.resolve({"filters": "large"}) == {"filters": (64, 64)}


def test_a_setting_sets_several_hyperparameters() -> None:
    made = space(
        {"epochs": 2},
        how={
            "slow": {"optimizer": "sgd", "learning_rate": 0.001},
            "fast": {"optimizer": "adam", "learning_rate": 0.01},
        },
    )
    assert choices(made, "how") == ("slow", "fast")
    expected = {"epochs": 2, "optimizer": "sgd", "learning_rate": 0.001}
    assert made.resolve({"how": "slow"}) == expected


def test_ranges_become_distributions_of_the_hyperparameters_type() -> None:
    made = space(
        epochs={"low": 1, "high": 40},
        batch_size={"low": 16, "high": 64, "step": 16},
        learning_rate={"low": 1e-4, "high": 1, "log": True},
        dropout={"low": 0, "high": 0.5, "step": 0.05},
    )
    found = {name: factor.distribution for name, factor in made.factors.items()}
    assert found == {
        "epochs": IntDistribution(1, 40),
        "batch_size": IntDistribution(16, 64, step=16),
        "learning_rate": FloatDistribution(1e-4, 1.0, log=True),
        "dropout": FloatDistribution(0.0, 0.5, step=0.05),
    }


def test_eight_programs_need_no_step() -> None:
    assert len(space(batch_size={"low": 16, "high": 23}).factors["batch_size"].levels()) == 8


def test_steps_of_floats_print_as_a_person_writes_them() -> None:
    levels = space(dropout={"low": 0.0, "high": 0.5, "step": 0.05}).factors["dropout"].levels()
    assert [str(level) for level in levels[:5]] == ["0.0", "0.05", "0.1", "0.15", "0.2"]
    assert levels[-1] == 0.5


@pytest.mark.parametrize(
    ("fixed", "condition", "given", "active"),
    [
        ({}, {"optimizer": ["sgd", "adam"]}, {"optimizer": "sgd"}, True),
        ({}, {"optimizer": ["sgd", "adam"]}, {"optimizer": "adam"}, False),
        ({}, {"how": {"a": {"optimizer": "sgd"}, "b": {"optimizer": "adam"}}}, {"how": "a"}, True),
        ({}, {"how": {"a": {"optimizer": "sgd"}, "b": {"optimizer": "adam"}}}, {"how": "b"}, False),
        ({"optimizer": "sgd"}, {}, {}, True),
    ],
)
def test_a_factor_is_active_where_its_when_holds(
    fixed: dict[str, Any], condition: dict[str, Any], given: dict[str, Any], active: bool
) -> None:
    made = space(fixed, momentum=MOMENTUM, **condition)
    point = made.at({**given, "momentum": 0.3})
    assert point == ({**given, "momentum": 0.3} if active else given)


@pytest.mark.parametrize("fixed", [{"optimizer": "rmsprop"}, {}])  # the default is adam
def test_a_condition_that_nothing_can_meet_is_an_error(fixed: dict[str, Any]) -> None:
    with pytest.raises(DefinitionError, match=r"momentum.when.optimizer: .*Received: sgd, where"):
        space(fixed, momentum=MOMENTUM)


def test_a_default_can_meet_a_condition() -> None:
    made = space(beta_1={"low": 0.5, "high": 0.9, "when": {"optimizer": ["adam"]}})
    assert made.at({"beta_1": 0.6}) == {"beta_1": 0.6}


@pytest.mark.parametrize("asked", ["small", [8, 16]])
def test_a_condition_on_a_list_may_be_its_label_or_its_value(asked: Any) -> None:
    made = space(
        dropout={"low": 0.1, "high": 0.5, "when": {"filters": [asked]}},
        filters={"small": [8, 16], "large": [64]},
    )
    assert made.at({"filters": "small", "dropout": 0.2}) == {"filters": "small", "dropout": 0.2}
    assert made.at({"filters": "large", "dropout": 0.2}) == {"filters": "large"}


def test_a_condition_may_name_the_level_of_a_setting() -> None:
    how = {"a": {"optimizer": "sgd"}, "b": {"optimizer": "adam"}}
    made = space(dropout={"low": 0.1, "high": 0.5, "when": {"how": ["b"]}}, how=how)
    assert made.at({"how": "a", "dropout": 0.2}) == {"how": "a"}
    assert made.at({"how": "b", "dropout": 0.2}) == {"how": "b", "dropout": 0.2}


def test_conditions_can_be_chained_and_stand_in_any_order() -> None:
    made = space(
        nesterov={"levels": [True, False], "when": {"momentum": [0.9]}},
        momentum={"levels": [0.0, 0.9], "when": {"optimizer": ["sgd"]}},
        optimizer=["sgd", "adam"],
    )
    assert list(made.factors) == ["optimizer", "momentum", "nesterov"]
    assert len(grid(made)) == 4  # adam; sgd at 0; sgd at 0.9 with nesterov and without


def test_none_is_written_as_text_where_a_hyperparameter_may_be_none() -> None:
    made = space(
        {"epochs": 2, "epsilon": "none"},
        learning_rate=["none", 0.1],
        beta_1={"low": 0.5, "high": 0.9, "when": {"learning_rate": ["none"]}},
        how={"a": {"early_stopping_patience": "none"}, "b": {"early_stopping_patience": 3}},
        regularizer=["none", "l1"],  # which has a level of this name
    )
    assert choices(made, "learning_rate") == ("none", 0.1)
    point = {"learning_rate": "none", "how": "a", "regularizer": "none", "beta_1": 0.6}
    assert made.at(point) == point
    assert made.at(point | {"learning_rate": 0.1}).keys() == point.keys() - {"beta_1"}
    found = made.resolve(point)
    assert (found["learning_rate"], found["early_stopping_patience"]) == (None, None)
    assert (found["epsilon"], found["epochs"]) == (None, 2)
    assert found["regularizer"] == "none"
    assert CnnHyperparameters(**found).learning_rate is None
    with pytest.raises(DefinitionError, match=r"^space\.dropout: Expected a float.*'none'"):
        space(dropout=["none", 0.1])


def test_a_seed_can_be_varied_in_the_space() -> None:
    assert choices(space(seed=[1, 2, 3]), "seed") == (1, 2, 3)
    with pytest.raises(DefinitionError, match=r"^space\.seed: Expected a seed of 0 or more"):
        space(seed=[1, -1])


@pytest.mark.parametrize("value", ["32-64", [32, 64], (32, 64)])
def test_a_choice_is_found_by_its_label_and_by_its_value(value: Any) -> None:
    factor = space(filters=[[32, 64], [8]]).factors["filters"]
    assert factor.choice_of(value, "key") == "32-64"


def test_a_value_that_is_no_choice_is_an_error_of_the_line_it_stands_in() -> None:
    made = space(filters=[[32, 64], [8]], dropout={"low": 0.0, "high": 0.5, "step": 0.05})
    assert made.factors["dropout"].choice_of(0.15, "key") == 0.15
    with pytest.raises(DefinitionError, match=r"^here: .* in steps of 0\.05\. Received: 0\.17"):
        made.factors["dropout"].choice_of(0.17, "here")
    with pytest.raises(DefinitionError, match=r"^here: .*one of 32-64, 8\..*Did you mean 32-64\?"):
        made.factors["filters"].choice_of("32-46", "here")


def test_true_is_not_one() -> None:
    assert same(1, 1.0)
    assert not same(1, True)
    assert not same([1, 0], [1, False])
    assert same([1, 2], (1, 2))
    assert not same([1, 2], [1, 2, 3])
    factor = space(nesterov=[True, False], momentum=[0.9]).factors["nesterov"]
    with pytest.raises(DefinitionError, match="Expected a level"):
        factor.choice_of(1, "key")


def test_suggesting_keeps_what_a_trial_has_and_draws_the_rest() -> None:
    made = space(optimizer=["sgd", "adam"], momentum=MOMENTUM, filters=[[32, 64], [8]])
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    study.enqueue_trial({"optimizer": "sgd", "momentum": 0.6})
    trial = study.ask()
    params = made.pick(lambda factor: factor.suggest(trial))
    assert params == trial.params
    assert (params["optimizer"], params["momentum"]) == ("sgd", 0.6)
    assert made.distributions(params) == trial.distributions


def test_examples_show_both_ends_of_every_range_and_every_level() -> None:
    made = space(learning_rate={"low": 0.001, "high": 0.1}, batch_size=[16, 32], filters=[[4], [8]])
    points = list(made.examples(50))
    assert len(points) == 8
    assert {point["learning_rate"] for point in points} == {0.001, 0.1}
    some = list(made.examples(5))  # too many to try all: a sample, then each level
    assert len(some) == 5 + 2 + 2 + 2
    assert {point["learning_rate"] for point in some} == {0.001, 0.1}
