"""Workers that are told to stop: once, twice, with all of their processes, at any moment."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from subprocess import Popen

import pytest
import sqlalchemy
from commands import (
    COMMAND,
    QUICK,
    child_of,
    environment,
    executions,
    executors,
    is_alive,
    start_worker,
    states,
    wait_until,
)
from small_studies import table
from small_workers import away, epochs, function_study, hold, let_go, wait_until_held

from storage import claim, create_storage, requeue, study_id, workers_seen
from studies import create_study
from studies.definition.study import parse_definition


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_a_function_has_started_hears_signals_and_ends_with_the_worker(
    sqlite_url: str, tmp_path: Path, launched: list[Popen[bytes]], number: signal.Signals
) -> None:
    function_study(sqlite_url, tmp_path, "starts_others", 1)
    launched.append(start_worker("s", url=sqlite_url, folder=tmp_path))
    left = tmp_path / "left"
    wait_until(left.exists, "it has started others, and ended some of them")
    wait_until(lambda: len(left.read_text().split()) == 2, "their ids are written")
    others = [int(pid) for pid in left.read_text().split()]
    assert all(map(is_alive, others))
    os.kill(launched[0].pid, number)
    wait_until(lambda: not any(map(is_alive, others)), "they end with the worker")


def test_sigterm_queues_the_trial_again_and_ends_in_order(
    storage_url: str, tmp_path: Path, launched: list[Popen[bytes]]
) -> None:
    study = function_study(storage_url, tmp_path, "endless", 1)
    launched.append(start_worker("s", url=storage_url, folder=tmp_path))
    wait_until(lambda: executions(tmp_path) == [0], "the trial is executed")
    (child,) = executors(tmp_path)
    launched[0].terminate()
    assert launched[0].wait(timeout=300) == 0
    assert states(study) == {"FAIL": 1, "WAITING": 1}
    assert not is_alive(child)
    assert workers_seen(create_storage(storage_url)) == []


def test_a_second_signal_ends_a_worker_that_waits_for_its_database(
    postgres_server: sqlalchemy.URL,
    postgres_url: str,
    tmp_path: Path,
    launched: list[Popen[bytes]],
) -> None:
    study = function_study(postgres_url, tmp_path, "endless", 1)
    launched.append(start_worker("s", *QUICK, url=postgres_url, folder=tmp_path))
    wait_until(lambda: executions(tmp_path) == [0], "the trial is executed")
    log = tmp_path / "worker.log"
    with away(postgres_server, postgres_url):
        launched[0].terminate()
        wait_until(lambda: log.read_text().count("trying again in") > 2, "it waits to give it back")
        assert launched[0].poll() is None
        launched[0].terminate()
        assert launched[0].wait(timeout=300) == 1
    launched.append(start_worker("s", *QUICK, url=postgres_url, folder=tmp_path))
    assert launched[1].wait(timeout=300) == 0
    assert states(study) == {"COMPLETE": 1, "FAIL": 1}


def test_a_signal_to_every_process_queues_the_trial_again(
    sqlite_url: str,
    tmp_path: Path,
    launched: list[Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hold(tmp_path, monkeypatch, n=6)
    definition = table(
        search={"design": "grid"},
        fixed={"epochs": 3000},
        space={"learning_rate": [0.001]},
    )
    study = create_study(parse_definition(definition), sqlite_url, artifacts=tmp_path / "artifacts")
    command = [*COMMAND, "worker", "s"]
    worker = Popen(command, env=environment(sqlite_url, tmp_path))
    launched.append(worker)
    wait_until_held(tmp_path)
    assert len(epochs(study)) > 5
    for pid in (child_of(worker), worker.pid):
        os.kill(pid, signal.SIGTERM)
    let_go(tmp_path)
    assert worker.wait(timeout=300) == 0
    assert states(study) == {"FAIL": 1, "WAITING": 1}
    assert study.trials[0].user_attrs["fail_reason"] == "its worker was told to stop"


def test_being_told_to_stop_uses_up_no_retries(sqlite_url: str, tmp_path: Path) -> None:
    study = function_study(sqlite_url, tmp_path, "quick", 1)
    storage = create_storage(sqlite_url)
    for number in range(6):
        (trial,) = claim(storage, study_id(study))
        assert requeue(storage, trial, "its worker was told to stop") == number + 1


def test_a_second_signal_ends_the_worker_in_the_middle_of_an_epoch(
    sqlite_url: str, tmp_path: Path, launched: list[Popen[bytes]]
) -> None:
    definition = table(
        search={"design": "grid"},
        fixed={"hidden_units": [4096, 4096], "optimizer": "sgd", "batch_size": 1},  # minutes
        space={"learning_rate": [0.001]},
    )
    study = create_study(parse_definition(definition), sqlite_url, artifacts=tmp_path / "artifacts")
    launched.append(start_worker("s", url=sqlite_url, folder=tmp_path))
    storage = create_storage(sqlite_url)
    wait_until(lambda: any(w.trial_numbers for w in workers_seen(storage)), "the trial begins")
    log = tmp_path / "worker.log"
    launched[0].terminate()
    wait_until(lambda: "stopping after this epoch" in log.read_text(), "the first is understood")
    assert launched[0].poll() is None
    launched[0].terminate()
    assert launched[0].wait(timeout=300) == 0
    assert states(study) == {"FAIL": 1, "WAITING": 1}
    assert epochs(study) == []


def test_signals_on_a_stopping_workers_way_out_do_not_make_it_look_crashed(
    sqlite_url: str, tmp_path: Path, launched: list[Popen[bytes]]
) -> None:
    study = function_study(sqlite_url, tmp_path, "slow", 100)
    launched.append(start_worker("s", url=sqlite_url, folder=tmp_path))
    wait_until(lambda: "RUNNING" in states(study), "a trial is claimed")
    until = time.monotonic() + 300
    while launched[0].poll() is None and time.monotonic() < until:
        launched[0].terminate()  # a scheduler's, a launcher's and a person's
        time.sleep(0.001)
    assert launched[0].returncode == 0
    assert "RUNNING" not in states(study)
