"""Failed trials: counted, told at the end of a run, and queued again."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import hpo
from optuna.trial import TrialState
from queues import adaptive, end, new_study, open_study, silence, states
from typer.testing import CliRunner

from storage import (
    TrialStorage,
    claim,
    create_storage,
    failures,
    is_claimable,
    requeue,
    requeue_failed,
    requeue_stale,
    stop_study,
    trial_id,
)
from storage.lost_trials import MAX_RETRIES
from storage.rows import fail_trials, in_state
from studies import TrialNotFailedError, TrialNotFoundError, load_study, retry_trials
from studies.cli.commands import app


def fail_all(storage: TrialStorage, study_id: int) -> None:
    with storage.transaction() as connection:
        for state in ("RUNNING", "WAITING"):
            fail_trials(connection, in_state(study_id, TrialState[state]))


def test_failed_trials_are_queued_again_within_their_lineages(storage: TrialStorage) -> None:
    study_id = new_study(storage, adaptive(4), n=3)
    done, lost, failed, own = claim(storage, study_id, 4)
    study = open_study(storage, study_id)
    study.tell(done.number, 1.0)
    for trial, reason in ((failed, "no package"), (own, "")):
        storage.set_trial_user_attr(trial_id(trial), "fail_reason", reason)
        storage.set_trial_user_attr(trial_id(trial), "worker", "w")
        study.tell(trial.number, state=TrialState.FAIL)
    requeue(storage, lost, "its worker was lost")
    found = failures(storage, study_id)
    assert (found.numbers, found.reason, found.has_traceback) == ([2, 3], "no package", False)

    assert requeue_failed(storage, study_id, [0, 1, 2]) == [2]
    assert failures(storage, study_id).numbers == [3]
    assert requeue_failed(storage, study_id) == [3]
    assert requeue_failed(storage, study_id) == failures(storage, study_id).numbers == []
    old, new = (storage.get_all_trials(study_id)[n] for n in (2, 5))
    assert old.user_attrs["retried_as"] == 5
    assert (new.params, new.user_attrs) == (old.params, {"seed": 2, "retry_of": 2})
    assert [t.number for t in claim(storage, study_id, 9)] == [4, 5, 6]
    assert not is_claimable(storage, study_id), "the budget of lineages is as before"


def test_what_was_lost_too_often_may_be_lost_anew(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=1)
    for _ in range(MAX_RETRIES + 1):
        claim(storage, study_id)
        silence(storage)
        requeue_stale(storage, [study_id], grace=60)
    assert requeue_failed(storage, study_id) == [MAX_RETRIES]
    claim(storage, study_id)
    silence(storage)
    requeue_stale(storage, [study_id], grace=60)
    assert states(storage, study_id)[-1] == "WAITING"


def test_a_study_that_its_function_has_stopped_goes_on_with_what_is_queued_again(
    study_url: str,
) -> None:
    storage = create_storage(study_url)
    stop_study(storage, 1, by=2)
    assert requeue_failed(storage, 1, [0]) == []  # it has not failed
    assert claim(storage, 1) == []
    first, second = (CliRunner().invoke(app, ["retry", "s", "--storage", study_url]) for _ in "12")
    assert "of trial 2 had stopped the study (study.stop); it goes on" in first.output
    (retry,) = claim(storage, 1, 9)
    end(storage, retry)
    assert (retry.number, second.output) == (4, "No trial of s has failed.\n")


def test_only_a_failed_trial_can_be_queued_again(study_url: str) -> None:
    study, _ = load_study("s", study_url)
    for number, words in ((0, "trial=0, which is complete"), (99, "trial=99")):
        error = TrialNotFoundError if number == 99 else TrialNotFailedError
        with pytest.raises(error, match=words):
            retry_trials(study, [3, number])
    assert len(study.trials) == 4, "none is queued then"
    assert retry_trials(study, [3]) == [3]
    with pytest.raises(TrialNotFailedError, match="trial=3, which was queued again as trial 4"):
        retry_trials(study, [3])
    assert retry_trials(study) == []


def test_a_run_ends_by_naming_what_failed_and_a_retry_queues_it(
    study_url: str, tmp_path: Path
) -> None:
    ran = hpo("run", "s", url=study_url, folder=tmp_path)
    assert ran.returncode == 0, "trials are complete"
    assert ran.stderr.splitlines() == [
        "1 of 4 trials failed. The first, trial 3: the loss was nan",
        "Queue them again: hpo retry s",
    ]
    assert (
        "Queue them again: hpo retry s" in hpo("status", "s", url=study_url, folder=tmp_path).stdout
    )
    for words in ("1 failed trial is queued again. Work on them: hpo run s", "No trial of s has"):
        queued = hpo("retry", "s", url=study_url, folder=tmp_path)
        assert queued.returncode == 0, queued.stderr
        assert words in queued.stdout
    status = hpo("status", "s", url=study_url, folder=tmp_path).stdout
    assert "3/4" in status
    assert "1 waiting, 1 attempt given up and queued again" in status
    assert "hpo retry" not in status
