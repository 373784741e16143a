"""KerasTuner's `build(hp)` and `HyperModel`, unchanged: their space, their mistakes."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_tuner
import pytest

import objectives.own
from objectives.code import source_code
from objectives.code.find_function import find_function
from objectives.errors import CodeError, ObjectiveError, SettingError
from objectives.own.build_trial import BuildTrial
from objectives.own.find_space import find_space
from objectives.own.hyper_model import builder_of
from objectives.own.takes_hp import check_no_network
from objectives.own.tuner_build import TunerBuild


def scopes(hp: Any) -> None:
    kind = hp.Choice("kind", ["plain", "deep"])
    with hp.conditional_scope("kind", ["deep"]):
        layers = hp.Int("layers", 1, 3)
        assert (layers is None) == (kind == "plain")  # as with KerasTuner
        for i in range(layers or 0):
            hp.Int(f"units_{i}", 8, 30, step=8)
    with hp.name_scope("head"):
        if hp.Boolean("drops", default=True):
            hp.Float("rate", 0, 0.3, step=0.1)
        assert hp.get("drops") is hp["drops"] is hp.values["head/drops"]
    hp.Float("momentum", 0.5, 0.9, parent_name="kind", parent_values=["plain"])
    assert hp.Fixed("seed_of_augmentation", 3) == 3


def ranges(hp: Any) -> None:
    asked = {
        int: (
            hp.Int("any", 1, 9),
            hp.Int("log", 1, 1000, sampling="log"),
            hp.Int("powers", 2, 33, step=2, sampling="log"),
            hp.Int("from_above", 1, 9, step=2, sampling="reverse_log"),
        ),
        float: (
            hp.Float("whole_ends", 1, 2),
            hp.Float("log_float", 1e-4, 1e-1, sampling="log", default=1e-3),
            hp.Float("tenths", 0, 1, step=0.1),
            hp.Float("decades", 1e-3, 1, step=10, sampling="log"),
            hp.Float("reversed", 1, 2, sampling="reverse_log"),
        ),
    }
    assert all(type(value) is kind for kind, values in asked.items() for value in values)


SPACES: list[tuple[Callable[[Any], None], dict[str, Any]]] = [
    (
        scopes,
        {
            "kind": ["plain", "deep"],
            "head/drops": [True, False],
            "head/rate": {"low": 0.0, "high": 0.3, "step": 0.1, "when": {"head/drops": [True]}},
            "momentum": {"low": 0.5, "high": 0.9, "when": {"kind": ["plain"]}},
            "layers": {"low": 1, "high": 3, "when": {"kind": ["deep"]}},
            "units_0": {"low": 8, "high": 24, "step": 8, "when": {"kind": ["deep"]}},
            "units_1": {"low": 8, "high": 24, "step": 8, "when": {"layers": [2, 3]}},
            "units_2": {"low": 8, "high": 24, "step": 8, "when": {"layers": [3]}},
        },
    ),
    (
        ranges,
        {
            "any": {"low": 1, "high": 9},
            "log": {"low": 1, "high": 1000, "log": True},
            "powers": [2, 4, 8, 16, 32],
            "from_above": [2, 6, 8, 9],
            "whole_ends": {"low": 1.0, "high": 2.0},
            "log_float": {"low": 1e-4, "high": 1e-1, "log": True},
            "tenths": {"low": 0.0, "high": 1.0, "step": 0.1},
            "decades": [0.001, 0.01, 0.1, 1.0],
            "reversed": {"low": 1.0, "high": 2.0},
        },
    ),
]


@pytest.mark.parametrize(("build", "lines"), SPACES, ids=lambda each: getattr(each, "__name__", ""))
def test_what_build_asks_of_hp_is_the_space_with_its_conditions(
    build: Callable[[Any], None], lines: dict[str, Any]
) -> None:
    function = builder_of(build, "build")
    assert find_space(function).lines() == lines
    assert isinstance(function, TunerBuild)
    notes = ['reversed: sampling="reverse_log" is searched on a linear scale.']
    assert function.notes()[1:] == (notes if build is ranges else [])


class Net(keras_tuner.HyperModel):  # type: ignore[misc]
    """A HyperModel whose networks are numbers."""

    def __init__(self, most: int = 4) -> None:
        super().__init__()
        self.most = most

    def build(self, hp: Any) -> int:
        """Ask for one parameter."""
        return int(hp.Int("units", 1, self.most))


class NeedsArguments(Net):
    """One that has to be made by its author."""

    def __init__(self, n_classes: int) -> None:
        super().__init__(n_classes)


def by_name(hp: Any) -> Any:
    return hp.Int("units", 1, 4)


def by_annotation(parameters: keras_tuner.HyperParameters) -> Any:
    return parameters.Int("units", 1, 4)


def by_import(space: Any) -> Any:  # this file imports KerasTuner
    return space.Int("units", 1, 4)


def of_ours(trial: Any) -> Any:
    return trial.suggest_int("units", 1, 4)


@pytest.mark.parametrize(
    "code", [by_name, by_annotation, by_import, of_ours, Net, Net(), NeedsArguments(4)]
)
def test_functions_of_hp_hypermodels_and_functions_of_a_trial_are_told_apart(code: Any) -> None:
    trial = BuildTrial({"units": 3}, lambda parameter: 1)
    assert builder_of(code, "code")(trial) == 3
    assert list(trial.asked) == ["units"]


def other_ranges(hp: Any) -> None:
    hp.Int("units", 1, 4)
    hp.Int("units", 1, 5)


def other_ranges_each_time() -> Callable[[Any], None]:
    calls: list[int] = []

    def build(hp: Any) -> None:
        calls.append(1)
        hp.Float("rate", 0.1, 0.1 + len(calls))

    return build


@pytest.mark.parametrize("build", [other_ranges, other_ranges_each_time()])
def test_one_parameter_with_two_ranges_is_an_error(build: Callable[[Any], None]) -> None:
    with pytest.raises(SettingError, match=r"Expected (units|rate) to have one range"):
        find_space(builder_of(build, "build"))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (NeedsArguments, "missing a required argument: 'n_classes'. Make one in the file"),
        (keras_tuner.RandomSearch, "a Tuner of KerasTuner. Name the function or the HyperModel"),
        (3, "Received: code, which is of type int."),
    ],
)
def test_what_builds_no_networks_is_an_error(code: Any, words: str) -> None:
    with pytest.raises(ObjectiveError) as caught:
        builder_of(code, "code")
    assert words in str(caught.value)


@pytest.mark.parametrize("code", [scopes, keras_tuner.HyperModel, keras_tuner.HyperModel()])
def test_without_data_what_builds_networks_for_keras_tuner_is_told_to_need_some(code: Any) -> None:
    with pytest.raises(CodeError, match="Expected dataset, the data to train on, for mine"):
        check_no_network(code, "mine")


def test_without_data_a_function_of_a_trial_returns_a_number() -> None:
    assert check_no_network(lambda trial: 1.0, "mine") is None  # type: ignore[func-returns-value]


def test_without_keras_tuner_an_error_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in [name for name in sys.modules if name.partition(".")[0] == "keras_tuner"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "keras_tuner", None)
    monkeypatch.delitem(sys.modules, "objectives.own.keras_tuner_internals", raising=False)
    monkeypatch.delattr(objectives.own, "keras_tuner_internals", raising=False)
    with pytest.raises(CodeError, match="Install it: pip install keras-tuner"):
        builder_of(by_name, "by_name")
    (tmp_path / "needs_the_tuner.py").write_text("import keras_tuner\ndef build(hp): ...\n")
    with pytest.raises(ImportError, match="Install it: pip install keras-tuner"):
        find_function(f"{tmp_path / 'needs_the_tuner.py'}:build")


def test_a_file_that_searches_when_it_is_imported_is_an_error(tmp_path: Path) -> None:
    code = "import keras_tuner as kt\ndef build(hp): ...\n{}tuner.search(1, epochs=3)\n"
    (tmp_path / "script.py").write_text(code.format(""))
    with pytest.raises(CodeError, match=r"script.py, line 3: tuner.search\(1, epochs=3\)"):
        source_code.find("script.py:build", tmp_path)
    (tmp_path / "script.py").write_text(code.format("if __name__ == '__main__':\n    "))
    assert source_code.find("script.py:build", tmp_path).function == "build"
