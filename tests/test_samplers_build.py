"""Samplers by name: seeded by study and trial number, whoever the worker is."""

from __future__ import annotations

import importlib.util
import json
import pickle
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import numpy as np
import optuna
import pytest
import sqlalchemy
from optuna.distributions import BaseDistribution, FloatDistribution
from optuna.trial import FrozenTrial

from storage import TrialStorage, claim, create_storage, study_id
from studies.create import create_study
from studies.definition.study import StudyDefinition, parse_definition
from studies.samplers.build import (
    ReplayedCmaEsSampler,
    build_sampler,
    check_pruner,
    check_sampler,
    seed_for,
)
from studies.suggest import prepare_trial, seed_of

PLANE = {"x": {"low": -1.0, "high": 1.0}, "y": {"low": -1.0, "high": 1.0}}
MIXED = {
    "x": {"low": 1e-3, "high": 1.0, "log": True},
    "n": {"low": 1, "high": 9},
    "kind": ["a", "b"],
    "z": {"low": 0.0, "high": 1.0, "when": {"kind": ["b"]}},
}
QUICK: dict[str, Any] = {  # so that each has left its startup within a dozen trials
    "random": "random",
    "tpe": {"name": "tpe", "n_startup_trials": 4},
    "qmc": {"name": "qmc", "scramble": True},
    "nsga2": {"name": "nsga2", "population_size": 4},
    "nsga3": {"name": "nsga3", "population_size": 4},
    "cmaes": {"name": "cmaes", "popsize": 4},
}


def define(
    space: dict[str, Any], sampler: Any = "random", n_trials: int | None = 100, **search: Any
) -> StudyDefinition:
    """Define a study of a function, which takes any space."""
    return parse_definition(
        {
            "name": "s",
            "objective": "package.module:function",
            "metric": "value",
            "direction": "minimize",
            "search": {"sampler": sampler, "n_trials": n_trials} | search,
            "space": space,
        }
    )


def sphere(params: dict[str, Any]) -> float:
    return sum(float(v) ** 2 for v in params.values() if isinstance(v, int | float))


Started = tuple[optuna.Study, optuna.Trial, dict[str, Any]]


def start(opened: TrialStorage, definition: StudyDefinition) -> Started:
    """Take one trial, as a worker does."""
    study = optuna.load_study(storage=opened, study_name=definition.name)
    (claimed,) = claim(opened, study_id(study))
    return study, *prepare_trial(study, definition, claimed)


def finish(
    study: optuna.Study, trial: optuna.Trial, params: dict[str, Any]
) -> tuple[int, dict[str, Any]]:
    """End a trial, as a worker does."""
    study.tell(trial, sphere(params))
    return trial.number, params


def pull(opened: TrialStorage, definition: StudyDefinition) -> dict[str, Any]:
    """Take one trial and end it."""
    return finish(*start(opened, definition))[1]


@pytest.fixture
def workers(sqlite_url: str) -> Iterator[Callable[[], TrialStorage]]:
    """Open the same file as a worker of its own does, with what it knows being its own."""
    opened = []

    def start() -> TrialStorage:
        opened.append(create_storage(sqlite_url, waiting=False))
        return opened[-1]

    yield start
    for each in opened:
        each.engine.dispose()


@pytest.mark.parametrize("name", list(QUICK))
def test_every_sampler_builds_by_its_name_and_with_options(name: str) -> None:
    check_sampler(name)
    check_sampler(QUICK[name])


def test_gp_without_torch_is_an_error_that_names_the_extra() -> None:
    if importlib.util.find_spec("torch") is not None:
        check_sampler("gp")
        return
    with pytest.raises(ValueError, match=r"Expected the package torch .* with its extra \[gp\]"):
        check_sampler("gp")


def test_names_options_and_values_of_options_are_checked() -> None:
    with pytest.raises(ValueError, match=r"Received: ranom\. Did you mean random\?"):
        check_sampler("ranom")
    with pytest.raises(ValueError, match=r"option of random, of which there is none\. Received: n"):
        check_sampler({"name": "random", "n": 1})
    with pytest.raises(ValueError, match=r"Expected int for popsize of cmaes\. Received: True"):
        check_sampler({"name": "cmaes", "popsize": True})
    with pytest.raises(ValueError, match="Expected nsga2 with right options"):
        check_sampler({"name": "nsga2", "population_size": 1})
    with pytest.raises(ValueError, match="Expected qmc with right options"):
        check_sampler({"name": "qmc", "qmc_type": "sobel"})
    with pytest.raises(ValueError, match=r"Received: mdian\. Did you mean median\?"):
        check_pruner({"name": "patient", "wrapped": "mdian"})


def test_a_seed_depends_on_study_and_number() -> None:
    seeds = {seed_for(seed, number) for seed in range(20) for number in range(50)}
    assert len(seeds) == 1000
    assert seed_for(3, 4) == seed_for(3, 4)


@pytest.mark.parametrize("name", list(QUICK))
def test_workers_never_copy_each_other_and_a_restart_goes_on(
    name: str, workers: Callable[[], TrialStorage]
) -> None:
    # Wide, since a genetic child of two parameters is often the copy of a parent.
    definition = define({f"x{i}": PLANE["x"] for i in range(8)}, QUICK[name], seed=5)
    first, second = workers(), workers()
    create_study(definition, first)
    done = []
    for _ in range(6):
        started = [start(worker, definition) for worker in (first, second)]  # both know the same
        done += [finish(*each) for each in started]
    restarted = workers()
    done += [finish(*start(restarted, definition)) for _ in range(4)]
    assert [number for number, _ in done] == list(range(16))
    assert len({tuple(params.values()) for _, params in done}) == 16


@pytest.mark.parametrize("name", list(QUICK))
def test_a_study_can_be_repeated_by_other_workers(
    name: str, tmp_path: Path, sqlite_storage: TrialStorage, workers: Callable[[], TrialStorage]
) -> None:
    definition = define(MIXED, QUICK[name], seed=5)
    create_study(definition, sqlite_storage)
    alone = [pull(sqlite_storage, definition) for _ in range(12)]

    again = definition.model_copy(update={"name": "again"})
    pair = workers(), workers()
    create_study(again, pair[0])
    assert [pull(pair[i % 2], again) for i in range(12)] == alone

    other = define(MIXED, QUICK[name], seed=6).model_copy(update={"name": "other"})
    create_study(other, sqlite_storage)
    assert [pull(sqlite_storage, other) for _ in range(12)] != alone


@pytest.mark.parametrize("name", list(QUICK))
def test_a_proposal_is_a_function_of_seed_and_number(name: str) -> None:
    space: dict[str, BaseDistribution] = {"x": FloatDistribution(0.0, 1.0)}

    def propose(seed: int, number: int) -> float:
        study = optuna.create_study(sampler=build_sampler(QUICK[name], seed, number, space))
        for past in range(8):  # the same past for all
            system_attrs = {"cma:generation": 0} if name == "cmaes" else {}
            study.add_trial(
                optuna.trial.create_trial(
                    params={"x": past / 8},
                    distributions=space,
                    value=float(past),
                    system_attrs=system_attrs,
                )
            )
        return float(study.ask(space).params["x"])

    assert propose(1, 8) == propose(1, 8)
    assert propose(1, 8) != propose(1, 9)
    assert propose(1, 8) != propose(2, 8)


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


def attributes(opened: TrialStorage) -> list[tuple[str, str]]:
    statement = "SELECT key, value_json FROM trial_system_attributes"
    with opened.engine.connect() as connection:
        return [(key, value) for key, value in connection.execute(sqlalchemy.text(statement))]


def test_cmaes_improves_and_stores_no_pickle(
    sqlite_storage: TrialStorage, workers: Callable[[], TrialStorage]
) -> None:
    space = {f"x{i}": {"low": -5.0, "high": 4.0} for i in range(3)}
    definition = define(space, "cmaes", seed=1)
    create_study(definition, sqlite_storage)
    pair = workers(), workers()
    values = [sphere(pull(pair[i % 2], definition)) for i in range(90)]
    assert min(values[-20:]) < min(values[:20])
    assert sorted(values[-20:])[10] < sorted(values[:20])[10] / 10

    stored = attributes(sqlite_storage)
    assert {key for key, _ in stored} == {"cma:generation"}
    assert max(json.loads(value) for _, value in stored) >= 10


class Recording(ReplayedCmaEsSampler):
    """Ours, with its state to look at."""

    def _restore_optimizer(self, completed_trials: list[FrozenTrial]) -> Any:
        self.state = super()._restore_optimizer(completed_trials)
        return self.state


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_the_replayed_state_is_the_one_that_optuna_pickles(
    direction: Literal["minimize", "maximize"],
) -> None:
    def objective(trial: optuna.Trial) -> float:
        return trial.suggest_float("x", -3, 5) ** 2 + trial.suggest_int("n", 0, 9)

    study = optuna.create_study(
        direction=direction, sampler=optuna.samplers.CmaEsSampler(seed=1, popsize=5)
    )
    study.optimize(objective, n_trials=40)
    attrs = max(study.trials, key=lambda t: t.number * ("cma:optimizer:0" in t.system_attrs))
    parts = [v for k, v in attrs.system_attrs.items() if k.startswith("cma:optimizer")]
    pickled = pickle.loads(bytes.fromhex("".join(parts)))

    study.sampler = Recording(seed=2, popsize=5)
    study.ask().suggest_float("x", -3, 5)
    replayed = study.sampler.state
    assert replayed.generation == pickled.generation == 7
    np.testing.assert_allclose(replayed.mean, pickled.mean)
    np.testing.assert_allclose(replayed._C, pickled._C)
    assert replayed._sigma == pytest.approx(pickled._sigma)


def test_cmaes_leaves_categories_and_conditions_to_random_draws(
    sqlite_storage: TrialStorage,
) -> None:
    definition = define(MIXED, QUICK["cmaes"])
    create_study(definition, sqlite_storage)
    drawn = [pull(sqlite_storage, definition) for _ in range(16)]
    assert {params["kind"] for params in drawn} == {"a", "b"}
    assert {key for key, _ in attributes(sqlite_storage)} == {"cma:generation"}


def test_a_point_that_waited_keeps_its_parameters_and_seed(sqlite_storage: TrialStorage) -> None:
    enqueue = [{"x": 0.25}, {"x": 0.5, "y": -0.5}]
    definition = define(PLANE, "tpe", enqueue=enqueue, seed=8)
    study = create_study(definition, sqlite_storage)
    for expected in enqueue:
        (claimed,) = claim(sqlite_storage, study_id(study))
        trial, params = prepare_trial(study, definition, claimed)
        assert expected.items() <= params.items()
        assert set(params) == {"x", "y"}
        assert seed_of(definition, trial, params) == 8


def test_a_varied_seed_is_the_one_to_train_with(sqlite_storage: TrialStorage) -> None:
    definition = define({"seed": [11, 12]}, "random", seed=8)
    study = create_study(definition, sqlite_storage)
    trial, params = prepare_trial(study, definition, claim(sqlite_storage, study_id(study))[0])
    assert seed_of(definition, trial, params) == params["seed"] in (11, 12)


def test_a_replicate_trains_with_its_own_seed(sqlite_storage: TrialStorage) -> None:
    search = {"design": "grid", "replicates": 2, "seed": 8}
    definition = define({"x": [1.5]}, None, None, **search)
    study = create_study(definition, sqlite_storage)
    claimed = claim(sqlite_storage, study_id(study), 2)
    prepared = [prepare_trial(study, definition, each) for each in claimed]
    assert [seed_of(definition, *each) for each in prepared] == [8, 9]
