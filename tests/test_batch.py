"""Batches: what they leave in the database is what Optuna would have written itself."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import threading
from datetime import datetime
from multiprocessing.pool import Pool
from typing import Any

import optuna
import pytest
import sqlalchemy
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState
from processes import PROCESSES, at_once, meet
from queues import adaptive, end, new_study, plain_view, states, traffic
from sqlalchemy.exc import OperationalError

from storage import (
    Batch,
    TrialStorage,
    claim,
    create_storage,
    record_attributes,
    requeue,
    requeue_stale,
)
from storage.trial_rows import (
    INTERMEDIATE_VALUES,
    PARAMS,
    STUDY_SYSTEM_ATTRS,
    STUDY_USER_ATTRS,
    SYSTEM_ATTRS,
    TRIALS,
    USER_ATTRS,
    VALUES,
)

TABLES = (
    PARAMS,
    INTERMEDIATE_VALUES,
    USER_ATTRS,
    SYSTEM_ATTRS,
    VALUES,
    TRIALS,
    STUDY_USER_ATTRS,
    STUDY_SYSTEM_ATTRS,
)
UNIT = FloatDistribution(0.0, 1.0)
SEARCHES: dict[str, tuple[Any, Any]] = {
    "tpe, hyperband": (
        lambda seed: optuna.samplers.TPESampler(seed=seed, n_startup_trials=4),
        lambda: optuna.pruners.HyperbandPruner(max_resource=9),
    ),
    "cmaes, median": (
        lambda seed: optuna.samplers.CmaEsSampler(
            seed=seed, popsize=4, n_startup_trials=2, warn_independent_sampling=False
        ),
        lambda: optuna.pruners.MedianPruner(n_startup_trials=3),
    ),
    "nsga2, successive halving": (
        lambda seed: optuna.samplers.NSGAIISampler(seed=seed, population_size=4),
        lambda: optuna.pruners.SuccessiveHalvingPruner(reduction_factor=2),
    ),
}


def open_study(storage: TrialStorage, study_id: int) -> optuna.Study:
    return optuna.load_study(study_name=storage.get_study_name_from_id(study_id), storage=storage)


def suggest(trial: Trial) -> float:
    """Choose parameters of every kind, one of them only where another one says so."""
    x = trial.suggest_float("x", 1e-3, 1.0, log=True)
    y = trial.suggest_float("y", 0.0, 1.0, step=0.1)
    n = trial.suggest_int("n", 1, 9)
    kind = trial.suggest_categorical("kind", ["a", "b", None])
    z = trial.suggest_float("z", 0.0, 1.0) if kind == "b" else 0.0
    trial.set_user_attr("tuple", (1, 2.5, "ü", None))
    trial.set_user_attr("tuple", (2, x))
    return float(x + y + n + z)


def search(storage: TrialStorage, name: str, *, in_batches: bool) -> int:
    """Run a small search by packs of 4; the same calls with and without batches."""
    make_sampler, make_pruner = SEARCHES[name]
    study_id = new_study(storage, adaptive(28), name="s")
    study = open_study(storage, study_id)

    def batch() -> Any:
        return storage.batch(study_id) if in_batches else contextlib.nullcontext()

    def write(batch: Batch | None) -> None:
        assert batch is None or batch.write() == set()

    while claimed := claim(storage, study_id, 4):
        study.pruner = make_pruner()
        trials: dict[Trial, float] = {}
        with traffic(storage) as sent, batch() as entered:
            begun = len(sent.statements)
            for each in claimed:
                study.sampler = make_sampler(each.number)
                study._thread_local.cached_all_trials = None
                trial = Trial(study, each._trial_id)
                trials[trial] = suggest(trial)
            assert len(sent.statements) == begun or not in_batches
        write(entered)
        for step in (1, 2, 3):
            with batch() as entered:
                for trial, base in list(trials.items()):
                    trial.report(base / step, step)
                    if trial.should_prune():
                        study.tell(trial, state=TrialState.PRUNED)
                        del trials[trial]
            write(entered)
        with batch() as entered:
            for i, (trial, base) in enumerate(trials.items()):
                if i == 0 and 8 <= trial.number < 16:
                    study.tell(trial, state=TrialState.FAIL)
                else:
                    study.tell(trial, float("inf") if i == 3 and trial.number < 8 else base)
        write(entered)
    return study_id


def timeless(trials: list[FrozenTrial]) -> list[dict[str, Any]]:
    """Return the fields of trials, without the times that two runs cannot share."""
    found = [dict(vars(trial)) for trial in trials]
    for fields in found:
        assert fields.pop("_datetime_start") <= datetime.now()
        fields["datetime_complete"] = fields["datetime_complete"] is not None
    return found


def rows(storage: TrialStorage) -> dict[str, list[tuple[Any, ...]]]:
    """Return the rows of Optuna's tables, without the keys and times of their own."""
    found = {}
    with storage.reading() as connection:
        for table in TABLES:
            columns = [
                c for c in table.c if not c.name.startswith("datetime") and c.name != "study_id"
            ]
            columns = [c for c in columns if not c.primary_key or table is TRIALS]
            found[table.name] = sorted(
                (tuple(row) for row in connection.execute(sqlalchemy.select(*columns))), key=repr
            )
    return found


@pytest.mark.parametrize("name", list(SEARCHES))
def test_a_batch_leaves_what_optuna_would_have_written(
    name: str, storage_url: str, tmp_path: Any
) -> None:
    ours = create_storage(storage_url, waiting=False)
    plain = create_storage(f"sqlite:///{tmp_path}/plain.db", waiting=False)
    study_id = search(ours, name, in_batches=True)
    plain_id = search(plain, name, in_batches=False)
    expected = plain.get_all_trials(plain_id)
    assert timeless(plain_view(storage_url, study_id)) == timeless(expected)
    assert ours.get_all_trials(study_id) == plain_view(storage_url, study_id)
    assert rows(ours) == rows(plain)
    assert {t.state for t in expected} >= {TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL}
    assert any(t.system_attrs for t in expected)


def claimed(storage: TrialStorage, n: int) -> tuple[optuna.Study, list[Trial]]:
    """Return a study with `n` trials that run."""
    study_id = new_study(storage, adaptive(n))
    study = open_study(storage, study_id)
    return study, [Trial(study, t._trial_id) for t in claim(storage, study_id, n)]


def test_what_a_batch_changes_is_seen_in_its_thread_only_until_it_is_written(
    storage: TrialStorage, storage_url: str
) -> None:
    study, (trial,) = claimed(storage, 1)
    study_id = study._study_id
    before = plain_view(storage_url, study_id)
    with storage.batch(study_id) as batch:
        trial.suggest_float("x", 0.0, 1.0)
        trial.report(0.5, 1)
        study.set_user_attr("note", (1, 2))
        study.tell(trial, 2.5)
        (seen,) = study.trials
        assert (seen.state, seen.value, seen.params) == (TrialState.COMPLETE, 2.5, trial.params)
        assert study.best_trial == seen
        assert study.user_attrs["note"] == [1, 2]
        others: list[FrozenTrial] = []
        thread = threading.Thread(target=lambda: others.extend(storage.get_all_trials(study_id)))
        thread.start()
        thread.join()
        assert others == before
    assert storage.get_all_trials(study_id) == plain_view(storage_url, study_id) == before
    assert batch.write() == set()
    assert plain_view(storage_url, study_id) == [seen]
    assert study.user_attrs["note"] == [1, 2]


def test_a_list_of_trials_does_not_change_after_it_was_given(storage: TrialStorage) -> None:
    study, (trial,) = claimed(storage, 1)
    with storage.batch(study._study_id):
        given = study.get_trials(deepcopy=False)
        mine = storage.get_trial(trial._trial_id)
        mine.params["strange"] = 1
        trial.suggest_float("x", 0.0, 1.0)
        assert given[0].params == {}
        assert list(study.trials[0].params) == ["x"]


def test_a_batch_refuses_what_optuna_refuses(storage: TrialStorage) -> None:
    study, (one, two) = claimed(storage, 2)
    with storage.batch(study._study_id) as batch:
        one.suggest_float("x", 0.0, 1.0)
        with pytest.raises(ValueError, match="different distribution kind"):
            storage.set_trial_param(two._trial_id, "x", 1.0, IntDistribution(0, 1))
        study.tell(one, 1.0)
        with pytest.raises(UpdateFinishedTrialError):
            storage.set_trial_user_attr(one._trial_id, "k", 1)
        with pytest.raises(ValueError, match="Cannot tell a COMPLETE trial"):
            study.tell(one, 2.0)
    batch.write()
    assert states(storage, study._study_id) == ["COMPLETE", "RUNNING"]


def test_trials_that_ended_elsewhere_get_nothing(storage: TrialStorage, storage_url: str) -> None:
    study, trials = claimed(storage, 4)
    study_id, elsewhere = study._study_id, create_storage(storage_url)
    with storage.batch(study_id) as batch:
        for trial in trials:
            trial.suggest_float("x", 0.0, 1.0)
            trial.report(0.5, 1)
            trial.set_user_attr("k", 1)
        study.tell(trials[0], 0.5)
        study.tell(trials[1], 0.5)
    requeue(elsewhere, elsewhere.get_trial(trials[0]._trial_id), "lost")
    end(elsewhere, elsewhere.get_trial(trials[2]._trial_id), 7.0)
    before = plain_view(storage_url, study_id)
    lost = {trials[0]._trial_id, trials[2]._trial_id}
    assert batch.write() == lost
    after = plain_view(storage_url, study_id)
    assert [t for t in after if t._trial_id in lost] == [t for t in before if t._trial_id in lost]
    assert [t.state.name for t in after] == ["FAIL", "COMPLETE", "COMPLETE", "RUNNING", "WAITING"]
    assert after[3].intermediate_values == {1: 0.5}
    assert storage.get_all_trials(study_id) == after


def test_a_deleted_study_loses_all_trials_of_a_batch(
    storage: TrialStorage, storage_url: str
) -> None:
    study, trials = claimed(storage, 2)
    with storage.batch(study._study_id) as batch:
        study.set_user_attr("k", 1)
        for trial in trials:
            study.tell(trial, 0.5)
    create_storage(storage_url).delete_study(study._study_id)
    assert batch.write() == {trial._trial_id for trial in trials}
    assert all(found == [] for found in rows(storage).values())


def test_an_exception_discards_a_batch(storage: TrialStorage, storage_url: str) -> None:
    study, (trial,) = claimed(storage, 1)
    before = plain_view(storage_url, study._study_id)
    batches = []

    def interrupted() -> None:
        with storage.batch(study._study_id) as batch:
            batches.append(batch)
            trial.suggest_float("x", 0.0, 1.0)
            with pytest.raises(RuntimeError, match="one that is open"):
                batch.write()
            with pytest.raises(RuntimeError, match="one batch at a time"):
                storage.batch(study._study_id).__enter__()
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        interrupted()
    (batch,) = batches
    with pytest.raises(RuntimeError, match="an exception ended"):
        batch.write()
    assert study.trials == plain_view(storage_url, study._study_id) == before


def test_a_write_that_failed_is_done_again(storage: TrialStorage, storage_url: str) -> None:
    study, trials = claimed(storage, 3)
    with storage.batch(study._study_id) as batch:
        for trial in trials:
            trial.suggest_float("x", 0.0, 1.0)
            trial.report(0.5, 1)
        study.tell(trials[0], 0.5)
    before = plain_view(storage_url, study._study_id)

    def fail(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "trial_values" in statement:  # after other rows were sent
            raise OperationalError(statement, {}, Exception("the database is away"))

    sqlalchemy.event.listen(storage.engine, "before_cursor_execute", fail)
    with pytest.raises(OperationalError):
        batch.write()
    sqlalchemy.event.remove(storage.engine, "before_cursor_execute", fail)
    assert plain_view(storage_url, study._study_id) == before
    assert batch.write() == set()
    after = plain_view(storage_url, study._study_id)
    # A connection may break after the database has taken the transaction.
    assert batch.write() == set()
    assert plain_view(storage_url, study._study_id) == after
    assert [t.state.name for t in after] == ["COMPLETE", "RUNNING", "RUNNING"]
    assert all(t.params and t.intermediate_values for t in after)


KILLED = """
import os, sys
import optuna, sqlalchemy
from optuna.trial import Trial
from storage import claim, create_storage
storage = create_storage(sys.argv[1], waiting=False)
study = optuna.load_study(study_name="s", storage=storage)
(claimed,) = claim(storage, study._study_id)
with storage.batch(study._study_id) as batch:
    trial = Trial(study, claimed._trial_id)
    trial.suggest_float("x", 0.0, 1.0)
    study.tell(trial, 0.5)
sqlalchemy.event.listen(storage.engine, "commit", lambda _: os._exit(9))
batch.write()
"""


def test_of_a_batch_whose_process_is_killed_nothing_is_there(
    storage: TrialStorage, storage_url: str
) -> None:
    study_id = new_study(storage, adaptive(1), name="s")
    done = subprocess.run([sys.executable, "-c", KILLED, storage_url], timeout=120, check=False)
    assert done.returncode == 9
    (trial,) = plain_view(storage_url, study_id)
    assert (trial.state, trial.params) == (TrialState.RUNNING, {})
    assert requeue_stale(storage, study_id, grace=-1) == [0]


def test_a_trial_that_waits_is_no_part_of_a_batch(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=1)
    (waiting,) = storage.get_all_trials(study_id)
    with storage.batch(study_id):
        storage.set_trial_user_attr(waiting._trial_id, "k", 1)
        (taken,) = claim(storage, study_id)
        storage.set_trial_user_attr(taken._trial_id, "k", 2)
    assert storage.get_trial(taken._trial_id).user_attrs["k"] == 2


def test_suggested_parameters_can_be_taken_back(storage: TrialStorage, storage_url: str) -> None:
    study, (trial,) = claimed(storage, 1)
    storage.set_trial_param(trial._trial_id, "kept", 0.5, UNIT)
    with storage.batch(study._study_id) as batch:
        storage.set_trial_param(trial._trial_id, "x", 0.5, UNIT)
        storage.set_trial_user_attr(trial._trial_id, "k", 1)
        batch.take_back(trial._trial_id)
        assert storage.get_trial(trial._trial_id).params == {"kept": 0.5}
        storage.set_trial_param(trial._trial_id, "y", 0.25, UNIT)
    batch.write()
    (found,) = plain_view(storage_url, study._study_id)
    assert found.params == {"kept": 0.5, "y": 0.25}
    assert found.distributions == {"kept": UNIT, "y": UNIT}
    assert found.user_attrs == {"k": 1}


# What is read.


def test_a_batch_reads_what_others_did_and_not_what_this_worker_did(
    storage: TrialStorage, storage_url: str
) -> None:
    study_id = new_study(storage, adaptive(None))
    mine, other = (create_storage(storage_url, waiting=False) for _ in range(2))
    study = open_study(mine, study_id)
    running = claim(mine, study_id, 3)
    (theirs,) = claim(other, study_id)
    other.set_trial_param(theirs._trial_id, "x", 0.5, UNIT)
    with traffic(mine) as counted, mine.batch(study_id) as batch:
        assert study.trials[3].params == {"x": 0.5}  # the constant liar looks at it
        study.tell(running[0].number, 0.5)
        mine.set_trial_param(running[1]._trial_id, "x", 0.25, UNIT)
    assert counted.trials == [theirs._trial_id]
    batch.write()
    with traffic(mine) as counted, mine.batch(study_id, others=False):
        assert [len(t.params) for t in study.trials] == [0, 1, 0, 1]
    assert counted.statements == []
    end(other, theirs)
    requeue(other, running[2], "lost")
    with traffic(mine) as counted, mine.batch(study_id):
        assert study.trials == [
            t for t in plain_view(storage_url, study_id) if t.state is not TrialState.WAITING
        ]
    assert sorted(counted.trials) == [running[2]._trial_id, theirs._trial_id]


def test_the_notes_of_samplers_are_no_newer_than_the_trials(
    storage: TrialStorage, storage_url: str
) -> None:
    study_id = new_study(storage, adaptive(None))
    other = create_storage(storage_url)
    other.set_study_system_attr(study_id, "parents:1", [1])
    with storage.batch(study_id):
        other.set_study_system_attr(study_id, "parents:2", [2])
        assert storage.get_study_system_attrs(study_id) == {"parents:1": [1]}
    assert set(storage.get_study_system_attrs(study_id)) == {"parents:1", "parents:2"}


def test_a_batch_sees_what_was_written_to_its_trials_at_once(
    storage: TrialStorage, storage_url: str
) -> None:
    study_id = new_study(storage, adaptive(None))
    worker = create_storage(storage_url, waiting=False)
    one, two = claim(worker, study_id, 2)
    worker.set_trial_param(one._trial_id, "x", 0.5, UNIT)
    record_attributes(worker, two._trial_id, {"seed": 3})
    with worker.batch(study_id):
        assert worker.get_all_trials(study_id) == plain_view(storage_url, study_id)


def test_what_was_written_beside_a_batch_is_there_after_it(storage: TrialStorage) -> None:
    study_id = new_study(storage, adaptive(1))
    (claimed,) = claim(storage, study_id)
    storage.set_trial_system_attr(claimed._trial_id, "artifacts:1", "a file")
    with storage.batch(study_id, others=False) as batch:
        open_study(storage, study_id).tell(claimed.number, 1.0)
    assert batch.write() == set()
    ended = storage.get_trial(claimed._trial_id)
    assert ended.state is TrialState.COMPLETE
    assert ended.system_attrs == {"artifacts:1": "a file"}


@pytest.mark.parametrize("waiting", [True, False])
def test_a_batch_takes_no_write_lock_before_it_is_written(sqlite_url: str, waiting: bool) -> None:
    storage = create_storage(sqlite_url, waiting=waiting)
    study, (trial,) = claimed(storage, 1)
    other = sqlite3.connect(str(storage.engine.url.database), isolation_level=None)
    with contextlib.closing(other):
        other.execute("BEGIN IMMEDIATE")
        with storage.batch(study._study_id) as batch:
            study.set_user_attr("k", 1)
            study.tell(trial, 0.5)
        other.execute("ROLLBACK")
    assert batch.write() == set()


# Races.


def work(rank: int, url: str, study_id: int) -> int:
    """Pull packs until the budget is spent, and return how many trials ended here."""
    storage = create_storage(url, waiting=False)
    study = open_study(storage, study_id)
    study.sampler = optuna.samplers.NSGAIISampler(seed=rank, population_size=10)
    study.pruner = optuna.pruners.SuccessiveHalvingPruner()
    meet()
    told = 0
    while pack := claim(storage, study_id, 5):
        with storage.batch(study_id) as batch:
            study._thread_local.cached_all_trials = None
            trials = [Trial(study, each._trial_id) for each in pack]
            values = [suggest(trial) for trial in trials]
        assert batch.write() == set()
        with storage.batch(study_id) as batch:
            for trial, value in zip(trials, values, strict=True):
                trial.report(value, 1)
                if trial.should_prune():
                    study.tell(trial, state=TrialState.PRUNED)
                else:
                    study.tell(trial, value)
        assert batch.write() == set()
        told += len(pack)
    return told


def test_eight_processes_that_work_by_batches_end_each_trial_once(
    storage: TrialStorage, storage_url: str, workers: Pool
) -> None:
    study_id = new_study(storage, adaptive(150))
    assert sum(at_once(workers, work, storage_url, study_id)) == 150
    trials = plain_view(storage_url, study_id)
    assert [t.number for t in trials] == list(range(150))
    assert all(t.state.is_finished() and t.params and t.values for t in trials)


def meddle(rank: int, url: str, study_id: int) -> set[int]:
    """Change the same trials as everybody else, and return those that ended by this process."""
    storage = create_storage(url, waiting=False)
    study = open_study(storage, study_id)
    running = storage.get_all_trials(study_id, states=[TrialState.RUNNING])
    meet()
    if rank == 0:
        requeue_stale(storage, study_id, grace=-1)
        return set()
    with storage.batch(study_id, others=False) as batch:
        for trial in running[:: 1 if rank % 2 else -1]:
            storage.set_trial_user_attr(trial._trial_id, "rank", rank)
            if trial.number % PROCESSES == rank:
                study.tell(trial.number, float(rank))
        study.set_user_attr("rank", rank)
    lost = batch.write()
    return {t._trial_id for t in running if t.number % PROCESSES == rank} - lost


def test_batches_on_the_same_trials_neither_wait_for_each_other_nor_change_what_ended(
    storage: TrialStorage, storage_url: str, workers: Pool
) -> None:
    study_id = new_study(storage, adaptive(80))
    claim(storage, study_id, 80)
    ended = at_once(workers, meddle, storage_url, study_id)
    assert [state for state in states(storage, study_id) if state == "RUNNING"] == []
    done = [t for t in plain_view(storage_url, study_id) if t.state is TrialState.COMPLETE]
    assert {t._trial_id for t in done} == set().union(*ended)
    assert all(t.values == [float(t.number % PROCESSES)] for t in done)
