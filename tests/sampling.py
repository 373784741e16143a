"""Small studies of a function, and how a worker takes and ends their trials."""

from __future__ import annotations

from typing import Any

import optuna

from storage import TrialStorage, claim, study_id
from studies.definition.study import StudyDefinition, parse_definition
from studies.suggest import prepare_trial

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
