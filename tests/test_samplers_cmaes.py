"""CMA-ES: it improves, as Optuna's does, and stores no pickle."""

from __future__ import annotations

import json
import pickle
from typing import Any, Literal

import numpy as np
import optuna
import pytest
import sqlalchemy
from optuna.trial import FrozenTrial
from sampling import MIXED, QUICK, define, pull, sphere

from storage import TrialStorage, create_storage
from studies.create import create_study
from studies.samplers.cmaes import ReplayedCmaEsSampler


def attributes(opened: TrialStorage) -> list[tuple[str, str]]:
    statement = "SELECT key, value_json FROM trial_system_attributes"
    with opened.engine.connect() as connection:
        return [(key, value) for key, value in connection.execute(sqlalchemy.text(statement))]


def test_cmaes_improves_and_stores_no_pickle(sqlite_storage: TrialStorage, sqlite_url: str) -> None:
    space = {f"x{i}": {"low": -5.0, "high": 4.0} for i in range(3)}
    definition = define(space, "cmaes", seed=1)
    create_study(definition, sqlite_storage)
    pair = [create_storage(sqlite_url, waiting=False) for _ in range(2)]
    values = [sphere(pull(pair[i % 2], definition)) for i in range(90)]
    for worker in pair:
        worker.engine.dispose()
    assert min(values[-20:]) < min(values[:20])
    assert sorted(values[-20:])[10] < sorted(values[:20])[10] / 10

    stored = attributes(sqlite_storage)
    assert {key for key, _ in stored} == {"cma:generation"}
    assert max(json.loads(value) for _, value in stored) >= 10


class Recording(ReplayedCmaEsSampler):
    """Ours, with its state to compare."""

    def state_after(self, completed: list[FrozenTrial]) -> Any:
        """Keep the state."""
        self.state = super().state_after(completed)
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
