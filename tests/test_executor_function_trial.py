"""What a user's function sees of the study's space."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import optuna
import pytest
from sampling import define

from storage import TrialStorage, claim, study_id, trial_id
from studies.attributes import CREATED_KEY
from studies.create import create_study
from studies.executor.functions import FunctionCaller
from studies.executor.protocol import CallFunction, TrialResult
from studies.executor.report import ErrorReport

SPACE: dict[str, Any] = {
    "units": [[16], [32, 64]],
    "name": ["a", "b"],
    "rate": {"low": 0.1, "high": 0.3, "step": 0.1},
    "decay": {"off": {}, "on": {"decay": 1e-4}},
    "how": {"slow": {"steps": 9, "kernel": [3, 3]}, "fast": {"steps": 1}},
}


class Call:
    """Calls a function for one trial of a study of `SPACE`, as the executor's child does."""

    def __init__(self, storage: TrialStorage, point: dict[str, Any], **search: Any) -> None:
        self.storage = storage
        definition = define(SPACE, search.pop("sampler", "random"), enqueue=[point], **search)
        self.study = create_study(definition, storage)
        self.seen: Any = None

    def __call__(self, look: Any) -> TrialResult | ErrorReport:
        """Return the answer; `seen` is what `look` returned for the function's trial."""

        def function(trial: optuna.Trial) -> float:
            self.seen = look(trial)
            trial.report(0.5, 1)
            trial.set_user_attr("note", 1)
            return 1.0

        module = ModuleType("tests_function")
        module.function = function  # type: ignore[attr-defined]
        sys.modules[module.__name__] = module
        (claimed,) = claim(self.storage, study_id(self.study))
        return FunctionCaller().call(
            CallFunction(
                function="tests_function:function",
                storage=self.storage.engine.url.render_as_string(hide_password=False),
                study=self.study.study_name,
                created_at=self.study.user_attrs[CREATED_KEY],
                trial_id=trial_id(claimed),
                folder=Path("no-such-folder"),
            )
        )


POINT = {"units": [16], "name": "b", "rate": 0.1 * 3, "decay": "off", "how": "slow"}


def test_a_function_gets_the_levels_that_the_author_wrote(sqlite_storage: TrialStorage) -> None:
    call = Call(sqlite_storage, POINT)

    def look(trial: optuna.Trial) -> tuple[Any, ...]:
        return (
            trial.params,
            trial.suggest_categorical("units", [[16], [32, 64]]),  # type: ignore[list-item]
            trial.suggest_categorical("name", ["a", "b"]),
            trial.suggest_float("decay", 0.0, 1.0),
            trial.suggest_int("steps", 1, 9),
            trial.suggest_float("rate", 0.1, 0.3, step=0.1),
            trial.suggest_int("own", 5, 5),
            trial.params["own"],
        )

    assert isinstance(call(look), TrialResult)
    expected = {
        "units": [16],
        "name": "b",
        "rate": 0.3,
        "how": "slow",
        "steps": 9,
        "kernel": [3, 3],
    }
    assert call.seen == (expected, [16], "b", None, 9, 0.3, 5, 5)
    (trial,) = call.study.get_trials()
    # The database, the dashboard and exports have the labels.
    assert {"units": "16", "decay": "off", "how": "slow", "own": 5}.items() <= trial.params.items()
    assert (trial.intermediate_values, trial.user_attrs["note"]) == ({1: 0.5}, 1)


def test_a_function_gets_the_seed_of_each_replicate(sqlite_storage: TrialStorage) -> None:
    search = {"sampler": None, "design": "grid", "n_trials": 3, "replicates": 3, "seed": 7}
    call, seeds = Call(sqlite_storage, POINT | {"how": "fast"}, **search), []
    for _ in range(3):
        answer = call(lambda trial: trial.seed)
        assert isinstance(answer, TrialResult), answer
        seeds.append(call.seen)
    assert seeds == [7, 8, 9]


def test_a_function_that_knows_other_levels_is_told(sqlite_storage: TrialStorage) -> None:
    call = Call(sqlite_storage, POINT)
    answer = call(lambda trial: trial.suggest_categorical("units", ["16", "32-64"]))
    assert isinstance(answer, ErrorReport)
    assert "Expected units to have the levels of the study's [space]." in answer.message
    assert "without [16]" in answer.message


@pytest.fixture(autouse=True)
def _quiet() -> Any:
    """Undo what the caller sets for a whole process."""
    verbosity, path = optuna.logging.get_verbosity(), list(sys.path)
    yield
    optuna.logging.set_verbosity(verbosity)
    sys.path[:] = path
    sys.modules.pop("tests_function", None)
