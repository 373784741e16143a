"""Users' functions in the executor child: the processes that they start, their own errors."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import optuna
import pytest
from commands import HERE, executions
from rich.console import Console
from small_workers import function_study

from storage import claim, count_claimable, is_claimable, storage_of, study_id, trial_id
from studies import create_study
from studies.attributes import CREATED_KEY
from studies.cli.status import status_block
from studies.definition.study import parse_definition
from studies.errors import DefinitionError, ExecutorDiedError, TrialError
from studies.executor import functions
from studies.executor.client import Executor
from studies.executor.protocol import CallFunction, ExecutorKind, TrialResult
from studies.executor.report import ErrorReport
from studies.worker.outcome import from_error

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
            CallFunction(function, url, study.study_name, created_at, trial_id(trial), tmp_path)
        )

    yield ask
    executor.close()


@pytest.mark.timeout(300)  # it hung for ever
def test_a_function_may_use_processes_and_finds_nothing_to_read(
    sqlite_url: str, tmp_path: Path, call: Call
) -> None:
    study = function_study(sqlite_url, tmp_path, "uses_processes", 1)
    assert call(study, sqlite_url).value == 6.0


@pytest.mark.timeout(300)
def test_a_fork_ends_where_it_would_go_on_as_the_child(
    storage_url: str, tmp_path: Path, call: Call
) -> None:
    study = function_study(storage_url, tmp_path, "leaves_forks", 3)
    assert [call(study, storage_url).value for _ in range(3)] == [0.0, 1.0, 2.0]
    assert executions(tmp_path) == [0, 1, 2]


def test_a_function_that_suggests_itself_gets_what_is_queued(
    storage_url: str, tmp_path: Path, call: Call
) -> None:
    queued = [{"x": 0.25}, {"x": 0.75}, {"x": 0.25}, {"y": 1}]
    table = {"name": "s", "objective": "user_objectives:own_space", "direction": "minimize"}
    table |= {"search": {"sampler": "tpe", "n_trials": 4, "enqueue": queued}}
    study = create_study(parse_definition(table), storage_url, artifacts=tmp_path)
    assert call(study, storage_url).value == 0.25
    assert call(study, storage_url).pruned
    assert [trial.params["x"] for trial in study.trials[:2]] == [0.25, 0.75]
    assert len(study.trials) == 3  # each once
    create_study(parse_definition(table), storage_url, artifacts=tmp_path)
    assert len(study.trials) == 3
    with pytest.raises(DefinitionError, match=r"search\.enqueue\[0\]\.x: Expected a number"):
        parse_definition(table | {"search": {"n_trials": 1, "enqueue": [{"x": [1]}]}})


def test_the_traceback_of_a_function_begins_with_its_own_line(
    sqlite_url: str, tmp_path: Path, call: Call
) -> None:
    study = function_study(sqlite_url, tmp_path, "broken", 1)
    with pytest.raises(TrialError, match="no such column") as caught:
        call(study, sqlite_url)
    lines = caught.value.traceback.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1].startswith(f'  File "{HERE / "user_objectives.py"}", line ')


def test_a_function_that_exits_fails_with_its_words(
    sqlite_url: str, tmp_path: Path, call: Call
) -> None:
    study = function_study(sqlite_url, tmp_path, "exits", 4)
    for words in ("sys.exit('no data in /there')", "sys.exit(3)"):
        with pytest.raises(TrialError) as caught:
            call(study, sqlite_url)
        recorded = from_error(study.trials[-1], caught.value).attributes
        assert recorded["fail_reason"] == f"ExitError: {words}"
        lines = recorded["traceback"].splitlines()
        assert lines[1].startswith(f'  File "{HERE / "user_objectives.py"}", line ')
    assert call(study, sqlite_url).value == 1.0  # by the same child
    with pytest.raises(ExecutorDiedError, match=r"exit code 4, as by os._exit\(4\)$"):
        call(study, sqlite_url)


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (None, r"Received: None\. Is a `return` missing\?$"),
        ("good", r"Received: 'good'\.$"),
        ((0.5, 1), r"Received: \(0\.5, 1\)\.$"),
        ({"accuracy": 0.5}, r"Received: {'accuracy': 0\.5}\.$"),
    ],
)
def test_what_is_no_number_is_told_with_the_function(
    sqlite_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    returned: object,
    says: str,
) -> None:
    study = function_study(sqlite_url, tmp_path, "quick", 1)
    monkeypatch.setattr(optuna.logging, "set_verbosity", lambda _: None)  # of this process, too
    monkeypatch.setattr(functions, "find_function", lambda _: lambda _: returned)
    (trial,) = claim(storage_of(study), study_id(study))
    created_at = study.user_attrs[CREATED_KEY]
    own = (created_at, trial_id(trial), tmp_path)
    request = CallFunction("my:f", sqlite_url, study.study_name, *own)
    report = functions.FunctionCaller().call(request)
    assert isinstance(report, ErrorReport)
    assert re.search("^Expected a number from my:f. " + says, report.message)


@pytest.mark.parametrize("function", ["reports_too_far", "sets_a_long_key"])
def test_what_the_database_refuses_is_the_functions_own_error(
    postgres_url: str, tmp_path: Path, call: Call, function: str
) -> None:
    study = function_study(postgres_url, tmp_path, function, 1)
    with pytest.raises(TrialError, match=r"out of range|too long") as caught:
        call(study, postgres_url)
    assert caught.value.class_name == "DataError"
    assert not caught.value.raised_by_storage  # else it is taken for an outage, and tried again
    recorded = from_error(study.trials[0], caught.value).attributes
    assert set(recorded) == {"files_sha256", "device", "fail_reason", "traceback"}
    assert list(recorded["files_sha256"]) == ["user_objectives"]


def test_a_function_may_stop_its_study(storage_url: str, tmp_path: Path, call: Call) -> None:
    study = function_study(storage_url, tmp_path, "stops_the_study", 4)
    queue = storage_of(study), study_id(study)
    assert call(study, storage_url).value == 1.0
    assert (is_claimable(*queue), count_claimable(*queue)) == (True, 3)
    assert call(study, storage_url).value == 1.0
    assert (is_claimable(*queue), count_claimable(*queue), claim(*queue)) == (False, 0, [])
    words = io.StringIO()
    Console(file=words).print(status_block(study))
    assert "stopped by the function of trial 1" in words.getvalue()
    function_study(storage_url, tmp_path, "stops_the_study", 4)  # the same again
    assert claim(*queue) == []
    function_study(storage_url, tmp_path, "stops_the_study", 5)
    assert count_claimable(*queue) == 3
