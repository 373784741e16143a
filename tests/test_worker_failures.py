"""What fails beside a worker or in its child, and what it costs: a database, a function, a disk."""

from __future__ import annotations

from pathlib import Path
from subprocess import Popen

import pytest
import sqlalchemy
from commands import start_worker, states, wait_until
from small_studies import table
from small_workers import away, epochs, function_study, hold, in_the_child, let_go, wait_until_held

from storage import Worker, claim, study_id
from studies import create_study
from studies.definition.study import parse_definition
from studies.worker.heartbeat import Heartbeat
from studies.worker.loop import WorkerOptions, open_session


def test_a_worker_waits_for_a_database_that_is_away_when_it_starts(
    postgres_server: sqlalchemy.URL,
    postgres_url: str,
    tmp_path: Path,
    launched: list[Popen[bytes]],
) -> None:
    study = function_study(postgres_url, tmp_path, "quick", 1)
    log = tmp_path / "worker.log"
    with away(postgres_server, postgres_url):
        launched.append(start_worker("s", url=postgres_url, folder=tmp_path))
        wait_until(lambda: "does not answer, trying again" in log.read_text(), "it waits")
    assert launched[0].wait(timeout=300) == 0
    assert "is not currently accepting connections" in log.read_text()
    assert states(study) == {"COMPLETE": 1}


def test_a_worker_waits_for_a_database_that_is_away(
    postgres_server: sqlalchemy.URL,
    postgres_url: str,
    tmp_path: Path,
    launched: list[Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hold(tmp_path, monkeypatch, n=6)
    definition = table(
        search={"sampler": "tpe", "n_trials": 2},
        fixed={"epochs": 40, "hidden_units": [16]},
        space={"learning_rate": {"low": 0.001, "high": 0.01}},
    )
    study = create_study(
        parse_definition(definition), postgres_url, artifacts=tmp_path / "artifacts"
    )
    launched.append(start_worker("s", url=postgres_url, folder=tmp_path))
    wait_until_held(tmp_path)
    assert len(epochs(study)) > 5
    with away(postgres_server, postgres_url):
        let_go(tmp_path)
        log = tmp_path / "worker.log"
        wait_until(lambda: "does not answer, trying again" in log.read_text(), "it waits")
    assert launched[0].wait(timeout=300) == 0
    assert states(study) == {"COMPLETE": 2}
    assert len(epochs(study)) == 80


def test_a_crash_of_the_child_fails_that_trial_alone(sqlite_url: str, tmp_path: Path) -> None:
    study = function_study(sqlite_url, tmp_path, "crash_on_3", 6)
    worker = start_worker("s", url=sqlite_url, folder=tmp_path)
    assert worker.wait(timeout=300) == 0
    assert states(study) == {"COMPLETE": 5, "FAIL": 1}
    crashed = study.trials[3].user_attrs
    assert "ended by SIGSEGV" in crashed["fail_reason"]
    for key in ("files_sha256", "device", "worker", "versions"):
        assert crashed[key] == study.trials[2].user_attrs[key], key


def test_five_failures_in_a_row_stop_the_worker_with_a_clear_word(
    sqlite_url: str, tmp_path: Path
) -> None:
    study = function_study(sqlite_url, tmp_path, "broken", 20)
    worker = start_worker("s", url=sqlite_url, folder=tmp_path)
    assert worker.wait(timeout=300) == 1
    assert states(study) == {"FAIL": 5}
    assert study.trials[0].user_attrs["fail_reason"] == "RuntimeError: no such column"
    assert "in broken" in study.trials[0].user_attrs["traceback"]
    assert "error: 5 trials failed in a row" in (tmp_path / "worker.log").read_text()


def test_an_outage_is_not_counted_against_a_function_that_reports(
    sqlite_url: str, tmp_path: Path
) -> None:
    study = function_study(sqlite_url, tmp_path, "database_flaps", 2)
    assert start_worker("s", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    assert states(study) == {"COMPLETE": 2}
    assert [trial.user_attrs["note"] for trial in study.trials] == [1, 1]
    log = (tmp_path / "worker.log").read_text()
    assert "[trial 0] the database does not answer, trying again in 0.5 s: attempt to" in log


def test_a_function_that_the_database_always_fails_is_not_executed_for_ever(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_the_child("import storage.outages as o; o.LONGEST_OUTAGE = 0.1", tmp_path, monkeypatch)
    study = function_study(sqlite_url, tmp_path, "database_away", 1)
    assert start_worker("s", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    assert states(study) == {"FAIL": 4}
    assert "raised during the commit" in study.trials[-1].user_attrs["fail_reason"]


@pytest.mark.parametrize(
    ("function", "reason"),
    [
        ("own_sqlite_error", "OperationalError: no such table: mine"),
        ("own_engine_error", "OperationalError: (sqlite3.OperationalError) no such table: mine"),
    ],
)
def test_errors_of_a_functions_own_database_are_its_failures(
    sqlite_url: str, tmp_path: Path, function: str, reason: str
) -> None:
    study = function_study(sqlite_url, tmp_path, function, 20)
    assert start_worker("s", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 1
    assert states(study) == {"FAIL": 5}
    assert study.trials[0].user_attrs["fail_reason"].startswith(reason)
    assert "error: 5 trials failed in a row" in (tmp_path / "worker.log").read_text()


def test_a_value_that_is_not_a_number_fails_its_trial_and_the_search_goes_on(
    sqlite_url: str, tmp_path: Path
) -> None:
    study = function_study(sqlite_url, tmp_path, "not_a_number", 8)
    assert start_worker("s", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    assert states(study) == {"FAIL": 8}
    assert study.trials[0].user_attrs["fail_reason"] == "the value is not a finite number"


def test_after_an_outage_the_others_get_time_to_beat_again(sqlite_url: str, tmp_path: Path) -> None:
    study = function_study(sqlite_url, tmp_path, "quick", 3)
    now = [1000.0]
    session = open_session(sqlite_url, WorkerOptions())
    claim(session.database.storage, study_id(study), 3)
    with session.database.storage.transaction() as connection:
        connection.exec_driver_sql("UPDATE trial_heartbeats SET heartbeat = '2020-01-01 00:00:00'")
    heartbeat = Heartbeat(
        session.database,
        Worker("w", "host", 1),
        session.log,
        interval=10,
        grace=60,
        give_up=session.stop.abort,
        clock=lambda: now[0],
    )
    heartbeat.watch({study_id(study): "s", 99: "gone"})

    def beat_at(time: float) -> None:
        now[0] = time
        heartbeat.beat()

    beat_at(1000)  # new here: it may be that an outage ends now
    assert states(study) == {"RUNNING": 3}
    beat_at(1030)
    beat_at(1075)  # after less than the grace, but others have beaten before
    assert states(study) == {"RUNNING": 3}
    beat_at(1110)
    beat_at(1134)
    assert states(study) == {"RUNNING": 3}
    beat_at(1136)  # the time is over, and they are still silent
    assert states(study) == {"FAIL": 3, "WAITING": 3}


def test_a_network_that_cannot_be_kept_costs_no_result(sqlite_url: str, tmp_path: Path) -> None:
    definition = table(
        search={"design": "grid"},
        fixed={"hidden_units": [8], "epochs": 1},
        space={"learning_rate": [0.001, 0.01]},
    )
    (tmp_path / "artifacts").write_text("a file where the folder should be")
    study = create_study(parse_definition(definition), sqlite_url, artifacts=tmp_path / "artifacts")
    assert start_worker("s", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    assert states(study) == {"COMPLETE": 2}
    assert "the network of trial 1 is not kept" in (tmp_path / "worker.log").read_text()
