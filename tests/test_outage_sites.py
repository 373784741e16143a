"""Each place that waits out a database that is away: here it is so for the first answer of each."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from commands import HERE, executions
from small_workers import function_study

from storage import DatabaseUnreachableError, claim, outages, storage_of, study_id, trial_id
from studies.attributes import CREATED_KEY
from studies.executor import functions
from studies.executor.functions import FunctionCaller
from studies.executor.protocol import CallFunction, TrialResult
from studies.fleet import local
from studies.worker import loop
from studies.worker.loop import WorkerOptions, open_session


@pytest.fixture
def away_once(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any, str], None]:
    """Have a name of a module, or a function, meet a database that does not answer at first."""
    monkeypatch.setattr(outages, "FIRST_PAUSE", 0.01)

    def make(place: Any, name: str) -> None:
        plain, failed = getattr(place, name), []

        def once(*arguments: Any, **named: Any) -> Any:
            if not failed:
                error = DatabaseUnreachableError("away")
                error.may_pass = True
                failed.append(error)
                raise error
            return plain(*arguments, **named)

        monkeypatch.setattr(place, name, once)

    return make


def test_a_worker_waits_as_it_opens_the_storage(
    sqlite_url: str, away_once: Callable[[Any, str], None]
) -> None:
    away_once(loop, "create_storage")
    session = open_session(sqlite_url, WorkerOptions())
    assert session.database.queue_states() == {}


@pytest.mark.parametrize("name", ["create_storage", "prepare_trial"])
def test_the_child_of_a_function_waits_as_it_opens_the_study_and_chooses_parameters(
    sqlite_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    away_once: Callable[[Any, str], None],
    name: str,
) -> None:
    study = function_study(sqlite_url, tmp_path, "quick", 1)
    (trial,) = claim(storage_of(study), study_id(study))
    monkeypatch.setattr(sys, "path", [*sys.path, str(HERE)])
    monkeypatch.setenv("EXECUTIONS", str(tmp_path / "executions"))
    away_once(functions, name)
    created_at = study.user_attrs[CREATED_KEY]
    answer = FunctionCaller().call(
        CallFunction(
            "user_objectives:quick", sqlite_url, "s", created_at, trial_id(trial), tmp_path
        )
    )
    optuna.logging.set_verbosity(optuna.logging.WARNING)  # which a child silences
    assert isinstance(answer, TrialResult), answer
    assert executions(tmp_path) == [0]


@pytest.mark.parametrize("name", ["is_running", "is_claimable"])
def test_a_run_waits_as_it_looks_whether_the_study_is_open(
    sqlite_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    away_once: Callable[[Any, str], None],
    name: str,
) -> None:
    study = function_study(sqlite_url, tmp_path, "quick", 1)
    told: list[str] = []

    class Ended:
        """Worker processes that have ended."""

        stop_requests = 0

        def __init__(self, *_: object) -> None:
            self.replaced = 0

        def __enter__(self) -> Ended:
            return self

        def __exit__(self, *_: object) -> None:
            told.append(f"replaced {self.replaced}")

        def start(self, n: int) -> None:
            told.append(f"started {n}")

        def stopping(self) -> bool:
            return False

        request_stop = stopping

        def replace_killed(self) -> None:
            self.replaced += 1

        def have_ended(self) -> bool:
            return self.replaced > 1

        def any_killed(self) -> bool:
            return False

    monkeypatch.setattr(local, "WorkerProcesses", Ended)
    ticks: list[int] = []
    shown = SimpleNamespace(tick=lambda: ticks.append(1))
    away_once(local, name)
    away_once(shown, "tick")
    assert local.work_here(study, sqlite_url, 2, on_tick=lambda: shown.tick())
    assert told == ["started 2", "replaced 2"]
    assert len(ticks) == 2
