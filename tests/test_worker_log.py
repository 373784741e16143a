"""What operators see of a worker: a line for each event, and what users' functions print."""

from __future__ import annotations

import re
from pathlib import Path
from subprocess import Popen

import pytest
import sqlalchemy
from commands import executions, start_worker, states, wait_until
from forked_processes import usual_start
from small_workers import away, epochs, function_study, hold, let_go, network_study, wait_until_held

WORKER = r"\S+ \S+ worker=\S+-\w{4} study=s trial="  # after the time


def log_of(folder: Path) -> str:
    return (folder / "worker.log").read_text()


def lines(log: str, pattern: str) -> list[str]:
    """Return what groups of a pattern match in the lines that begin with the worker."""
    return re.findall(rf"(?m)^{WORKER}{pattern}$", log)


def test_each_event_of_a_trial_is_a_line(sqlite_url: str, tmp_path: Path) -> None:
    network_study(
        sqlite_url,
        tmp_path,
        search={"design": "grid"},
        fixed={"epochs": 1, "hidden_units": [8]},
        space={"learning_rate": [0.001, 0.01]},
    )
    assert start_worker("s", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    log = log_of(tmp_path)
    assert lines(log, r"(\d) claimed") == ["0", "1"]
    assert sorted(lines(log, r"(\d) training starts")) == ["0", "1"]
    assert sorted(lines(log, r"(\d) complete value=0\.\d+ seconds=\d+\.\d")) == ["0", "1"]


def test_the_events_of_a_function_are_lines(sqlite_url: str, tmp_path: Path) -> None:
    function_study(sqlite_url, tmp_path, "broken", 1)
    assert start_worker("s", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    log = log_of(tmp_path)
    assert lines(log, r"(\d) claimed") == ["0"]
    assert lines(log, r"(\d) the function starts") == ["0"]
    assert lines(log, r"(\d) failed seconds=\d+\.\d: RuntimeError: no such column") == ["0"]


def test_a_trial_that_is_queued_again_is_a_line_with_the_reason(
    sqlite_url: str, tmp_path: Path, launched: list[Popen[bytes]]
) -> None:
    function_study(sqlite_url, tmp_path, "endless", 1)
    launched.append(start_worker("s", url=sqlite_url, folder=tmp_path))
    wait_until(lambda: executions(tmp_path) == [0], "the trial is executed")
    launched[0].terminate()
    assert launched[0].wait(timeout=300) == 0
    told = r"(\d) queued again: its worker was told to stop; its function begins anew, .*"
    assert lines(log_of(tmp_path), told) == ["0"]


def test_a_trial_whose_worker_was_lost_is_a_line_of_the_worker_that_finds_it(
    sqlite_url: str, tmp_path: Path, launched: list[Popen[bytes]]
) -> None:
    function_study(sqlite_url, tmp_path, "endless", 1)
    quick = ("--heartbeat=0.5", "--grace=2.5")
    launched.append(start_worker("s", *quick, url=sqlite_url, folder=tmp_path))
    wait_until(lambda: executions(tmp_path) == [0], "the trial is executed")
    launched[0].kill()
    launched[0].wait()
    assert start_worker("s", *quick, url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    found = lines(
        log_of(tmp_path), r"(\d) queued again: its worker was lost, no heartbeat for 2.5 s"
    )
    assert found == ["0"]


def test_a_database_that_answers_again_is_a_line_with_how_long_it_was_away(
    postgres_server: sqlalchemy.URL,
    postgres_url: str,
    tmp_path: Path,
    launched: list[Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hold(tmp_path, monkeypatch, n=6)
    fixed = {"epochs": 20, "hidden_units": [16]}
    search = {"sampler": "random", "n_trials": 1}
    study = network_study(postgres_url, tmp_path, search=search, fixed=fixed)
    launched.append(start_worker("s", url=postgres_url, folder=tmp_path))
    wait_until_held(tmp_path)
    assert len(epochs(study)) > 5
    with away(postgres_server, postgres_url):
        let_go(tmp_path)
        wait_until(lambda: "trying again" in log_of(tmp_path), "it waits")
    assert launched[0].wait(timeout=300) == 0
    assert states(study) == {"COMPLETE": 1}
    log = log_of(tmp_path)
    assert lines(log, r"(\d) the database does not answer, trying again in 0.5 s: .+") == ["0"]
    (seconds,) = lines(log, r"0 the database answers again after (\d+\.\d) s")
    assert float(seconds) >= 0.5


def test_prints_and_warnings_of_a_function_are_shown_as_its_own(
    sqlite_url: str, tmp_path: Path
) -> None:
    study = function_study(sqlite_url, tmp_path, "talks", 2)
    assert start_worker("s", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    assert states(study) == {"COMPLETE": 2}
    shown = re.findall(r"(?m)^\S+ \S+ (\[.*)$", log_of(tmp_path))
    for number in (0, 1):
        mine = [line for line in shown if line.startswith(f"[trial {number}]")]
        assert len(mine) == 5  # Optuna's words on the function's own study are not shown
        assert f"[trial {number}] printed by {number}" in mine
        assert f"[trial {number}] an error of {number}" in mine
        assert f"[trial {number}] echoed by {number}" in mine
        assert any("user_objectives.py" in line and "a doubt" in line for line in mine)
    assert len(shown) == 10


def test_all_lines_of_a_function_that_is_killed_are_shown(sqlite_url: str, tmp_path: Path) -> None:
    study = function_study(sqlite_url, tmp_path, "talks_and_is_killed", 1)
    assert start_worker("s", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    assert states(study) == {"FAIL": 1}
    shown = re.findall(r"(?m)^\S+ \S+ \[trial 0\] (.*)$", log_of(tmp_path))
    assert shown == [*(f"line {i}." for i in range(1000)), "the last words"]


def test_greetings_of_libraries_are_not_shown_and_of_a_progress_bar_its_end(
    sqlite_url: str, tmp_path: Path
) -> None:
    function_study(sqlite_url, tmp_path, "greets", 1)
    assert start_worker("s", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    shown = re.findall(r"(?m)^\S+ \S+ (\[.*)$", log_of(tmp_path))
    assert shown == ["[trial 0] 2/2 loss: 1.0"]


def test_a_network_of_tensorflow_is_trained_without_a_word_of_it(
    sqlite_url: str, tmp_path: Path
) -> None:
    study = network_study(
        sqlite_url,
        tmp_path,
        objective="cnn",
        backend="tensorflow",
        search={"design": "grid"},
        fixed={"epochs": 1, "filters": [2], "hidden_units": []},
        space={"learning_rate": [0.001]},
    )
    with usual_start():  # some words come from imports
        worker = start_worker("s", url=sqlite_url, folder=tmp_path)
    assert worker.wait(timeout=300) == 0
    assert states(study) == {"COMPLETE": 1}
    words = log_of(tmp_path).splitlines()
    assert all(" worker=" in line for line in words[:-1])
    assert words[-1] == "1 trials taken."
