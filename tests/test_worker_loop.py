"""Workers as processes: exactly once, and nothing lost when one is killed, paused or told to stop.

The objectives are functions of user_objectives.py, which cost nothing; networks are in
test_search.py.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from subprocess import Popen

import pytest
from commands import (
    HERE,
    QUICK,
    executions,
    executors,
    hpo,
    is_alive,
    start_worker,
    states,
    wait_until,
)
from forked_processes import usual_start
from optuna.trial import TrialState
from queues import LONG_AGO, write_until
from small_workers import function_study

from storage import TrialStorage, storage_of, study_id, workers_seen
from studies import create_study
from studies.definition.study import parse_definition
from studies.worker.loop import WorkerOptions, open_session
from studies.worker.open_studies import OpenStudies


@pytest.mark.parametrize("adaptive", [False, True], ids=["design", "sampler"])
def test_eight_workers_execute_200_trials_exactly_once(
    storage_url: str, tmp_path: Path, adaptive: bool, launched: list[Popen[bytes]]
) -> None:
    study = function_study(storage_url, tmp_path, "quick", 200, adaptive=adaptive)
    launched += [start_worker("s", url=storage_url, folder=tmp_path) for _ in range(8)]
    assert [worker.wait(timeout=300) for worker in launched] == [0] * 8
    assert states(study) == {"COMPLETE": 200}
    assert sorted(executions(tmp_path)) == list(range(200))
    assert len({trial.params["x"] for trial in study.trials}) == 200


def test_a_killed_worker_loses_no_trial_and_its_child_ends_with_it(
    storage_url: str, tmp_path: Path, launched: list[Popen[bytes]]
) -> None:
    study = function_study(storage_url, tmp_path, "slow", 24)
    (tmp_path / "hold").write_text("0")  # else one may have done all before the other begins
    launched += [start_worker("s", *QUICK, url=storage_url, folder=tmp_path) for _ in range(2)]
    wait_until(lambda: len(set(executors(tmp_path))) == 2, "both workers execute")
    children = set(executors(tmp_path))
    os.kill(launched[0].pid, signal.SIGKILL)
    wait_until(lambda: sum(map(is_alive, children)) == 1, "the child ends with its worker")
    (tmp_path / "hold").unlink()
    assert launched[1].wait(timeout=300) == 0
    trials = study.get_trials(deepcopy=False)
    lost = [trial for trial in trials if trial.state is TrialState.FAIL]
    assert len(lost) == 1
    assert len(trials) - len(lost) == 24
    assert states(study).get("COMPLETE") == 24
    for trial in lost:
        retry = trials[trial.user_attrs["retried_as"]]
        assert retry.user_attrs["retry_of"] == trial.number
        # A worker that is killed before its function has asked for `x` leaves no parameter.
        assert trial.params.items() <= retry.params.items()


def test_a_worker_killed_in_a_trial_leaves_it_to_the_next_worker(
    sqlite_url: str, tmp_path: Path, launched: list[Popen[bytes]]
) -> None:
    study = function_study(sqlite_url, tmp_path, "endless", 1)
    with usual_start():
        launched.append(start_worker("s", *QUICK, url=sqlite_url, folder=tmp_path))
    wait_until(lambda: executions(tmp_path) == [0], "the trial is executed")
    launched[0].kill()
    launched[0].wait()
    launched.append(start_worker("s", *QUICK, url=sqlite_url, folder=tmp_path))
    assert launched[1].wait(timeout=300) == 0
    assert states(study) == {"COMPLETE": 1, "FAIL": 1}
    assert "no heartbeat for 5 s" in study.trials[0].user_attrs["fail_reason"]


def test_a_paused_worker_drops_the_trial_that_was_given_away_and_goes_on(
    sqlite_url: str, tmp_path: Path, launched: list[Popen[bytes]]
) -> None:
    study = function_study(sqlite_url, tmp_path, "slow", 30)
    (tmp_path / "hold").write_text("1")
    launched.append(start_worker("s", *QUICK, url=sqlite_url, folder=tmp_path))
    wait_until(lambda: executions(tmp_path) == [0, 1], "it executes")
    os.kill(launched[0].pid, signal.SIGSTOP)
    launched.append(start_worker("s", *QUICK, url=sqlite_url, folder=tmp_path))
    wait_until(lambda: "FAIL" in states(study), "its trial is taken for lost")
    (tmp_path / "hold").unlink()
    os.kill(launched[0].pid, signal.SIGCONT)
    assert [worker.wait(timeout=300) for worker in launched] == [0, 0]
    assert states(study) == {"COMPLETE": 30, "FAIL": 1}
    assert "ended elsewhere" in (tmp_path / "worker.log").read_text()


def test_a_trial_that_somebody_fails_meanwhile_is_dropped(
    sqlite_url: str, tmp_path: Path, launched: list[Popen[bytes]]
) -> None:
    study = function_study(sqlite_url, tmp_path, "slow", 10)
    (tmp_path / "hold").write_text("2")
    launched.append(start_worker("s", url=sqlite_url, folder=tmp_path))
    wait_until(lambda: len(executions(tmp_path)) == 3, "the third trial is executed")
    study.tell(2, state=TrialState.FAIL)
    (tmp_path / "hold").unlink()
    assert launched[0].wait(timeout=300) == 0
    assert states(study) == {"COMPLETE": 9, "FAIL": 1}


def test_a_function_may_suggest_report_and_prune_as_in_optuna(
    sqlite_url: str, tmp_path: Path
) -> None:
    definition = {
        "name": "s",
        "objective": "user_objectives:own_space",
        "metric": "x",
        "direction": "minimize",
        "search": {"sampler": "tpe", "n_trials": 20},
    }
    study = create_study(parse_definition(definition), sqlite_url, artifacts=tmp_path)
    worker = start_worker("s", url=sqlite_url, folder=tmp_path)
    assert worker.wait(timeout=300) == 0
    for trial in study.trials:
        assert (trial.state is TrialState.PRUNED) == (trial.params["x"] > 0.5)
        assert trial.intermediate_values == {1: trial.params["x"]}
    assert len({trial.params["x"] for trial in study.trials}) == 20


def test_a_row_of_the_database_does_not_choose_code(sqlite_url: str, tmp_path: Path) -> None:
    study = function_study(sqlite_url, tmp_path, "quick", 3)
    done = hpo("worker", "s", url=sqlite_url, folder=tmp_path)
    assert done.returncode == 1
    assert "If you trust it: --allow-module user_objectives, in Python" in done.stderr
    assert states(study) == {}


def test_a_function_that_is_not_there_costs_no_trial(sqlite_url: str, tmp_path: Path) -> None:
    study = function_study(sqlite_url, tmp_path, "nofunc", 3)
    worker = start_worker("s", url=sqlite_url, folder=tmp_path)
    assert worker.wait(timeout=300) == 1
    log = (tmp_path / "worker.log").read_text()
    assert "error: study 's': Expected a function of user_objectives. Received: nofunc" in log
    assert states(study) == {}


def test_a_worker_ends_after_its_share(sqlite_url: str, tmp_path: Path) -> None:
    study = function_study(sqlite_url, tmp_path, "quick", 10)
    worker = start_worker("s", "--max-trials=4", url=sqlite_url, folder=tmp_path)
    assert worker.wait(timeout=300) == 0
    assert states(study) == {"COMPLETE": 4}


def test_a_waiting_worker_takes_what_is_added_later(
    sqlite_url: str, tmp_path: Path, launched: list[Popen[bytes]]
) -> None:
    study = function_study(sqlite_url, tmp_path, "quick", 2)
    launched.append(start_worker("--wait", url=sqlite_url, folder=tmp_path))
    wait_until(lambda: states(study) == {"COMPLETE": 2}, "the first budget is spent")
    log, told = tmp_path / "worker.log", f"waits for trials of any study in {sqlite_url}"
    wait_until(lambda: told in log.read_text(), "it says so")
    function_study(sqlite_url, tmp_path, "quick", 5)
    wait_until(lambda: states(study) == {"COMPLETE": 5}, "the larger budget is spent")
    launched[0].terminate()
    assert launched[0].wait(timeout=300) == 0
    assert log.read_text().count(told) in (1, 2), "once for each time that it has begun to wait"


def test_after_the_timeout_what_waits_waits_and_a_pause_costs_none_of_it(
    sqlite_url: str, tmp_path: Path, launched: list[Popen[bytes]]
) -> None:
    study = function_study(sqlite_url, tmp_path, "slow", 50, adaptive=False, timeout=100)
    launched.append(start_worker("s", "--wait", url=sqlite_url, folder=tmp_path))
    wait_until(lambda: len(executions(tmp_path)) >= 1, "it executes")
    launched[0].terminate()
    assert launched[0].wait(timeout=300) == 0
    assert 0 < study.user_attrs["worked"]["seconds"] < 100
    # A pause of years, after nearly all of the time.
    write_until(storage_of(study), study_id(study), LONG_AGO, seconds=98.5)
    done = len(executions(tmp_path))
    assert start_worker("s", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    assert len(executions(tmp_path)) > done
    assert states(study).keys() <= {"COMPLETE", "WAITING", "FAIL"}
    assert states(study)["WAITING"] >= 20, "of 50, each of which takes .3 s"
    given_back = [t for t in study.trials if t.state is TrialState.FAIL]
    assert all(
        t.user_attrs["fail_reason"].startswith("its worker was told to stop") for t in given_back
    )
    assert study.user_attrs["worked"]["seconds"] > 100


def test_the_parent_of_a_worker_loads_no_framework() -> None:
    code = (
        "import sys, studies.worker.loop, studies.fleet.local, studies.cli.live; "
        "import studies.cli.tables; "
        "print([m for m in ('keras', 'tensorflow', 'jax', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_grace_shorter_than_the_heartbeat_is_an_error(
    sqlite_storage: TrialStorage, sqlite_url: str, tmp_path: Path
) -> None:
    done = hpo("worker", "--heartbeat=5", "--grace=4", url=sqlite_url, folder=tmp_path)
    assert done.returncode == 1
    assert "Expected a grace longer than the heartbeat." in done.stderr


def test_a_sampler_sees_the_trials_that_ended_before(sqlite_url: str, tmp_path: Path) -> None:
    study = function_study(sqlite_url, tmp_path, "ended_trials", 5)
    assert start_worker("s", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    assert [trial.value for trial in study.trials] == [0, 1, 2, 3, 4]


def test_a_worker_without_a_child_still_says_which_trials_it_has(
    sqlite_url: str, tmp_path: Path
) -> None:
    function_study(sqlite_url, tmp_path, "quick", 3)
    session = open_session(sqlite_url, WorkerOptions())
    studies = OpenStudies(session.database, session.log, ["s"], ["user_objectives"])
    (name,) = studies.names()
    # As where it is told to stop while a child is made in the place of one that has failed.
    session.begin(studies.open(name), {1: 7})
    (seen,) = workers_seen(session.database.storage)
    assert (seen.study_name, seen.trial_numbers, seen.device) == ("s", (7,), "")


def test_a_child_is_replaced_by_its_memory_and_not_by_a_count(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(HERE)  # where its child finds the module of the function
    function_study(sqlite_url, tmp_path, "quick", 1)
    session = open_session(sqlite_url, WorkerOptions())
    studies = OpenStudies(session.database, session.log, ["s"], ["user_objectives"])
    study = studies.open(*studies.names())
    first = session.slot.ensure(study)
    first.programs_built, first.growth = 500, 2**20
    assert session.slot.ensure(study) is first
    first.programs_built, first.growth = 8, 2**32  # networks that are large, and all in use
    assert session.slot.ensure(study) is first
    first.programs_built, first.growth = 20, 2**30
    assert session.slot.ensure(study) is not first
    assert not first.is_alive
    session.slot.close()
