"""The search space of a user's `build(trial)`, found by running it."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import pytest

from objectives.errors import SettingError
from objectives.own.build_trial import BuildTrial
from objectives.own.find_space import FoundSpace, find_space


def dense(trial: BuildTrial) -> None:
    for i in range(trial.suggest_int("n_layers", 1, 3)):
        trial.suggest_int(f"units_{i}", 32, 256, step=32)
        trial.suggest_float(f"dropout_{i}", 0.0, 0.5)
    trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)


def optimizers(trial: BuildTrial) -> None:
    if trial.suggest_categorical("optimizer", ["sgd", "adam"]) == "sgd":
        if trial.suggest_categorical("uses_momentum", [True, False]):
            trial.suggest_float("momentum", 0.0, 0.9, step=0.1)
    else:
        trial.suggest_float("beta_1", 0.8, 0.99)


def one_of_many(trial: BuildTrial) -> None:
    kind = trial.suggest_categorical("kind", ["rnn", "cnn", "mlp", None])
    if kind in ("rnn", "cnn"):
        trial.suggest_int("width", 8, 64, log=True)
        if trial.suggest_int("depth", 1, 4) >= 3 and kind == "cnn":
            trial.suggest_categorical("skip", [1, True, "yes"])


def nothing(trial: BuildTrial) -> None:
    trial.set_user_attr("seen", trial.number)


SPACES: list[tuple[Callable[[BuildTrial], Any], dict[str, Any]]] = [
    (
        dense,
        {
            "n_layers": {"low": 1, "high": 3},
            "units_0": {"low": 32, "high": 256, "step": 32},
            "dropout_0": {"low": 0.0, "high": 0.5},
            "learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
            "units_1": {"low": 32, "high": 256, "step": 32, "when": {"n_layers": [2, 3]}},
            "dropout_1": {"low": 0.0, "high": 0.5, "when": {"n_layers": [2, 3]}},
            "units_2": {"low": 32, "high": 256, "step": 32, "when": {"n_layers": [3]}},
            "dropout_2": {"low": 0.0, "high": 0.5, "when": {"n_layers": [3]}},
        },
    ),
    (
        optimizers,
        {
            "optimizer": ["sgd", "adam"],
            "uses_momentum": {"levels": [True, False], "when": {"optimizer": ["sgd"]}},
            "momentum": {"low": 0.0, "high": 0.9, "step": 0.1, "when": {"uses_momentum": [True]}},
            "beta_1": {"low": 0.8, "high": 0.99, "when": {"optimizer": ["adam"]}},
        },
    ),
    (
        one_of_many,
        {
            "kind": ["rnn", "cnn", "mlp", None],
            "width": {"low": 8, "high": 64, "log": True, "when": {"kind": ["rnn", "cnn"]}},
            "depth": {"low": 1, "high": 4, "when": {"kind": ["rnn", "cnn"]}},
            "skip": {"levels": [1, True, "yes"], "when": {"kind": ["cnn"], "depth": [3, 4]}},
        },
    ),
    (nothing, {}),
]


@pytest.mark.parametrize(("build", "lines"), SPACES, ids=lambda each: getattr(each, "__name__", ""))
def test_each_parameter_is_found_with_the_condition_that_it_depends_on(
    build: Callable[[BuildTrial], Any], lines: dict[str, Any]
) -> None:
    found = find_space(build)
    assert found.lines() == lines
    assert list(found.lines()) == list(lines)  # each after those of its condition
    assert found.n_builds <= 500


def test_what_a_found_space_asks_for_is_what_the_function_asks_for() -> None:
    found: FoundSpace = find_space(one_of_many)
    for kind, depth in itertools.product(["rnn", "cnn", "mlp", None], range(1, 5)):
        setting = {"kind": kind, "width": 8, "depth": depth, "skip": True}
        trial = BuildTrial(setting, lambda parameter: pytest.fail(parameter.name))
        one_of_many(trial)
        assert found.asks(setting) == set(trial.params)


def either(trial: BuildTrial) -> None:
    one, other = (trial.suggest_categorical(name, ["on", "off"]) for name in ("one", "other"))
    if "on" in (one, other):
        trial.suggest_float("third", 0.0, 1.0)


def beyond_a_number(trial: BuildTrial) -> None:
    if trial.suggest_float("rate", 0.0, 1.0) > 0.3:
        trial.suggest_int("units", 1, 2)


def between_the_levels(trial: BuildTrial) -> None:
    if 0.55 < trial.suggest_float("rate", 0.0, 1.0) < 0.7:
        trial.suggest_int("units", 1, 2)


def beyond_a_large_integer(trial: BuildTrial) -> None:
    if trial.suggest_int("width", 1, 300) > 150:
        trial.suggest_int("units", 1, 2)


def bounds_of_another(trial: BuildTrial) -> None:
    trial.suggest_int("inner", 1, trial.suggest_int("outer", 2, 4))


def two_ranges(trial: BuildTrial) -> None:
    trial.suggest_float("rate", 0.0, 1.0)
    trial.suggest_float("rate", 0.0, 2.0)


_calls = itertools.count()


def by_chance(trial: BuildTrial) -> None:
    trial.suggest_int(f"units_{next(_calls)}", 1, 2)


def too_many(trial: BuildTrial) -> None:
    for i in range(trial.suggest_int("n", 1, 32)):
        trial.suggest_int(f"units_{i}", 1, 32)


def reports(trial: BuildTrial) -> None:
    trial.report(0.5, 1)


def wrong_ends(trial: BuildTrial) -> None:
    trial.suggest_float("rate", 1.0, 0.0)


def wrong_log(trial: BuildTrial) -> None:
    trial.suggest_float("rate", 0.0, 1.0, log=True)


def no_choice(trial: BuildTrial) -> None:
    trial.suggest_categorical("kind", [])


def a_list_as_a_choice(trial: BuildTrial) -> None:
    trial.suggest_categorical("units", [[64], [64, 64]])  # type: ignore[list-item]


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (either, ["third", "with one=on", "one=off, other=off", "[space] with when"]),
        (beyond_a_number, ["units", "with rate=0.5, not with rate=0.0", "[space] with when"]),
        (
            between_the_levels,
            ["units", "with rate=0.583", "not with rate=0.0", "[space] with when"],
        ),
        (beyond_a_large_integer, ["units", "with width=151, not with width=1"]),
        (bounds_of_another, ["inner to have one range", "'high': 2", "with outer=3", "'high': 3"]),
        (two_ranges, ["rate", "'high': 1.0", "'high': 2.0", "another name"]),
        (by_chance, ["the same parameters each time", "units_"]),
        (too_many, ["500 builds", "[space] with when"]),
        (reports, ["suggest_float", "trial.report", "reports its epochs"]),
        (wrong_ends, ["low <= high for rate", "low=1.0, high=0.0"]),
        (wrong_log, ["a low above 0", "low=0.0"]),
        (no_choice, ["one choice for kind"]),
        (a_list_as_a_choice, ["choices of units", "[64]"]),
    ],
)
def test_what_no_space_can_say_is_an_error_that_names_it(
    build: Callable[[BuildTrial], Any], words: list[str]
) -> None:
    with pytest.raises((SettingError, AttributeError)) as caught:
        find_space(build)
    for word in words:
        assert word in str(caught.value)


def test_what_is_built_is_checked_each_time() -> None:
    built = []
    found = find_space(lambda trial: trial.suggest_int("units", 1, 3), built.append)
    assert set(built) == {1, 2, 3}
    assert len(built) == found.n_builds + 200


def test_none_is_written_as_text_unless_that_is_a_choice_of_its_own() -> None:
    def chosen(choices: list[Any]) -> Any:
        trial = BuildTrial({"act": "none"}, lambda _: None)
        return trial.suggest_categorical("act", choices)

    assert chosen(["relu", None]) is None
    assert chosen(["relu", "none"]) == "none"
    assert chosen(["relu", "none", None]) == "none"
