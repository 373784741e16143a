"""What may happen to a machine under a worker: its clock is set, and its database file is deleted.

Without processes where the fault shows without them.
"""

from __future__ import annotations

import inspect
import itertools
import threading
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from subprocess import Popen

import pytest
from commands import QUICK, executions, start_worker, wait_until
from queues import adaptive, new_study, silence, write
from queues import states as states_of
from small_workers import function_study

from storage import (
    DatabaseNotFoundError,
    TrialStorage,
    Worker,
    claim,
    correct_beats,
    create_storage,
    record_worker,
    requeue_stale,
    rows,
    study_id,
    workers_seen,
)
from studies.worker.heartbeat import Heartbeat
from studies.worker.loop import WorkerOptions, open_session, work

AHEAD = {"sqlite": "datetime('now', '+1 hour')", "postgresql": "now() + interval '1 hour'"}


def heartbeat_of(
    url: str, trials: int, *, grace: float, clock: Callable[[], float]
) -> tuple[Heartbeat, TrialStorage]:
    """Return a worker's heartbeat for a study whose running trials have long been silent."""
    study = function_study(url, Path(), "quick", trials)
    session = open_session(url, WorkerOptions())
    storage = session.database.storage
    claim(storage, study_id(study), trials)
    silence(storage)
    heartbeat = Heartbeat(
        session.database,
        Worker("w", "host", 1),
        session.log,
        interval=grace / 6,
        grace=grace,
        give_up=session.stop.abort,
        clock=clock,
    )
    heartbeat.watch({study_id(study): "s"})
    return heartbeat, storage


def test_a_workers_own_clock_only_goes_forward_and_counts_sleep() -> None:
    clock = inspect.signature(Heartbeat).parameters["clock"].default
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= clock() <= time.clock_gettime(time.CLOCK_BOOTTIME)


def test_after_the_databases_clock_was_set_forward_nobody_is_taken_for_lost(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = itertools.count(1000, 10)
    heartbeat, storage = heartbeat_of(sqlite_url, 1, grace=60, clock=now.__next__)
    write(storage, "UPDATE trial_heartbeats SET heartbeat = CURRENT_TIMESTAMP")
    for _ in range(8):  # the time after its start in which it takes nobody for lost is over
        heartbeat.beat()
    before = rows.utc_now
    monkeypatch.setattr(rows, "utc_now", lambda: before() + timedelta(hours=1))
    silence(storage)
    heartbeat.beat()
    assert states_of(storage, 1) == ["RUNNING"]
    for _ in range(8):
        heartbeat.beat()
    assert states_of(storage, 1) == ["FAIL"]


def test_after_the_clock_was_set_back_a_lost_trial_is_queued_again_within_its_grace(
    sqlite_url: str,
) -> None:
    now = itertools.count(1000, 10)
    heartbeat, storage = heartbeat_of(sqlite_url, 1, grace=60, clock=now.__next__)
    write(storage, "UPDATE trial_heartbeats SET heartbeat = CURRENT_TIMESTAMP")
    for _ in range(8):  # the time after its start in which it takes nobody for lost is over
        heartbeat.beat()
    write(storage, f"UPDATE trial_heartbeats SET heartbeat = {AHEAD['sqlite']}")
    heartbeat.beat()
    assert states_of(storage, 1) == ["RUNNING"]
    # As a minute later.
    write(storage, "UPDATE trial_heartbeats SET heartbeat = datetime(heartbeat, '-61 seconds')")
    heartbeat.beat()
    assert states_of(storage, 1) == ["FAIL"]


def test_signs_of_life_from_the_future_count_from_now_on(storage: TrialStorage) -> None:
    study = new_study(storage, adaptive(1))
    claim(storage, study)
    record_worker(storage, Worker("w", "host", 1))
    ahead = AHEAD[storage.engine.dialect.name]
    write(storage, f"UPDATE trial_heartbeats SET heartbeat = {ahead}")
    write(storage, f"UPDATE hpo_workers SET seen_at = {ahead}")
    correct_beats(storage, [study])
    assert abs(workers_seen(storage)[0].silent_for) < 60
    assert requeue_stale(storage, [study], 60) == []
    time.sleep(1.1)
    assert requeue_stale(storage, [study], 0.05) == [(study, 0)]


@pytest.mark.parametrize("replaced", [False, True], ids=["deleted", "replaced"])
def test_a_file_that_is_no_longer_there_is_told_and_not_made_again(
    sqlite_url: str, tmp_path: Path, replaced: bool
) -> None:
    storage = create_storage(sqlite_url)
    study = new_study(storage, adaptive(3))
    file = tmp_path / "hpo.db"
    file.rename(tmp_path / "aside.db")
    if replaced:
        create_storage(sqlite_url).engine.dispose()
    size = file.stat().st_size if replaced else None
    told = f"Received: '{file}', which was deleted or replaced"
    with pytest.raises(DatabaseNotFoundError, match=told):
        claim(storage, study)
    storage.engine.dispose()  # the next connection would make a new file
    with pytest.raises(DatabaseNotFoundError, match=told):
        storage.get_all_trials(study)
    assert (file.stat().st_size if file.exists() else None) == size


def test_a_worker_whose_file_is_deleted_in_a_trial_ends_with_an_error(
    sqlite_url: str, tmp_path: Path, launched: list[Popen[bytes]]
) -> None:
    function_study(sqlite_url, tmp_path, "endless", 1)
    launched.append(start_worker("s", *QUICK, url=sqlite_url, folder=tmp_path))
    wait_until(lambda: executions(tmp_path) == [0], "the trial is executed")
    (tmp_path / "hpo.db").unlink()
    assert launched[0].wait(timeout=300) == 1
    log = (tmp_path / "worker.log").read_text()
    assert "error: Expected the SQLite file that this program has opened." in log
    assert not (tmp_path / "hpo.db").exists()


def test_a_worker_whose_file_is_deleted_while_it_rests_ends_with_an_error(
    sqlite_url: str, tmp_path: Path
) -> None:
    create_storage(sqlite_url).engine.dispose()

    def delete() -> None:
        storage = create_storage(sqlite_url)
        wait_until(lambda: workers_seen(storage) != [], "the worker has opened it")
        storage.engine.dispose()
        (tmp_path / "hpo.db").unlink()

    threading.Thread(target=delete).start()
    with pytest.raises(DatabaseNotFoundError, match="was deleted or replaced"):
        work(sqlite_url, [], WorkerOptions(wait=True, heartbeat=0.1, grace=0.3))
    assert not (tmp_path / "hpo.db").exists()
