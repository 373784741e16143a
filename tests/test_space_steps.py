"""Ranges with steps: every level is tried, and none is listed before it is needed."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from sampling import define

from objectives.networks.mlp import MlpHyperparameters
from studies.definition.study import StudyDefinition, parse_definition
from studies.designs.points import initial_points
from studies.designs.random import random_points
from studies.errors import DefinitionError
from studies.space.factor import Factor
from studies.space.parse_space import parse_space

THIRDS = {"low": 0.1, "high": 0.8, "step": 0.23333333333333334}


def factor(**line: Any) -> Factor:
    return parse_space({"x": line}, {}, None).factors["x"]


@pytest.mark.parametrize(
    ("line", "levels"),
    [
        (THIRDS, [0.1, 0.33333333333333334, 0.5666666666666667, 0.8]),
        ({"low": 0.0, "high": 3e-13, "step": 1e-13}, [0.0, 1e-13, 2e-13, 3e-13]),
        ({"low": 0.0, "high": 0.15, "step": 0.05}, [0.0, 0.05, 0.1, 0.15]),
        ({"low": -1.0, "high": 1.0, "step": 2 / 3}, [-1.0, -1 / 3, 1 / 3, 1.0]),
        ({"low": 5, "high": 12, "step": 7}, [5, 12]),
    ],
)
def test_every_level_of_a_range_is_one_that_optuna_draws(
    line: dict[str, Any], levels: list[float]
) -> None:
    found = factor(**line)
    assert list(found.levels()) == pytest.approx(levels, rel=1e-15)
    assert (found.choices()[0], found.choices()[-1]) == (levels[0], levels[-1])
    drawn = random_points(parse_space({"x": line}, {}, None), len(levels), seed=0)
    assert sorted(float(point["x"]) for point in drawn) == list(found.levels())
    for level in found.levels():  # as for a trial that is added to a study
        trial = optuna.create_trial(
            params={"x": level}, distributions={"x": found.distribution}, value=0.0
        )
        assert trial.params["x"] == level


@pytest.mark.parametrize(
    "line", [THIRDS, {"low": 0.0, "high": 1.0, "step": 1 / 7}, {"low": 0, "high": 7.7, "step": 0.1}]
)
def test_a_distribution_survives_its_way_through_the_database(line: dict[str, Any]) -> None:
    found = factor(**line).distribution
    stored = optuna.distributions.distribution_to_json(found)
    assert optuna.distributions.json_to_distribution(stored) == found


def test_a_known_setting_that_a_computer_wrote_is_the_level_of_the_grid() -> None:
    space = {"x": {"low": 0.1, "high": 0.4, "step": 0.1}}
    enqueue = [{"x": 0.1 * 3}, {"x": 0.4 + 1e-16}]
    assert enqueue[0]["x"] != 0.3
    definition = define(space, None, None, design="grid", enqueue=enqueue)
    assert [point.params["x"] for point in initial_points(definition)] == [0.3, 0.4, 0.1, 0.2]


@pytest.mark.parametrize(
    "space", [{"seed": {"low": 0, "high": 2**63}}, {"steps": {"low": 1, "high": 10**8}}]
)
def test_a_range_of_very_many_levels_is_not_listed(
    space: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    ((name, line),) = space.items()
    found = parse_space(space, {}, MlpHyperparameters).factors[name]
    assert found.examples() == found.choices() == [line["low"], line["high"]]
    assert found.n_levels() == line["high"] - line["low"] + 1
    search = {"n_trials": 3}
    lines = {"name": "s", "objective": "mlp", "dataset": "digits", "space": space}
    definition = parse_definition({**lines, "search": search})
    assert definition.most_alike == found.n_levels()
    with pytest.raises(DefinitionError, match=r"^space: Expected at most 100,000 points"):
        parse_definition({**lines, "search": {"design": "grid"}})


def few_of_many(n: int) -> StudyDefinition:
    """Define a grid whose levels have far more combinations than it has points."""
    kinds = [str(i) for i in range(n)]
    numbers = {f"x{i}": {"low": 1, "high": 9, "when": {"kind": [str(i)]}} for i in range(n)}
    return define({"kind": kinds, **numbers}, None, None, design="grid")


def test_a_grid_has_no_more_work_than_points() -> None:
    definition = few_of_many(12)
    assert definition.factors.grid_size == 12 * 9**12
    assert len(initial_points(definition)) == 12 * 9


def test_a_step_of_too_many_digits_names_a_way_out() -> None:
    low = 0.1 + 0.2
    line = {"low": low, "high": low + 1, "step": 1 / 3}
    with pytest.raises(DefinitionError, match=r"^space\.x: Expected a step of fewer digits, or a"):
        factor(**line)
