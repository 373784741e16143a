"""The queue: every trial goes to exactly one worker, and what waits costs nothing.

Workers are processes; they start together, so that they meet in the database.
"""

from __future__ import annotations

import multiprocessing
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import chain
from multiprocessing.pool import Pool
from threading import Barrier
from typing import Any

import optuna
import pytest
import sqlalchemy
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.storages._rdb import models
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from storage import (
    Budget,
    Point,
    TrialStorage,
    beat,
    claim,
    create_storage,
    enqueue,
    get_budget,
    is_claimable,
    is_running,
    record_attributes,
    requeue,
    requeue_stale,
    set_budget,
    trial_queue,
)
from storage.trial_queue import MAX_RETRIES

PROCESSES = 8
DESIGN = Budget(n_trials=None, timeout=None, adaptive=False)
HOUR_AGO = "2001-01-01 00:00:00"  # further back than any grace or timeout here
_start: list[Barrier] = []


def points(n: int) -> list[Point]:
    return [Point({"x": i}, {"x": IntDistribution(0, 10**6)}, {"seed": i}) for i in range(n)]


def new_study(storage: TrialStorage, budget: Budget = DESIGN, n: int = 0) -> int:
    study_id = storage.create_new_study([StudyDirection.MINIMIZE])
    set_budget(storage, study_id, budget)
    enqueue(storage, study_id, points(n))
    return study_id


def adaptive(n_trials: int | None, timeout: float | None = None) -> Budget:
    return Budget(n_trials=n_trials, timeout=timeout, adaptive=True)


def end(storage: TrialStorage, trial: FrozenTrial, value: float = 0.0) -> None:
    storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [value])


def write(storage: TrialStorage, sql: str) -> None:
    with storage.transaction() as connection:
        connection.execute(sqlalchemy.text(sql))


def silence(storage: TrialStorage) -> None:
    write(storage, f"UPDATE trial_heartbeats SET heartbeat = '{HOUR_AGO}'")


def states(storage: TrialStorage, study_id: int) -> list[str]:
    return [trial.state.name for trial in storage.get_all_trials(study_id)]


def plain_view(url: str, study_id: int) -> list[FrozenTrial]:
    """Read the trials as Optuna does without this package."""
    plain = optuna.storages.RDBStorage(url)
    try:
        return plain.get_all_trials(study_id)
    finally:
        plain.engine.dispose()


# Processes.


def join(barrier: Barrier) -> None:
    _start.append(barrier)


@pytest.fixture(scope="module")
def workers() -> Iterator[Pool]:
    context = multiprocessing.get_context("spawn")
    pool = context.Pool(PROCESSES, initializer=join, initargs=(context.Barrier(PROCESSES),))
    yield pool
    pool.close()
    pool.join()


def at_once(workers: Pool, url: str, job: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Run `job(storage, rank, *arguments)` in all processes, none before all are there."""
    tasks = [(job, url, rank, arguments) for rank in range(PROCESSES)]
    return workers.starmap_async(meet, tasks, chunksize=1).get(timeout=120)


def meet(job: Callable[..., Any], url: str, rank: int, arguments: tuple[Any, ...]) -> Any:
    storage = create_storage(url, waiting=False)
    _start[0].wait(timeout=60)
    return job(storage, rank, *arguments)


def pull(storage: TrialStorage, rank: int, study_id: int, n: int) -> list[int]:
    """Claim until nothing is left, and return the numbers."""
    taken: list[int] = []
    while trials := claim(storage, study_id, n):
        assert len(trials) <= n
        taken += [trial.number for trial in trials]
    return taken


def test_eight_workers_claim_each_of_200_queued_trials_once_and_in_order(
    storage: TrialStorage, storage_url: str, workers: Pool
) -> None:
    study_id = new_study(storage, n=200)
    taken = at_once(workers, storage_url, pull, study_id, 1)
    assert sorted(chain.from_iterable(taken)) == list(range(200))
    assert all(numbers == sorted(numbers) for numbers in taken)
    assert sum(map(bool, taken)) > 1  # they did compete


def test_eight_workers_never_overshoot_an_adaptive_budget(
    storage: TrialStorage, storage_url: str, workers: Pool
) -> None:
    study_id = new_study(storage, adaptive(200))
    taken = at_once(workers, storage_url, pull, study_id, 3)
    assert sorted(chain.from_iterable(taken)) == list(range(200))
    assert [t.number for t in plain_view(storage_url, study_id)] == list(range(200))


def do_everything(storage: TrialStorage, rank: int, study_id: int, url: str) -> list[int]:
    """Make trials in one of the ways there are, and return the numbers of those taken."""
    name = storage.get_study_name_from_id(study_id)
    taken: list[int] = []
    for i in range(12):
        match rank % 5:
            case 0 | 1:
                trials = claim(storage, study_id, 2)
                taken += [trial.number for trial in trials]
                if rank % 5 == 1:
                    requeue(storage, trials[0], "asked to")
            case 2:
                enqueue(storage, study_id, points(20 * i))
            case 3:
                taken.append(optuna.load_study(study_name=name, storage=storage).ask().number)
            case 4:
                optuna.load_study(study_name=name, storage=url).add_trial(
                    optuna.create_trial(value=1.0)
                )
    return taken


def test_numbers_have_no_gap_and_no_double_whoever_creates_trials(
    storage: TrialStorage, storage_url: str, workers: Pool
) -> None:
    study_id = new_study(storage, adaptive(None))
    taken = list(
        chain.from_iterable(at_once(workers, storage_url, do_everything, study_id, storage_url))
    )
    trials = plain_view(storage_url, study_id)
    assert [trial.number for trial in trials] == list(range(len(trials)))
    assert len(taken) == len(set(taken))
    started = {t.number for t in trials if t.state in (TrialState.RUNNING, TrialState.FAIL)}
    assert started == set(taken)


def find_stale(storage: TrialStorage, rank: int, study_id: int) -> list[int]:
    return requeue_stale(storage, study_id, grace=60)


def test_processes_that_look_for_lost_trials_at_once_requeue_each_once(
    storage: TrialStorage, storage_url: str, workers: Pool
) -> None:
    study_id = new_study(storage, n=20)
    claim(storage, study_id, 20)
    silence(storage)
    found = at_once(workers, storage_url, find_stale, study_id)
    assert sorted(chain.from_iterable(found)) == list(range(20))
    assert states(storage, study_id) == ["FAIL"] * 20 + ["WAITING"] * 20


def finish_or_requeue(storage: TrialStorage, rank: int, study_id: int) -> int:
    """End all RUNNING trials, and return how many ended here."""
    ended = 0
    for trial in storage.get_all_trials(study_id, states=[TrialState.RUNNING]):
        if rank % 2:
            ended += requeue(storage, trial, "lost") is not None
            continue
        try:
            end(storage, trial)
            ended += 1
        except UpdateFinishedTrialError:
            pass
    return ended


def test_a_trial_is_finished_or_requeued_and_never_both(
    storage: TrialStorage, storage_url: str, workers: Pool
) -> None:
    study_id = new_study(storage, n=20)
    claim(storage, study_id, 20)
    assert sum(at_once(workers, storage_url, finish_or_requeue, study_id)) == 20
    found = states(storage, study_id)
    assert found[:20].count("COMPLETE") + found[:20].count("FAIL") == 20
    assert found[20:] == ["WAITING"] * found[:20].count("FAIL")


def test_workers_that_find_the_timeout_over_end_what_waits_once(
    storage: TrialStorage, storage_url: str, workers: Pool
) -> None:
    study_id = new_study(storage, Budget(None, 3600, adaptive=False), n=50)
    claim(storage, study_id)
    write(storage, f"UPDATE trials SET datetime_start = '{HOUR_AGO}' WHERE number = 0")
    assert at_once(workers, storage_url, pull, study_id, 1) == [[]] * PROCESSES
    assert states(storage, study_id) == ["RUNNING"] + ["FAIL"] * 49


# Claims.


def test_a_claim_takes_at_most_n_in_the_order_of_the_queue(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=7)
    taken = [[t.number for t in claim(storage, study_id, 5)] for _ in range(3)]
    assert taken == [[0, 1, 2, 3, 4], [5, 6], []]
    assert states(storage, study_id) == ["RUNNING"] * 7


def test_a_claim_takes_what_waits_before_it_creates(storage: TrialStorage) -> None:
    study_id = new_study(storage, adaptive(5), n=2)
    first, *rest = claim(storage, study_id, 4)
    assert [first.params, *(t.params for t in rest)] == [{"x": 0}, {"x": 1}, {}, {}]
    assert [t.number for t in claim(storage, study_id, 4)] == [4]


def test_an_empty_budget_gives_nothing(storage: TrialStorage) -> None:
    for budget in (DESIGN, adaptive(0)):
        study_id = new_study(storage, budget)
        assert not is_claimable(storage, study_id)
        assert claim(storage, study_id, 3) == []
        assert states(storage, study_id) == []


def test_a_claim_leaves_other_studies_alone(storage: TrialStorage) -> None:
    other, mine = new_study(storage, n=3), new_study(storage, n=2)
    assert [t.number for t in claim(storage, mine, 5)] == [0, 1]
    assert states(storage, other) == ["WAITING"] * 3


def test_a_deleted_study_is_a_key_error_for_whoever_works_on_it(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=2)
    (trial,) = claim(storage, study_id)
    storage.delete_study(study_id)
    with pytest.raises(KeyError, match="no study of this service"):
        claim(storage, study_id)
    with pytest.raises(KeyError, match="no study of this service"):
        is_claimable(storage, study_id)
    with pytest.raises(KeyError, match="it was deleted"):
        enqueue(storage, study_id, points(3))
    with pytest.raises(KeyError, match="its study was deleted"):
        requeue(storage, trial, "lost")


def test_a_study_of_somebody_else_is_never_claimed_from(storage: TrialStorage) -> None:
    study = optuna.create_study(storage=storage)
    study.enqueue_trial({"x": 1})
    with pytest.raises(KeyError, match="no study of this service"):
        claim(storage, study._study_id)
    assert states(storage, study._study_id) == ["WAITING"]


def test_a_new_budget_is_obeyed_by_the_next_claim(storage: TrialStorage) -> None:
    study_id = new_study(storage, adaptive(2))
    assert len(claim(storage, study_id, 9)) == 2
    set_budget(storage, study_id, adaptive(3))
    assert get_budget(storage, study_id) == adaptive(3)
    assert len(claim(storage, study_id, 9)) == 1


# Enqueue.


def test_enqueue_adds_only_what_the_study_lacks(storage: TrialStorage) -> None:
    study_id = new_study(storage)
    assert [enqueue(storage, study_id, points(n)) for n in (3, 3, 5, 2)] == [3, 0, 2, 0]
    assert [t.params["x"] for t in storage.get_all_trials(study_id)] == [0, 1, 2, 3, 4]


def test_a_point_comes_back_through_optuna_as_it_was_queued(
    storage: TrialStorage, storage_url: str
) -> None:
    distributions: dict[str, Any] = {
        "rate": FloatDistribution(1e-5, 1.0, log=True),
        "units": IntDistribution(8, 64, step=8),
        "kind": CategoricalDistribution(["relu", None, True]),
    }
    params = {"rate": 1e-3, "units": 32, "kind": None}
    attrs = {"seed": 7, "text": "ü", "nested": {"a": [1, 2.5, None]}}
    study_id = new_study(storage)
    enqueue(storage, study_id, [Point(params, distributions, attrs)])
    (trial,) = plain_view(storage_url, study_id)
    assert (trial.params, trial.distributions, trial.user_attrs) == (params, distributions, attrs)
    assert claim(storage, study_id)[0].params == params


def test_ten_thousand_points_are_queued_in_few_statements(storage: TrialStorage) -> None:
    study_id = new_study(storage)
    with traffic(storage) as counted:
        assert enqueue(storage, study_id, points(10_000)) == 10_000
    assert len(counted.statements) < 100


# Lost trials.


def test_a_claimed_trial_is_found_lost_though_its_worker_never_beat(storage: TrialStorage) -> None:
    study_id = new_study(storage, adaptive(2), n=1)
    claim(storage, study_id, 2)  # one waited, one is created
    assert requeue_stale(storage, study_id, grace=60) == []
    silence(storage)
    assert requeue_stale(storage, study_id, grace=60) == [0, 1]
    assert states(storage, study_id) == ["FAIL", "FAIL", "WAITING", "WAITING"]


def test_a_trial_whose_worker_beats_is_not_lost(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=2)
    kept, _ = claim(storage, study_id, 2)
    silence(storage)
    beat(storage, [kept._trial_id])
    assert requeue_stale(storage, study_id, grace=60) == [1]


def test_a_running_trial_without_heartbeat_is_never_touched(storage: TrialStorage) -> None:
    study_id = new_study(storage)
    name = storage.get_study_name_from_id(study_id)
    optuna.load_study(study_name=name, storage=storage).ask()
    assert not is_running(storage, study_id)
    assert requeue_stale(storage, study_id, grace=-1) == []
    assert states(storage, study_id) == ["RUNNING"]


def test_a_study_runs_while_a_worker_has_a_trial(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=1)
    assert not is_running(storage, study_id)
    (trial,) = claim(storage, study_id)
    assert is_running(storage, study_id)
    end(storage, trial)
    assert not is_running(storage, study_id)


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_a_retry_and_its_first_attempt_name_each_other(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=1)
    (trial,) = claim(storage, study_id)
    trial_id = trial._trial_id
    storage.set_trial_system_attr(trial_id, "completed_rung_0", 0.5)
    storage.set_trial_system_attr(trial_id, "sampler:note", [1])
    storage.set_trial_user_attr(trial_id, "worker", "w1")
    storage.set_trial_intermediate_value(trial_id, 1, 0.5)
    assert requeue(storage, trial, "its worker was lost") == 1
    old, new = storage.get_all_trials(study_id)
    assert (old.state, new.state) == (TrialState.FAIL, TrialState.WAITING)
    assert old.user_attrs["fail_reason"] == "its worker was lost"
    assert old.user_attrs["retried_as"] == new.number
    assert (new.params, new.distributions) == (old.params, old.distributions)
    assert new.user_attrs == {"seed": 0, "retry_of": 0}
    assert (new.intermediate_values, new.datetime_start) == ({}, None)
    links = {"failed_trial": 0, "retry_history": [0], "lost_attempts": 0}
    expected = links | {"sampler:note": [1]}
    assert new.system_attrs == expected
    assert RetryHeartbeatStaleTrialCallback.retried_trial_number(new) == 0
    assert RetryHeartbeatStaleTrialCallback.retry_history(new) == [0]


def test_a_retry_spends_no_budget(storage: TrialStorage) -> None:
    study_id = new_study(storage, adaptive(3))
    for trial in claim(storage, study_id, 2):
        requeue(storage, trial, "lost")
    again = claim(storage, study_id, 9)  # two retries and the third of the budget
    assert [t.number for t in again] == [2, 3, 4]
    assert not is_claimable(storage, study_id)
    requeue(storage, again[0], "lost")
    assert [t.number for t in claim(storage, study_id, 9)] == [5]
    assert not is_claimable(storage, study_id)


def test_a_retry_is_no_point_of_the_design(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=3)
    requeue(storage, claim(storage, study_id)[0], "lost")
    assert enqueue(storage, study_id, points(3)) == 0
    assert enqueue(storage, study_id, points(4)) == 1
    assert [t.params["x"] for t in storage.get_all_trials(study_id)] == [0, 1, 2, 0, 3]


def test_a_trial_that_loses_its_worker_each_time_ends_some_day(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=1)
    for _ in range(MAX_RETRIES + 1):
        (trial,) = claim(storage, study_id)
        silence(storage)
        assert requeue_stale(storage, study_id, grace=60) == [trial.number]
    assert claim(storage, study_id) == []
    *_, last = storage.get_all_trials(study_id)
    assert last.state is TrialState.FAIL
    assert last.user_attrs["retried_as"] is None
    assert last.system_attrs["retry_history"] == list(range(MAX_RETRIES))


def test_requeue_changes_nothing_of_a_trial_that_ended_elsewhere(
    storage: TrialStorage, storage_url: str
) -> None:
    study_id = new_study(storage, n=2)
    done, lost = claim(storage, study_id, 2)
    end(storage, done)
    requeue(storage, lost, "first")
    before = plain_view(storage_url, study_id)
    assert requeue(storage, done, "late") is None
    assert requeue(storage, lost, "late") is None
    assert plain_view(storage_url, study_id) == before


# Timeout and attributes.


def test_after_the_timeout_what_waits_ends_with_the_reason(storage: TrialStorage) -> None:
    study_id = new_study(storage, adaptive(9, timeout=3600), n=3)
    (trial,) = claim(storage, study_id)
    assert is_claimable(storage, study_id)
    write(storage, f"UPDATE trials SET datetime_start = '{HOUR_AGO}' WHERE number = 0")
    assert claim(storage, study_id, 5) == []
    assert not is_claimable(storage, study_id)
    running, *waited = storage.get_all_trials(study_id)
    assert running.state is TrialState.RUNNING
    assert [t.state for t in waited] == [TrialState.FAIL] * 2
    reason = "the study's timeout was over"
    assert [t.user_attrs["fail_reason"] for t in waited] == [reason] * 2
    end(storage, trial)  # what runs may finish


def test_the_timeout_counts_from_the_first_claim(storage: TrialStorage) -> None:
    study_id = new_study(storage, Budget(None, timeout=1e-6, adaptive=False), n=3)
    assert [t.number for t in claim(storage, study_id)] == [0]
    assert claim(storage, study_id) == []


def test_what_the_timeout_takes_out_ends_with_the_reason_and_keeps_its_number(
    storage: TrialStorage,
) -> None:
    study_id = new_study(storage, Budget(None, timeout=1e-6, adaptive=False), n=4)
    claim(storage, study_id)
    claim(storage, study_id)
    _, *ended = storage.get_all_trials(study_id)
    assert [t.number for t in ended] == [1, 2, 3]
    reasons = {(t.state.name, t.user_attrs["fail_reason"]) for t in ended}
    assert reasons == {("FAIL", "the study's timeout was over")}


def test_attributes_of_a_running_trial_are_overwritten(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=1)
    (trial,) = claim(storage, study_id)
    record_attributes(storage, trial._trial_id, {"epochs": 1, "history": [1.0]})
    record_attributes(storage, trial._trial_id, {"epochs": 2})
    record_attributes(storage, trial._trial_id, {})
    found = storage.get_trial(trial._trial_id).user_attrs
    assert found == {"seed": 0, "epochs": 2, "history": [1.0]}


def test_attributes_of_an_ended_trial_are_never_changed(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=1)
    (trial,) = claim(storage, study_id)
    end(storage, trial)
    with pytest.raises(UpdateFinishedTrialError, match="no longer running"):
        record_attributes(storage, trial._trial_id, {"seed": 1})
    assert storage.get_trial(trial._trial_id).user_attrs == {"seed": 0}


# What waits costs nothing.


@dataclass
class Traffic:
    """What was sent to a database, and the ids of the trials that Optuna read from it."""

    statements: list[str] = field(default_factory=list)
    trials: list[int] = field(default_factory=list)


@contextmanager
def traffic(storage: TrialStorage) -> Iterator[Traffic]:
    """Count the traffic of a storage."""
    counted = Traffic()

    def sent(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        counted.statements.append(statement)

    def read(trial: models.TrialModel, _context: Any) -> None:
        counted.trials.append(int(trial.trial_id))

    sqlalchemy.event.listen(storage.engine, "before_cursor_execute", sent)
    sqlalchemy.event.listen(models.TrialModel, "load", read)
    try:
        yield counted
    finally:
        sqlalchemy.event.remove(storage.engine, "before_cursor_execute", sent)
        sqlalchemy.event.remove(models.TrialModel, "load", read)


def run_one(storage: TrialStorage, study_id: int) -> None:
    """Do to one trial what a worker does."""
    (trial,) = claim(storage, study_id)
    beat(storage, [trial._trial_id])
    storage.get_all_trials(study_id, deepcopy=False)
    distribution = FloatDistribution(0.0, 1.0)
    storage.set_trial_param(trial._trial_id, "y", 0.5, distribution)
    storage.set_trial_intermediate_value(trial._trial_id, 1, 0.5)
    record_attributes(storage, trial._trial_id, {"epochs": 1})
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
    """Count the steps of SQLite's virtual machine; there is one connection."""
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
            beat(worker, [trial._trial_id])
            assert is_claimable(worker, study_id)
            assert is_running(worker, study_id)
            assert requeue_stale(worker, study_id, grace=60) == []
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
    assert counted.trials == [slow._trial_id]
    end(storage, slow)
    with traffic(worker) as counted:
        assert len(worker.get_all_trials(study_id)) == 20
        assert len(worker.get_all_trials(study_id)) == 20
    assert counted.trials == [slow._trial_id]


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
    """Do something that changes a study."""
    running = storage.get_all_trials(study_id, states=[TrialState.RUNNING])
    choice = rng.randrange(8)
    if choice == 0:
        enqueue(storage, study_id, points(n))
    elif choice <= 2:
        claim(storage, study_id, rng.randint(1, 3))
    elif choice == 3 and n % 10 == 9:
        with storage.transaction() as connection:
            trial_queue._cancel_waiting(connection, study_id, "stopped")
    elif running:
        trial = rng.choice(running)
        if choice == 4:
            requeue(storage, trial, "lost")
        elif choice == 5:
            storage.set_trial_intermediate_value(trial._trial_id, n, rng.random())
        elif choice == 6:
            storage.set_trial_state_values(trial._trial_id, TrialState.PRUNED)
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
