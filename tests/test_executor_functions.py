"""Users' functions in the executor child: the processes that they start, their own errors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from commands import HERE, executions
from small_workers import function_study

from storage import claim, storage_of, study_id, trial_id
from studies.attributes import CREATED_KEY
from studies.executor.client import Executor
from studies.executor.protocol import CallFunction, ExecutorKind, TrialResult

Call = Callable[[optuna.Study, str], TrialResult]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Call]:
    """Claim a trial of a study, and have one child execute it."""
    monkeypatch.chdir(HERE)
    monkeypatch.setenv("EXECUTIONS", str(tmp_path / "executions"))
    executor = Executor(ExecutorKind(None), should_abort=lambda: False)

    def ask(study: optuna.Study, url: str) -> TrialResult:
        (trial,) = claim(storage_of(study), study_id(study))
        function = study.user_attrs["definition"]["objective"]
        created_at = study.user_attrs[CREATED_KEY]
        return executor.call_function(
            CallFunction(function, url, study.study_name, created_at, trial_id(trial))
        )

    yield ask
    executor.close()


@pytest.mark.timeout(30)  # it hung for ever
def test_a_function_may_use_processes_and_finds_nothing_to_read(
    sqlite_url: str, tmp_path: Path, call: Call
) -> None:
    study = function_study(sqlite_url, tmp_path, "uses_processes", 1)
    assert call(study, sqlite_url).value == 6.0


@pytest.mark.timeout(30)
def test_a_fork_ends_where_it_would_go_on_as_the_child(
    storage_url: str, tmp_path: Path, call: Call
) -> None:
    study = function_study(storage_url, tmp_path, "leaves_forks", 3)
    assert [call(study, storage_url).value for _ in range(3)] == [0.0, 1.0, 2.0]
    assert executions(tmp_path) == [0, 1, 2]
