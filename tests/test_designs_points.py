"""Designs: which points, in which order, and with which seeds."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import optuna
import pytest

from studies.definition.study import StudyDefinition, parse_definition
from studies.designs.grid import grid
from studies.designs.one_factor import one_factor_at_a_time
from studies.designs.points import initial_points
from studies.designs.random import random_points

FOUR = {  # the 81 points
    "initializer": ["random_normal", "glorot_normal", "glorot_uniform"],
    "activation": ["relu", "sigmoid", "tanh"],
    "regularizer": ["none", "l1", "l2"],
    "optimizer_setting": {
        "rmsprop": {"optimizer": "rmsprop", "learning_rate": 1e-3},
        "adam": {"optimizer": "adam", "learning_rate": 1e-3},
        "adam_fast": {"optimizer": "adam", "learning_rate": 1e-2},
    },
}
CONDITIONAL = {
    "optimizer": ["sgd", "adam", "adamax"],
    "momentum": {"low": 0.0, "high": 0.9, "step": 0.3, "when": {"optimizer": ["sgd"]}},
    "batch_size": [32, 64],
}


def study(
    space: dict[str, Any], fixed: dict[str, Any] | None = None, **search: Any
) -> StudyDefinition:
    """Make a definition with a search of its own."""
    lines = {"name": "s", "objective": "mlp", "dataset": "digits"}
    return parse_definition(lines | {"search": search, "space": space, "fixed": fixed or {}})


def params(definition: StudyDefinition) -> list[dict[str, Any]]:
    return [dict(point.params) for point in initial_points(definition)]


def seeds(definition: StudyDefinition) -> list[int]:
    return [point.user_attrs["seed"] for point in initial_points(definition)]


def keys(points: list[dict[str, Any]]) -> set[tuple[Any, ...]]:
    return {tuple(sorted(point.items())) for point in points}


def test_the_grid_has_every_combination_once() -> None:
    points = grid(study(FOUR, design="grid").factors)
    assert len(points) == len(keys(points)) == 81
    assert points[0] == {
        "initializer": "random_normal",
        "activation": "relu",
        "regularizer": "none",
        "optimizer_setting": "rmsprop",
    }


def test_points_that_differ_in_an_inactive_factor_collapse() -> None:
    points = grid(study(CONDITIONAL, design="grid").factors)
    assert len(points) == len(keys(points)) == (4 + 1 + 1) * 2
    assert all(("momentum" in point) == (point["optimizer"] == "sgd") for point in points)


def test_a_grid_of_steps_has_them_as_a_person_writes_them() -> None:
    definition = study({"dropout": {"low": 0.0, "high": 0.3, "step": 0.05}}, design="grid")
    assert [p["dropout"] for p in params(definition)] == [0.0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3]


def test_one_factor_at_a_time_begins_with_the_default_and_changes_one_factor_each() -> None:
    default = {
        "activation": "sigmoid",
        "initializer": "glorot_uniform",
        "regularizer": "none",
        "optimizer_setting": "adam",
    }
    points = one_factor_at_a_time(study(FOUR, design="grid").factors, default)
    assert points[0] == default
    assert len(points) == len(keys(points)) == 1 + 4 * 2
    changed = [[name for name in default if point[name] != default[name]] for point in points]
    assert [len(names) for names in changed] == [0] + [1] * 8
    assert {name for names in changed for name in names} == set(default)


def test_one_factor_at_a_time_leaves_inactive_factors_out() -> None:
    search: dict[str, Any] = {
        "design": "one-factor-at-a-time",
        "default": {"optimizer": "adam", "momentum": 0.3, "batch_size": 32},
    }
    assert params(study(CONDITIONAL, **search)) == [
        {"optimizer": "adam", "batch_size": 32},
        {"optimizer": "sgd", "momentum": 0.3, "batch_size": 32},
        {"optimizer": "adamax", "batch_size": 32},
        {"optimizer": "adam", "batch_size": 64},
    ]


def test_a_default_that_is_a_list_is_given_as_in_the_space() -> None:
    search: dict[str, Any] = {
        "design": "one-factor-at-a-time",
        "default": {"hidden_units": [16, 8]},
    }
    definition = study({"hidden_units": [[32], [16, 8]]}, **search)
    assert params(definition) == [{"hidden_units": "16-8"}, {"hidden_units": "32"}]


def test_random_points_differ_and_can_be_repeated() -> None:
    space = study(CONDITIONAL, design="grid").factors
    points = random_points(space, 8, seed=3)
    assert len(points) == len(keys(points)) == 8
    assert points == random_points(space, 8, seed=3)
    assert points != random_points(space, 8, seed=4)


def test_random_points_are_those_of_optunas_random_sampler() -> None:
    """A study of an earlier version, which asked Optuna for each, has them and gets more."""
    ranges = {
        "learning_rate": {"low": 1e-4, "high": 0.1, "log": True},
        "dropout": {"low": 0.1, "high": 0.8, "step": 0.23333333333333334},
        "hidden_units": [[16], [32, 16]],
        "regularizer": ["l2"],
        "epochs": {"low": 2, "high": 9},
    }
    space = study(CONDITIONAL | ranges, design="random", n_trials=30).factors
    asked = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=3))

    def ask() -> dict[str, Any]:
        trial = asked.ask()
        return space.pick(lambda factor: factor.suggest(trial))

    assert random_points(space, 30, seed=3) == [ask() for _ in range(30)]


def test_random_points_of_a_small_space_are_all_of_it() -> None:
    space = study(CONDITIONAL, design="grid").factors
    assert keys(random_points(space, 50, seed=0)) == keys(grid(space))


def test_a_longer_list_begins_with_the_shorter() -> None:
    searches: list[dict[str, Any]] = [{"design": "random", "replicates": 2}, {"design": "grid"}]
    range_ = {"learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}}
    for search in searches:
        space = range_ if search["design"] == "random" else FOUR
        lists = [initial_points(study(space, **search, n_trials=n)) for n in (1, 4, 7, 30)]
        assert [len(points) for points in lists] == [1, 4, 7, 30]
        for shorter, longer in pairwise(lists):
            assert longer[: len(shorter)] == shorter


def test_replicates_follow_each_other_with_one_seed_more_each() -> None:
    definition = study({"batch_size": [32, 64]}, design="grid", replicates=3, seed=10)
    assert [p["batch_size"] for p in params(definition)] == [32, 32, 32, 64, 64, 64]
    assert seeds(definition) == [10, 11, 12, 10, 11, 12]


@pytest.mark.parametrize(
    ("space", "fixed", "expected"),
    [
        ({"batch_size": [32, 64]}, {}, [10, 10]),
        ({"seed": [5, 6]}, {}, [5, 6]),
        ({"batch_size": [32, 64]}, {"seed": 4}, [4, 4]),
        ({"how": {"a": {"seed": 2}, "b": {"dropout": 0.1}}}, {}, [2, 10]),
    ],
)
def test_the_seed_is_the_studys_unless_it_is_set(
    space: dict[str, Any], fixed: dict[str, Any], expected: list[int]
) -> None:
    assert seeds(study(space, fixed, design="grid", seed=10)) == expected


def test_known_settings_come_first_and_the_design_does_not_repeat_them() -> None:
    enqueue = [{"hidden_units": [16, 8]}, {"hidden_units": "64"}]
    definition = study({"hidden_units": [[32], [16, 8], [64]]}, design="grid", enqueue=enqueue)
    assert [p["hidden_units"] for p in params(definition)] == ["16-8", "64", "32"]


def test_a_known_setting_with_an_inactive_factor_is_not_repeated_either() -> None:
    enqueue = [{"optimizer": "adam", "momentum": 0.6, "batch_size": 64}]
    points = params(study(CONDITIONAL, design="grid", enqueue=enqueue))
    assert points[0] == {"optimizer": "adam", "batch_size": 64}
    assert len(points) == len(keys(points)) == 12


def test_a_sampler_has_known_settings_only_and_they_may_be_partial() -> None:
    search: dict[str, Any] = {"sampler": "tpe", "n_trials": 9, "enqueue": [{"batch_size": 64}]}
    definition = study(CONDITIONAL, **search)
    (point,) = initial_points(definition)
    assert point.params == {"batch_size": 64}
    assert list(point.distributions) == ["batch_size"]


def test_the_budget_cuts_a_design_known_settings_first() -> None:
    definition = study(FOUR, design="grid", n_trials=5)
    assert params(definition) == grid(definition.factors)[:5]
    enqueue = [{"batch_size": 64}, {"batch_size": 32}]
    cut = study({"batch_size": [32, 64]}, design="grid", n_trials=1, enqueue=enqueue)
    assert params(cut) == [{"batch_size": 64}]
