"""The queue: claims, the points of a design, lost trials and their retries, the timeout."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RetryHeartbeatStaleTrialCallback
from optuna.trial import TrialState
from queues import (
    DESIGN,
    LONG_AGO,
    adaptive,
    end,
    new_study,
    plain_view,
    points,
    run_out,
    silence,
    states,
    traffic,
    write,
    write_until,
)

from storage import (
    Budget,
    Point,
    TrialStorage,
    beat,
    begin_once,
    claim,
    count_claimable,
    count_time,
    enqueue,
    get_budget,
    is_claimable,
    is_running,
    is_time_over,
    latest_attempts,
    requeue,
    requeue_stale,
    study_id,
    trial_id,
)
from storage.lost_trials import MAX_RETRIES

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
        enqueue(storage, study_id, points(3), DESIGN)
    with pytest.raises(KeyError, match="its study was deleted"):
        requeue(storage, trial, "lost")


def test_a_study_of_somebody_else_is_never_claimed_from(storage: TrialStorage) -> None:
    study = optuna.create_study(storage=storage)
    study.enqueue_trial({"x": 1})
    with pytest.raises(KeyError, match="no study of this service"):
        claim(storage, study_id(study))
    assert states(storage, study_id(study)) == ["WAITING"]


def test_a_new_budget_is_obeyed_by_the_next_claim(storage: TrialStorage) -> None:
    study_id = new_study(storage, adaptive(2))
    assert len(claim(storage, study_id, 9)) == 2
    enqueue(storage, study_id, [], adaptive(3))
    assert get_budget(storage, study_id) == adaptive(3)
    assert len(claim(storage, study_id, 9)) == 1


def test_claimed_trials_are_read_in_the_statements_of_one(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=66)
    claim(storage, study_id)  # the first one notes when the study has begun
    with traffic(storage) as one:
        claim(storage, study_id)
    with traffic(storage) as many:
        claim(storage, study_id, 64)
    assert len(many.statements) == len(one.statements)


def test_what_can_still_be_claimed_is_counted(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=5)
    claim(storage, study_id, 2)
    assert count_claimable(storage, study_id) == 3
    study_id = new_study(storage, adaptive(7), n=2)
    assert count_claimable(storage, study_id) == 7
    first, *_ = claim(storage, study_id, 3)
    assert count_claimable(storage, study_id) == 4
    requeue(storage, first, "lost")
    assert count_claimable(storage, study_id) == 5
    assert len(claim(storage, study_id, 9)) == 5
    assert count_claimable(storage, study_id) == 0
    assert count_claimable(storage, new_study(storage, adaptive(None))) is None


def test_nothing_can_be_claimed_after_the_timeout(storage: TrialStorage) -> None:
    for budget in (Budget(None, 3600, adaptive=False), adaptive(None, timeout=3600)):
        study_id = new_study(storage, budget, n=3)
        run_out(storage, study_id)
        assert count_claimable(storage, study_id) == 0


# Enqueue.


def test_enqueue_adds_only_what_the_study_lacks(storage: TrialStorage) -> None:
    study_id = new_study(storage)
    assert [enqueue(storage, study_id, points(n), DESIGN) for n in (3, 3, 5, 2)] == [3, 0, 2, 0]
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
    enqueue(storage, study_id, [Point(params, distributions, attrs)], DESIGN)
    (trial,) = plain_view(storage_url, study_id)
    assert (trial.params, trial.distributions, trial.user_attrs) == (params, distributions, attrs)
    assert claim(storage, study_id)[0].params == params


def test_ten_thousand_points_are_queued_in_few_statements(storage: TrialStorage) -> None:
    study_id = new_study(storage)
    with traffic(storage) as counted:
        assert enqueue(storage, study_id, points(10_000), DESIGN) == 10_000
    assert len(counted.statements) < 100


# Lost trials.


def test_a_claimed_trial_is_found_lost_though_its_worker_never_beat(storage: TrialStorage) -> None:
    study_id = new_study(storage, adaptive(2), n=1)
    claim(storage, study_id, 2)  # one waited, one is created
    assert requeue_stale(storage, [study_id], grace=60) == []
    silence(storage)
    assert requeue_stale(storage, [study_id], grace=60) == [(study_id, 0), (study_id, 1)]
    assert states(storage, study_id) == ["FAIL", "FAIL", "WAITING", "WAITING"]


def test_a_trial_that_is_begun_once_is_lost_as_others_and_not_queued_again(
    storage: TrialStorage,
) -> None:
    study_id = new_study(storage)
    began = datetime(2026, 1, 2, 3, 4, 5)
    trial = begin_once(storage, study_id, points(1)[0], began)
    assert (trial.number, trial.state, trial.params) == (0, TrialState.RUNNING, {"x": 0})
    assert trial.datetime_start is not None
    assert trial.datetime_start.astimezone(UTC).replace(tzinfo=None) == began
    assert requeue_stale(storage, [study_id], grace=60) == []
    silence(storage)
    assert requeue_stale(storage, [study_id], grace=60) == [(study_id, 0)]
    assert states(storage, study_id) == ["FAIL"]


def test_a_trial_whose_worker_beats_is_not_lost(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=2)
    kept, _ = claim(storage, study_id, 2)
    silence(storage)
    beat(storage, [trial_id(kept)])
    assert requeue_stale(storage, [study_id], grace=60) == [(study_id, 1)]


def test_a_running_trial_without_heartbeat_is_never_touched(storage: TrialStorage) -> None:
    study_id = new_study(storage)
    name = storage.get_study_name_from_id(study_id)
    optuna.load_study(study_name=name, storage=storage).ask()
    assert not is_running(storage, study_id)
    assert requeue_stale(storage, [study_id], grace=-1) == []
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
    own_id = trial_id(trial)
    storage.set_trial_system_attr(own_id, "completed_rung_0", 0.5)
    storage.set_trial_system_attr(own_id, "sampler:note", [1])
    storage.set_trial_system_attr(own_id, "history", {"loss": [1.0]})
    storage.set_trial_user_attr(own_id, "worker", "w1")
    storage.set_trial_intermediate_value(own_id, 1, 0.5)
    assert requeue(storage, trial, "its worker was lost") == 1
    old, new = storage.get_all_trials(study_id)
    assert (old.state, new.state) == (TrialState.FAIL, TrialState.WAITING)
    assert old.user_attrs["fail_reason"] == "its worker was lost"
    assert old.user_attrs["retried_as"] == new.number
    assert (new.params, new.distributions) == (old.params, old.distributions)
    assert new.user_attrs == {"seed": 0, "retry_of": 0}
    assert (new.intermediate_values, new.datetime_start) == ({}, None)
    links = {"failed_trial": 0, "retry_history": [0], "lost_attempts": 0}
    assert new.system_attrs == links | {"sampler:note": [1], "completed_rung_0": 0.5}
    assert [trial.number for trial in latest_attempts([new, old])] == [1]
    assert latest_attempts([old]) == [old]  # a worker does not see what waits
    assert RetryHeartbeatStaleTrialCallback.retried_trial_number(new) == 0
    assert RetryHeartbeatStaleTrialCallback.retry_history(new) == [0]


def test_a_retry_lists_its_parameters_in_the_order_of_the_first_attempt(
    storage: TrialStorage,
) -> None:
    study_id = new_study(storage, adaptive(1))
    (trial,) = claim(storage, study_id)
    names = ["units", "rate", "beta", "alpha"]
    for name in names:
        distribution = FloatDistribution(0.0, 1.0)
        storage.set_trial_param(trial_id(trial), name, 0.5, distribution)
    requeue(storage, trial, "lost")
    assert [list(each.params) for each in storage.get_all_trials(study_id)] == [names, names]


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
    assert enqueue(storage, study_id, points(3), DESIGN) == 0
    assert enqueue(storage, study_id, points(4), DESIGN) == 1
    assert [t.params["x"] for t in storage.get_all_trials(study_id)] == [0, 1, 2, 0, 3]


@pytest.mark.filterwarnings("ignore::optuna.exceptions.ExperimentalWarning")
def test_trials_that_others_add_take_no_place_of_a_design(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=2, name="s")
    theirs = optuna.load_study(study_name="s", storage=storage)
    theirs.enqueue_trial({"x": 70})
    theirs.add_trial(optuna.create_trial(value=1.0))
    taken = claim(storage, study_id, 3)
    storage.set_trial_user_attr(trial_id(taken[-1]), "seed", 0)  # as whoever trains it does
    requeue(storage, taken[-1], "lost")
    assert enqueue(storage, study_id, points(2), DESIGN) == 0
    assert enqueue(storage, study_id, points(4), DESIGN) == 2
    found = [trial.params.get("x") for trial in storage.get_all_trials(study_id)]
    assert found == [0, 1, None, None, None, 2, 3]


def test_a_trial_that_loses_its_worker_each_time_ends_some_day(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=1)
    for _ in range(MAX_RETRIES + 1):
        (trial,) = claim(storage, study_id)
        silence(storage)
        assert requeue_stale(storage, [study_id], grace=60) == [(study_id, trial.number)]
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


@pytest.mark.parametrize("make", [adaptive, partial(Budget, adaptive=False)])
def test_what_waits_when_the_time_is_over_waits_for_a_larger_timeout(
    storage: TrialStorage, make: Callable[..., Budget]
) -> None:
    study_id = new_study(storage, make(9, timeout=3600), n=3)
    (trial,) = claim(storage, study_id)
    assert is_claimable(storage, study_id)
    assert not is_time_over(storage, study_id)
    run_out(storage, study_id)
    assert claim(storage, study_id, 5) == []
    assert not is_claimable(storage, study_id)
    assert is_time_over(storage, study_id)
    assert states(storage, study_id) == ["RUNNING", "WAITING", "WAITING"]
    end(storage, trial)  # what runs may finish
    enqueue(storage, study_id, points(3), make(9, timeout=2e9))
    assert [t.number for t in claim(storage, study_id, 2)] == [1, 2]


def test_the_timeout_counts_from_the_first_claim(storage: TrialStorage) -> None:
    study_id = new_study(storage, Budget(None, timeout=0.01, adaptive=False), n=3)
    time.sleep(0.02)
    assert [t.number for t in claim(storage, study_id)] == [0]
    time.sleep(0.02)
    assert claim(storage, study_id, worked_for=9) == []


def test_the_timeout_counts_no_time_in_which_nobody_works(storage: TrialStorage) -> None:
    study_id = new_study(storage, Budget(None, timeout=1.0, adaptive=False), n=9)
    claim(storage, study_id)
    for worked_for in (0.0, 0.2, 0.0, 0.2):  # of two workers, one after the other
        write_until(storage, study_id, LONG_AGO)
        assert len(claim(storage, study_id, worked_for=worked_for)) == 1
    began = time.monotonic()
    assert count_time(storage, study_id, 0) == pytest.approx(0.4, abs=0.05)
    counted = count_time(storage, study_id, 1e9)
    assert counted < 0.45 + time.monotonic() - began, "no second is counted twice"
    write_until(storage, study_id, "2999-01-01 00:00:00")  # a clock was set back
    assert count_time(storage, study_id, 5) == counted


def test_the_timeout_does_not_depend_on_the_clocks_of_machines(storage: TrialStorage) -> None:
    study_id = new_study(storage, Budget(None, timeout=3600, adaptive=False), n=3)
    claim(storage, study_id)
    write(storage, f"UPDATE trials SET datetime_start = '{LONG_AGO}' WHERE number = 0")
    assert len(claim(storage, study_id)) == 1


def test_attributes_of_a_running_trial_are_overwritten(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=1)
    (trial,) = claim(storage, study_id)
    for key, value in (("epochs", 1), ("history", [1.0]), ("epochs", 2)):
        storage.set_trial_user_attr(trial_id(trial), key, value)
    found = storage.get_trial(trial_id(trial)).user_attrs
    assert found == {"seed": 0, "epochs": 2, "history": [1.0]}


def test_attributes_of_an_ended_trial_are_never_changed(storage: TrialStorage) -> None:
    study_id = new_study(storage, n=1)
    (trial,) = claim(storage, study_id)
    end(storage, trial)
    with pytest.raises(UpdateFinishedTrialError, match="already finished"):
        storage.set_trial_user_attr(trial_id(trial), "seed", 1)
    assert storage.get_trial(trial_id(trial)).user_attrs == {"seed": 0}
