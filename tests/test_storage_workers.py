"""The table of workers and their last sign of life."""

from __future__ import annotations

from dataclasses import replace

from storage import (
    TrialStorage,
    Worker,
    create_storage,
    forget_worker,
    record_worker,
    workers_seen,
)

ONE = Worker(name="host-1-a", host="host", pid=1)
TWO = Worker("host-2-b", "host", 2, "NVIDIA H200", study_name="s", trial_numbers=(7, 9))


def seen(storage: TrialStorage) -> dict[str, Worker]:
    """Return the workers by name, with the time since the last sign of life set to 0."""
    return {worker.name: replace(worker, silent_for=0.0) for worker in workers_seen(storage)}


def test_a_worker_is_seen_as_it_was_recorded(storage: TrialStorage) -> None:
    assert workers_seen(storage) == []
    record_worker(storage, ONE)
    record_worker(storage, TWO)
    assert seen(storage) == {ONE.name: ONE, TWO.name: TWO}


def test_a_worker_is_seen_once_as_it_was_recorded_last(storage: TrialStorage) -> None:
    busy = replace(ONE, device="cpu", study_name="s", trial_numbers=(3,))
    for worker in (ONE, busy, ONE, busy):
        record_worker(storage, worker)
    assert list(seen(storage).values()) == [busy]


def test_a_forgotten_worker_is_not_seen(storage: TrialStorage) -> None:
    record_worker(storage, ONE)
    record_worker(storage, TWO)
    forget_worker(storage, ONE.name)
    forget_worker(storage, ONE.name)
    assert seen(storage) == {TWO.name: TWO}


def test_the_worker_seen_last_comes_first_and_silence_is_told(storage: TrialStorage) -> None:
    record_worker(storage, ONE)
    record_worker(storage, TWO)
    with storage.transaction() as connection:
        connection.exec_driver_sql(
            f"UPDATE hpo_workers SET seen_at = '2001-01-01 00:00:00' WHERE worker = '{TWO.name}'"
        )
    first, last = workers_seen(storage)
    assert (first.name, last.name) == (ONE.name, TWO.name)
    assert last.silent_for > 365 * 24 * 3600 > first.silent_for
    record_worker(storage, TWO)
    assert {worker.silent_for < 3600 for worker in workers_seen(storage)} == {True}


def test_a_killed_worker_is_forgotten_after_a_day(storage: TrialStorage) -> None:
    for worker, seen_at in ((ONE, "2001-01-01 00:00:00"), (TWO, None)):
        record_worker(storage, worker)
        if seen_at is not None:
            with storage.transaction() as connection:
                connection.exec_driver_sql(f"UPDATE hpo_workers SET seen_at = '{seen_at}'")
    assert seen(storage) == {TWO.name: TWO}


def test_a_table_of_another_version_is_made_anew(storage: TrialStorage, storage_url: str) -> None:
    with storage.transaction() as connection:
        connection.exec_driver_sql("DROP TABLE hpo_workers")
        connection.exec_driver_sql("CREATE TABLE hpo_workers (worker VARCHAR(512), pid INTEGER)")
    opened = create_storage(storage_url)
    record_worker(opened, TWO)
    assert seen(opened) == {TWO.name: TWO}
    opened.engine.dispose()
