"""Waiting trials cost nothing, and a worker's view of a study lacks nothing but them.

Costs are counted in statements, rows and steps of SQLite, not in seconds.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy
from optuna.distributions import FloatDistribution
from optuna.trial import FrozenTrial, TrialState
from queues import DESIGN, adaptive, end, new_study, plain_view, points, traffic, write

from storage import (
    TrialStorage,
    beat,
    claim,
    create_storage,
    enqueue,
    get_budget,
    is_claimable,
    is_running,
    requeue,
    requeue_stale,
    trial_id,
)
from storage.rows import fail_trials, in_state


def run_one(storage: TrialStorage, study_id: int) -> None:
    """Claim, report and end one trial as a worker does."""
    (trial,) = claim(storage, study_id)
    beat(storage, [trial_id(trial)])
    storage.get_all_trials(study_id, deepcopy=False)
    distribution = FloatDistribution(0.0, 1.0)
    storage.set_trial_param(trial_id(trial), "y", 0.5, distribution)
    storage.set_trial_intermediate_value(trial_id(trial), 1, 0.5)
    storage.set_trial_user_attr(trial_id(trial), "epochs", 1)
    end(storage, trial)
    storage.get_all_trials(study_id, deepcopy=False)


def test_a_worker_sends_and_reads_the_same_however_many_trials_wait(
    storage: TrialStorage, storage_url: str
) -> None:
    counts = []
    for n in (4, 10_000):
        study_id = new_study(storage, n=n)
        worker = create_storage(storage_url, waiting=False)
        run_one(worker, study_id)
        with traffic(worker) as counted:
            run_one(worker, study_id)
        counts.append((counted.statements, len(counted.trials)))
        found = worker.get_all_trials(study_id)
        assert [t.state for t in found] == [TrialState.COMPLETE] * 2
    assert counts[0] == counts[1]


@contextmanager
def work(storage: TrialStorage) -> Iterator[list[int]]:
    """Count the steps of SQLite's virtual machine, on the only connection of the pool."""
    steps: list[int] = []
    with storage.reading() as connection:
        driver: Any = connection.connection.driver_connection
    driver.set_progress_handler(lambda: steps.append(1), 1)
    yield steps
    driver.set_progress_handler(None, 0)


@pytest.mark.parametrize("more", [(0, 3000), (3000, 0)], ids=["waiting", "finished"])
def test_sqlite_works_no_more_for_a_claim_when_there_are_thousands_of_trials(
    sqlite_storage: TrialStorage, sqlite_url: str, more: tuple[int, int]
) -> None:
    counts = []
    for finished, waiting in ((4, 4), (4 + more[0], 4 + more[1])):
        study_id = new_study(sqlite_storage, n=finished + waiting)
        done = f"study_id = {study_id} AND number < {finished}"
        write(sqlite_storage, f"UPDATE trials SET state = 'COMPLETE' WHERE {done}")
        worker = create_storage(sqlite_url, waiting=False)
        worker.get_all_trials(study_id, deepcopy=False)
        with work(worker) as steps:
            worker.get_all_trials(study_id, deepcopy=False)
            (trial,) = claim(worker, study_id)
            beat(worker, [trial_id(trial)])
            assert is_claimable(worker, study_id)
            assert is_running(worker, study_id)
            assert requeue_stale(worker, [study_id], grace=60) == []
            end(worker, trial)
        counts.append(len(steps))
    assert 0 < counts[1] < 1.1 * counts[0]


def test_finished_trials_are_read_once(storage: TrialStorage, storage_url: str) -> None:
    study_id = new_study(storage, n=30)
    worker = create_storage(storage_url, waiting=False)
    slow, *quick = claim(storage, study_id, 20)
    for trial in quick:
        end(storage, trial)
    assert len(worker.get_all_trials(study_id)) == 20
    with traffic(worker) as counted:
        assert len(worker.get_all_trials(study_id)) == 20
    assert counted.trials == [trial_id(slow)]
    end(storage, slow)
    with traffic(worker) as counted:
        assert len(worker.get_all_trials(study_id)) == 20
        assert len(worker.get_all_trials(study_id)) == 20
    assert counted.trials == [trial_id(slow)]


def test_trials_that_finish_out_of_order_are_all_seen(
    storage: TrialStorage, storage_url: str
) -> None:
    study_id = new_study(storage, n=4)
    worker = create_storage(storage_url, waiting=False)
    first, second, third = claim(storage, study_id, 3)
    end(storage, third)
    assert [t.state.name for t in worker.get_all_trials(study_id)] == [
        "RUNNING",
        "RUNNING",
        "COMPLETE",
    ]
    requeue(storage, second, "lost")  # number 4, behind number 3, which waits
    end(storage, first)
    waiting, retry = claim(storage, study_id, 2)
    end(storage, retry)
    assert [t.number for t in worker.get_all_trials(study_id)] == [0, 1, 2, 3, 4]
    end(storage, waiting)
    assert worker.get_all_trials(study_id) == plain_view(storage_url, study_id)


def test_more_started_trials_than_a_list_in_sql_may_hold_are_all_seen(
    storage: TrialStorage, storage_url: str
) -> None:
    study_id = new_study(storage, n=1500)
    worker = create_storage(storage_url, waiting=False)
    write(storage, "UPDATE trials SET state = 'RUNNING' WHERE number % 7 > 0")
    write(storage, "UPDATE trials SET state = 'COMPLETE' WHERE number % 3 = 0 AND number % 7 > 0")
    expected = plain_view(storage_url, study_id)
    assert worker.get_all_trials(study_id) == [
        t for t in expected if t.state is not TrialState.WAITING
    ]


def test_a_reader_misses_nothing_that_happens_while_it_reads(
    storage: TrialStorage, storage_url: str
) -> None:
    rng = random.Random(0)
    study_id = new_study(storage, adaptive(None))
    worker = create_storage(storage_url, waiting=False)
    running: list[FrozenTrial] = []

    def happen(*_: Any) -> None:
        if rng.random() < 0.5:
            return
        if running:
            end(storage, running.pop())
        else:
            running.extend(claim(storage, study_id))

    for _ in range(20):
        happen()
        sqlalchemy.event.listen(worker.engine, "before_cursor_execute", happen)
        worker.get_all_trials(study_id)
        sqlalchemy.event.remove(worker.engine, "before_cursor_execute", happen)
    for trial in running:
        end(storage, trial)
    assert worker.get_all_trials(study_id) == plain_view(storage_url, study_id)


def step(rng: random.Random, storage: TrialStorage, study_id: int, n: int) -> None:
    """Change a study in a random way."""
    running = storage.get_all_trials(study_id, states=[TrialState.RUNNING])
    choice = rng.randrange(8)
    if choice == 0:
        enqueue(storage, study_id, points(n), get_budget(storage, study_id))
    elif choice <= 2:
        claim(storage, study_id, rng.randint(1, 3))
    elif choice == 3 and n % 10 == 9:
        with storage.transaction() as connection:
            fail_trials(connection, in_state(study_id, TrialState.WAITING))
    elif running:
        trial = rng.choice(running)
        if choice == 4:
            requeue(storage, trial, "lost")
        elif choice == 5:
            storage.set_trial_intermediate_value(trial_id(trial), n, rng.random())
        elif choice == 6:
            storage.set_trial_state_values(trial_id(trial), TrialState.PRUNED)
        else:
            end(storage, trial, rng.random())


@pytest.mark.parametrize("seed", [0, 1])
def test_a_worker_sees_what_optuna_sees_but_for_what_waits(
    storage: TrialStorage, storage_url: str, seed: int
) -> None:
    rng = random.Random(seed)
    study_id = new_study(storage, adaptive(30) if seed % 2 else DESIGN)
    actors = [create_storage(storage_url, waiting=False) for _ in range(3)]
    for n in range(90):
        step(rng, rng.choice(actors), study_id, n)
        if n % 3:
            continue
        expected = [
            t for t in storage.get_all_trials(study_id) if t.state is not TrialState.WAITING
        ]
        assert rng.choice(actors).get_all_trials(study_id) == expected
    full = plain_view(storage_url, study_id)
    assert storage.get_all_trials(study_id) == full
    assert {t.state for t in full} >= {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}


@pytest.mark.parametrize("waiting", [True, False])
def test_there_is_nothing_to_read_of_a_study_that_does_not_exist(
    sqlite_url: str, waiting: bool
) -> None:
    storage = create_storage(sqlite_url, waiting=waiting)
    study_id = new_study(storage, n=1)
    with pytest.raises(KeyError):
        storage.get_all_trials(study_id + 1)
    storage.delete_study(study_id)
    with pytest.raises(KeyError):
        storage.get_all_trials(study_id)


def test_a_worker_sees_a_waiting_trial_of_others_only_when_it_starts(
    storage: TrialStorage, storage_url: str
) -> None:
    study_id = new_study(storage, n=2)
    worker = create_storage(storage_url, waiting=False)
    assert [t.state.name for t in storage.get_all_trials(study_id)] == ["WAITING"] * 2
    assert worker.get_all_trials(study_id) == []
    assert worker.get_n_trials(study_id) == 0
    claim(storage, study_id)
    assert [t.state.name for t in worker.get_all_trials(study_id)] == ["RUNNING"]
