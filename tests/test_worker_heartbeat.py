"""A worker's heartbeat while its database is away, and what an outage costs a trial."""

from __future__ import annotations

import itertools
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState
from small_workers import alike, function_study
from sqlalchemy.exc import OperationalError

from storage import Worker, claim, outages, study_id
from storage.study_attributes import LOST_KEY
from studies.errors import ExecutorStoppedError, TrialError
from studies.worker import database_retry, heartbeat
from studies.worker.heartbeat import Heartbeat
from studies.worker.loop import WorkerOptions, open_session
from studies.worker.open_studies import OpenStudies
from studies.worker.outcome import Outcome
from studies.worker.pack_runner import PackRunner
from studies.worker.run_function import run_function

INTERVAL = 0.8  # seconds
AWAY = OperationalError("UPDATE", {}, sqlite3.OperationalError("database is locked"))


@pytest.mark.parametrize(
    ("interval", "pauses"), [(10, [0.5, 1, 2, 4, 8, 10, 10, 10]), (0.4, [0.4, 0.4])]
)
def test_beats_that_fail_for_long_are_tried_no_more_often_again(
    interval: float, pauses: list[float]
) -> None:
    assert list(itertools.islice(heartbeat.after_failures(interval), len(pauses))) == pauses


def test_a_beat_that_failed_is_tried_again_soon_and_then_less_often(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(heartbeat, "FIRST_PAUSE", INTERVAL / 8)
    session = open_session(sqlite_url, WorkerOptions())
    plain = heartbeat.record_worker
    pauses: list[float | None] = []
    is_over = threading.Event()

    def record_worker(*arguments: Any) -> Any:
        if len(pauses) <= 3:  # and the first of these is before the first beat
            raise AWAY
        return plain(*arguments)

    class Ended(threading.Event):
        """The end of the thread: after five beats, the pauses before which take no time."""

        def wait(self, timeout: float | None = None) -> bool:
            """Note a pause; tell whether it is the last one."""
            pauses.append(timeout)
            if len(pauses) > 5:
                is_over.set()
            return is_over.is_set()

    monkeypatch.setattr(heartbeat, "record_worker", record_worker)
    beating = Heartbeat(
        session.database,
        Worker("w", "host", 1),
        session.log,
        interval=INTERVAL,
        grace=60,
        give_up=session.stop.abort,
    )
    monkeypatch.setattr(beating, "_ended", Ended())
    with beating:
        assert is_over.wait(timeout=300)
    # After a failure those of a database that is there for moments, each twice as long.
    assert pauses == [INTERVAL, INTERVAL / 8, INTERVAL / 4, INTERVAL / 2, INTERVAL, INTERVAL]
    assert beating.failed == 3


def test_a_worker_that_ends_while_its_database_is_away_says_what_is_wrong(
    sqlite_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    function_study(sqlite_url, tmp_path, "quick", 1)
    session = open_session(sqlite_url, WorkerOptions())
    studies = OpenStudies(session.database, session.log, ["s"], ["user_objectives"])
    session.claims.take(studies.open(*studies.names()), 1)

    def is_away(*_: object) -> None:
        raise AWAY

    monkeypatch.setattr(outages, "LONGEST_OUTAGE", -1)
    monkeypatch.setattr(database_retry, "count_time", is_away)
    monkeypatch.setattr(heartbeat, "forget_worker", is_away)
    with session.heartbeat:
        session.claims.leave()
    assert "its last seconds are not counted: database is locked" in caplog.text
    assert "the worker is still listed: database is locked" in caplog.text


@pytest.mark.parametrize("seen", [True, False], ids=["outage", "only in the child"])
def test_an_outage_that_the_worker_has_met_too_is_not_counted_against_a_trial(
    sqlite_url: str, tmp_path: Path, seen: bool
) -> None:
    reader = function_study(sqlite_url, tmp_path, "quick", 1)
    session = open_session(sqlite_url, WorkerOptions())
    studies = OpenStudies(session.database, session.log, ["s"], ["user_objectives"])
    study = studies.open(*studies.names())

    class Child:
        """One that has waited for the database in vain."""

        def call_function(self, *_: object) -> None:
            session.heartbeat.failed += seen
            raise TrialError("OperationalError", "database is locked", "", raised_by_storage=True)

    child: Any = Child()
    attempts = 6 if seen else 4
    ended = []
    for _ in range(attempts):
        (claimed,) = claim(session.database.storage, study_id(study.study))
        ended.append(run_function(session, study, child, claimed).outcome)
    last = reader.trials[-1]
    if seen:
        assert ended == [Outcome.REQUEUED] * 6
        assert (last.state, last.system_attrs[LOST_KEY]) == (TrialState.WAITING, 0)
    else:
        assert ended == [Outcome.REQUEUED] * 3 + [Outcome.FAILED]
        assert (last.state, last.number) == (TrialState.FAIL, 3)


@pytest.mark.parametrize("kind", ["function", "pack", "killed"])
def test_a_trial_whose_worker_has_waited_for_the_database_in_vain_is_not_counted_as_lost(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    is_pack = kind == "pack"
    if is_pack:
        reader = alike(sqlite_url, tmp_path, n=2, epochs=1)
    else:
        reader = function_study(sqlite_url, tmp_path, "quick", 1)
    session = open_session(sqlite_url, WorkerOptions())
    studies = OpenStudies(session.database, session.log, ["s"], ["user_objectives"])
    study = studies.open(*studies.names())

    class Child:
        """One whose worker is told to stop."""

        def call_function(self, *_: object) -> None:
            raise ExecutorStoppedError

    def requeue(*_: object, **__: object) -> None:
        raise AWAY

    child: Any = Child()
    for attempt in range(2):
        claimed = claim(session.database.storage, study.id, 2 if is_pack else 1)
        with monkeypatch.context() as away:
            away.setattr(database_retry, "requeue", requeue)
            away.setattr(outages, "LONGEST_OUTAGE", -1)
            if is_pack:
                pack = PackRunner(session, study, child)
                pack.begin(claimed)
                with pytest.raises(OperationalError):
                    pack.abandon(save=False, error=AWAY)
            elif kind == "function":
                with pytest.raises(OperationalError):
                    run_function(session, study, child, *claimed)
        next_worker = Heartbeat(
            session.database,
            Worker("w", "host", 1),
            session.log,
            interval=1,
            grace=-1,
            give_up=session.stop.abort,
            clock=lambda: 0.0,
        )
        next_worker.watch({study.id: "s"})
        next_worker.beat()
        last = reader.trials[-1]
        assert last.state is TrialState.WAITING
        assert last.system_attrs[LOST_KEY] == (attempt + 1 if kind == "killed" else 0)
        reasons = {reader.trials[each.number].user_attrs["fail_reason"] for each in claimed}
        assert [each.startswith("its worker was lost") for each in reasons] == [kind == "killed"]
    notes = list((tmp_path / "artifacts/checkpoints").glob("*"))
    assert len(notes) == {"function": 1, "pack": 2, "killed": 0}[kind]
