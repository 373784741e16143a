"""Quasi-random points: the number of a trial is its place in the sequence."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.distributions import BaseDistribution, FloatDistribution
from sampling import MIXED, PLANE, define, pull, start

from storage import TrialStorage
from studies.create import create_study
from studies.samplers.build import build_sampler


@pytest.mark.parametrize("options", [{}, {"scramble": True}, {"qmc_type": "halton"}])
def test_the_number_of_a_trial_is_its_place_in_the_sequence(
    options: dict[str, Any], sqlite_storage: TrialStorage
) -> None:
    definition = define(PLANE, {"name": "qmc"} | options)
    create_study(definition, sqlite_storage)
    points = [pull(sqlite_storage, definition) for _ in range(32)]
    columns = {int((point["x"] + 1) * 16) for point in points[:16]}
    if options.get("qmc_type") != "halton":
        rows = {(int((p["x"] + 1) * 2), int((p["y"] + 1) * 2)) for p in points[:16]}
        assert len(rows) == 16, "of 16 points one in each of 4 x 4 cells"
        assert len({int((p["x"] + 1) * 16) for p in points}) == 32, "and in each of 32 columns"
    assert len(columns) >= 15
    space: dict[str, BaseDistribution] = {name: FloatDistribution(-1.0, 1.0) for name in PLANE}
    late = build_sampler({"name": "qmc"} | options, 0, 21, space)
    study = optuna.create_study(sampler=late)
    assert study.ask(space).params == points[21]


def test_a_conditional_factor_of_qmc_is_drawn_apart(sqlite_storage: TrialStorage) -> None:
    definition = define(MIXED, "qmc")
    study = create_study(definition, sqlite_storage)
    drawn = [pull(sqlite_storage, definition) for _ in range(16)]
    values = [params["z"] for params in drawn if params["kind"] == "b"]
    assert len(set(values)) == len(values) == 8
    assert all("z" not in params for params in drawn if params["kind"] == "a")
    assert [trial.params for trial in study.trials] == drawn
    last, trial, _ = start(sqlite_storage, definition)
    sequence = last.sampler.infer_relative_search_space(last, last.trials[trial.number])
    assert set(sequence) == {"x", "n", "kind"}
