"""Batches: the view of a study within one, and the rows written at its end."""

from __future__ import annotations

import contextlib
import sqlite3
import subprocess
import sys
import threading
from typing import Any

import optuna
import pytest
import sqlalchemy
from optuna.distributions import FloatDistribution, IntDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState
from queues import adaptive, end, new_study, open_study, plain_view, rows, states, traffic
from sqlalchemy.exc import OperationalError

from storage import (
    TrialStorage,
    claim,
    create_storage,
    requeue,
    requeue_stale,
    study_id,
    trial_id,
)

UNIT = FloatDistribution(0.0, 1.0)


def claimed(storage: TrialStorage, n: int) -> tuple[optuna.Study, list[Trial]]:
    """Return a study with `n` RUNNING trials."""
    study_id = new_study(storage, adaptive(n))
    study = open_study(storage, study_id)
    return study, [Trial(study, trial_id(t)) for t in claim(storage, study_id, n)]


def test_what_a_batch_changes_is_seen_in_its_thread_only_until_it_is_written(
    storage: TrialStorage, storage_url: str
) -> None:
    study, (trial,) = claimed(storage, 1)
    own_id = study_id(study)
    before = plain_view(storage_url, own_id)
    with storage.batch(own_id) as batch:
        trial.suggest_float("x", 0.0, 1.0)
        trial.report(0.5, 1)
        study.set_user_attr("note", (1, 2))
        study.tell(trial, 2.5)
        (seen,) = study.trials
        assert (seen.state, seen.value, seen.params) == (TrialState.COMPLETE, 2.5, trial.params)
        assert study.best_trial == seen
        assert study.user_attrs["note"] == [1, 2]
        others: list[FrozenTrial] = []
        thread = threading.Thread(target=lambda: others.extend(storage.get_all_trials(own_id)))
        thread.start()
        thread.join()
        assert others == before
    assert storage.get_all_trials(own_id) == plain_view(storage_url, own_id) == before
    assert batch.write() == set()
    assert plain_view(storage_url, own_id) == [seen]
    assert study.user_attrs["note"] == [1, 2]


def test_a_list_of_trials_does_not_change_after_it_was_given(storage: TrialStorage) -> None:
    study, (trial,) = claimed(storage, 1)
    with storage.batch(study_id(study)):
        given = study.get_trials(deepcopy=False)
        mine = storage.get_trial(trial_id(trial))
        mine.params["strange"] = 1
        trial.suggest_float("x", 0.0, 1.0)
        assert given[0].params == {}
        assert list(study.trials[0].params) == ["x"]


def test_a_batch_refuses_what_optuna_refuses(storage: TrialStorage) -> None:
    study, (one, two) = claimed(storage, 2)
    with storage.batch(study_id(study)) as batch:
        one.suggest_float("x", 0.0, 1.0)
        with pytest.raises(ValueError, match="different distribution kind"):
            storage.set_trial_param(trial_id(two), "x", 1.0, IntDistribution(0, 1))
        study.tell(one, 1.0)
        with pytest.raises(UpdateFinishedTrialError):
            storage.set_trial_user_attr(trial_id(one), "k", 1)
        with pytest.raises(ValueError, match="Cannot tell a COMPLETE trial"):
            study.tell(one, 2.0)
    batch.write()
    assert states(storage, study_id(study)) == ["COMPLETE", "RUNNING"]


def test_trials_that_ended_elsewhere_get_nothing(storage: TrialStorage, storage_url: str) -> None:
    study, trials = claimed(storage, 4)
    own_id, elsewhere = study_id(study), create_storage(storage_url)
    with storage.batch(own_id) as batch:
        for trial in trials:
            trial.suggest_float("x", 0.0, 1.0)
            trial.report(0.5, 1)
            trial.set_user_attr("k", 1)
        study.tell(trials[0], 0.5)
        study.tell(trials[1], 0.5)
    requeue(elsewhere, elsewhere.get_trial(trial_id(trials[0])), "lost")
    end(elsewhere, elsewhere.get_trial(trial_id(trials[2])), 7.0)
    before = plain_view(storage_url, own_id)
    lost = {trial_id(trials[0]), trial_id(trials[2])}
    assert batch.write() == lost
    after = plain_view(storage_url, own_id)
    assert [t for t in after if trial_id(t) in lost] == [t for t in before if trial_id(t) in lost]
    assert [t.state.name for t in after] == ["FAIL", "COMPLETE", "COMPLETE", "RUNNING", "WAITING"]
    assert after[3].intermediate_values == {1: 0.5}
    assert storage.get_all_trials(own_id) == after


def test_a_deleted_study_loses_all_trials_of_a_batch(
    storage: TrialStorage, storage_url: str
) -> None:
    study, trials = claimed(storage, 2)
    with storage.batch(study_id(study)) as batch:
        study.set_user_attr("k", 1)
        for trial in trials:
            study.tell(trial, 0.5)
    create_storage(storage_url).delete_study(study_id(study))
    assert batch.write() == {trial_id(trial) for trial in trials}
    assert all(found == [] for found in rows(storage).values())


def test_an_exception_discards_a_batch(storage: TrialStorage, storage_url: str) -> None:
    study, (trial,) = claimed(storage, 1)
    before = plain_view(storage_url, study_id(study))
    batches = []

    def interrupted() -> None:
        with storage.batch(study_id(study)) as batch:
            batches.append(batch)
            trial.suggest_float("x", 0.0, 1.0)
            with pytest.raises(RuntimeError, match="one that is open"):
                batch.write()
            with pytest.raises(RuntimeError, match="one batch at a time"):
                storage.batch(study_id(study)).__enter__()
            _ = 1 / 0

    with pytest.raises(ZeroDivisionError):
        interrupted()
    (batch,) = batches
    with pytest.raises(RuntimeError, match="an exception ended"):
        batch.write()
    assert study.trials == plain_view(storage_url, study_id(study)) == before


def test_a_write_that_failed_is_done_again(storage: TrialStorage, storage_url: str) -> None:
    study, trials = claimed(storage, 3)
    with storage.batch(study_id(study)) as batch:
        for trial in trials:
            trial.suggest_float("x", 0.0, 1.0)
            trial.report(0.5, 1)
        study.tell(trials[0], 0.5)
    before = plain_view(storage_url, study_id(study))

    def fail(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "trial_values" in statement:  # after other rows were sent
            raise OperationalError(statement, {}, Exception("the database is away"))

    sqlalchemy.event.listen(storage.engine, "before_cursor_execute", fail)
    with pytest.raises(OperationalError):
        batch.write()
    sqlalchemy.event.remove(storage.engine, "before_cursor_execute", fail)
    assert plain_view(storage_url, study_id(study)) == before
    assert batch.write() == set()
    after = plain_view(storage_url, study_id(study))
    # A connection may break after the database has taken the transaction.
    assert batch.write() == set()
    assert plain_view(storage_url, study_id(study)) == after
    assert [t.state.name for t in after] == ["COMPLETE", "RUNNING", "RUNNING"]
    assert all(t.params and t.intermediate_values for t in after)


KILLED = """
import os, sys
import optuna, sqlalchemy
from optuna.trial import Trial
from storage import claim, create_storage
from storage import study_id, trial_id
storage = create_storage(sys.argv[1], waiting=False)
study = optuna.load_study(study_name="s", storage=storage)
(claimed,) = claim(storage, study_id(study))
with storage.batch(study_id(study)) as batch:
    trial = Trial(study, trial_id(claimed))
    trial.suggest_float("x", 0.0, 1.0)
    study.tell(trial, 0.5)
sqlalchemy.event.listen(storage.engine, "commit", lambda _: os._exit(9))
batch.write()
"""


def test_of_a_batch_whose_process_is_killed_nothing_is_there(
    storage: TrialStorage, storage_url: str
) -> None:
    study_id = new_study(storage, adaptive(1), name="s")
    done = subprocess.run([sys.executable, "-c", KILLED, storage_url], timeout=300, check=False)
    assert done.returncode == 9
    (trial,) = plain_view(storage_url, study_id)
    assert (trial.state, trial.params) == (TrialState.RUNNING, {})
    assert requeue_stale(storage, [study_id], grace=-1) == [(study_id, 0)]


def test_a_trial_that_waits_is_no_part_of_a_batch(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=1)
    (waiting,) = storage.get_all_trials(study_id)
    with storage.batch(study_id):
        storage.set_trial_user_attr(trial_id(waiting), "k", 1)
        (taken,) = claim(storage, study_id)
        storage.set_trial_user_attr(trial_id(taken), "k", 2)
    assert storage.get_trial(trial_id(taken)).user_attrs["k"] == 2


def test_suggested_parameters_can_be_taken_back(storage: TrialStorage, storage_url: str) -> None:
    study, (trial,) = claimed(storage, 1)
    storage.set_trial_param(trial_id(trial), "kept", 0.5, UNIT)
    with storage.batch(study_id(study)) as batch:
        storage.set_trial_param(trial_id(trial), "x", 0.5, UNIT)
        storage.set_trial_user_attr(trial_id(trial), "k", 1)
        batch.take_back(trial_id(trial))
        assert storage.get_trial(trial_id(trial)).params == {"kept": 0.5}
        storage.set_trial_param(trial_id(trial), "y", 0.25, UNIT)
    batch.write()
    (found,) = plain_view(storage_url, study_id(study))
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
    other.set_trial_param(trial_id(theirs), "x", 0.5, UNIT)
    with traffic(mine) as counted, mine.batch(study_id) as batch:
        assert study.trials[3].params == {"x": 0.5}  # the constant liar reads it
        study.tell(running[0].number, 0.5)
        mine.set_trial_param(trial_id(running[1]), "x", 0.25, UNIT)
    assert counted.trials == [trial_id(theirs)]
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
    assert sorted(counted.trials) == [trial_id(running[2]), trial_id(theirs)]


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
    worker.set_trial_param(trial_id(one), "x", 0.5, UNIT)
    worker.set_trial_user_attr(trial_id(two), "seed", 3)
    with worker.batch(study_id):
        assert worker.get_all_trials(study_id) == plain_view(storage_url, study_id)


def test_what_was_written_beside_a_batch_is_there_after_it(storage: TrialStorage) -> None:
    study_id = new_study(storage, adaptive(1))
    (claimed,) = claim(storage, study_id)
    storage.set_trial_system_attr(trial_id(claimed), "artifacts:1", "a file")
    with storage.batch(study_id, others=False) as batch:
        open_study(storage, study_id).tell(claimed.number, 1.0)
    assert batch.write() == set()
    ended = storage.get_trial(trial_id(claimed))
    assert ended.state is TrialState.COMPLETE
    assert ended.system_attrs == {"artifacts:1": "a file"}


@pytest.mark.parametrize("waiting", [True, False])
def test_a_batch_takes_no_write_lock_before_it_is_written(sqlite_url: str, waiting: bool) -> None:
    storage = create_storage(sqlite_url, waiting=waiting)
    study, (trial,) = claimed(storage, 1)
    other = sqlite3.connect(str(storage.engine.url.database), isolation_level=None)
    with contextlib.closing(other):
        other.execute("BEGIN IMMEDIATE")
        with storage.batch(study_id(study)) as batch:
            study.set_user_attr("k", 1)
            study.tell(trial, 0.5)
        other.execute("ROLLBACK")
    assert batch.write() == set()
