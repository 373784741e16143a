"""Rounds in the queue: each slot queued once, when those of the round before have ended."""

from __future__ import annotations

from collections.abc import Sequence
from multiprocessing.pool import Pool
from typing import Any

import optuna
import pytest
from optuna.distributions import IntDistribution
from optuna.trial import FrozenTrial, TrialState
from processes import at_once
from queues import adaptive, end, new_study, open_study, points, run_out, states, traffic

from storage import (
    Budget,
    Point,
    Round,
    RoundsOver,
    Slot,
    TrialStorage,
    awaited_slots,
    claim,
    count_claimable,
    create_storage,
    enqueue,
    get_budget,
    is_claimable,
    queue_round,
    requeue,
    requeue_failed,
    trial_id,
)
from storage.study_attributes import SEED_VALUES_KEY, SLOT_KEY

PER_ROUND = 3
LAST = 3


def in_rounds(n_trials: int | None = None, timeout: float | None = None) -> Budget:
    """Return the budget of a study in rounds."""
    return Budget(n_trials, timeout, adaptive=True, in_rounds=True)


def plan(slots: Sequence[Slot]) -> Round | RoundsOver:
    """Plan three rounds of three; the first place of each has the number of slots before it."""
    for number in range(1, LAST + 1):
        there = {slot.place for slot in slots if slot.round == number}
        before = sum(slot.round < number for slot in slots)
        lacking = {
            place: Point({"x": 10 * before + place}, {"x": IntDistribution(0, 1000)})
            for place in range(1, PER_ROUND + 1)
            if place not in there
        }
        if lacking:
            return Round(number, lacking)
    return RoundsOver("three rounds are enough")


def pull(storage: TrialStorage, study_id: int, n: int = 9) -> list[FrozenTrial]:
    """Claim as a worker does."""
    queue_round(storage, study_id, plan)
    return claim(storage, study_id, n)


def slots(trials: Sequence[FrozenTrial]) -> list[Any]:
    return [trial.system_attrs.get(SLOT_KEY) for trial in trials]


def test_a_round_is_queued_once_that_before_it_has_ended(storage: TrialStorage) -> None:
    study_id = new_study(storage, in_rounds())
    taken = []
    for number in range(1, LAST + 1):
        trials = pull(storage, study_id)
        assert slots(trials) == [[number, place] for place in range(1, PER_ROUND + 1)]
        assert [t.params["x"] for t in trials] == [
            30 * (number - 1) + place for place in range(1, PER_ROUND + 1)
        ]
        taken += trials
        for i, trial in enumerate(trials):
            assert pull(storage, study_id) == []
            assert awaited_slots(storage, study_id) == (PER_ROUND - i, number)
            assert not is_claimable(storage, study_id)
            end(storage, trial)
        assert awaited_slots(storage, study_id) is None
        assert is_claimable(storage, study_id)
    assert pull(storage, study_id) == []
    assert not is_claimable(storage, study_id)
    assert get_budget(storage, study_id).over == "three rounds are enough"
    assert len({trial.number for trial in taken}) == LAST * PER_ROUND


def take(_rank: int, url: str, study_id: int) -> list[list[int]]:
    storage = create_storage(url, waiting=False)
    try:
        trials = pull(storage, study_id, 1)
        return [trial.system_attrs[SLOT_KEY] for trial in trials]
    finally:
        storage.engine.dispose()


def test_eight_processes_at_once_get_each_slot_once(
    storage: TrialStorage, storage_url: str, workers: Pool
) -> None:
    for n_trials in (None, 2):
        study_id = new_study(storage, in_rounds(n_trials))
        taken = [slot for found in at_once(workers, take, storage_url, study_id) for slot in found]
        assert sorted(taken) == [[1, place] for place in (1, 2, 3)][:n_trials]
        assert len(storage.get_all_trials(study_id)) == len(taken)


def test_a_lost_trial_is_retried_in_its_slot_and_holds_the_next_round_up(
    storage: TrialStorage,
) -> None:
    study_id = new_study(storage, in_rounds())
    first, second, third = pull(storage, study_id)
    end(storage, first)
    end(storage, third)
    requeue(storage, second, "lost")
    assert awaited_slots(storage, study_id) is None, "it can be claimed"
    (retry,) = pull(storage, study_id)
    assert slots([retry]) == [[1, 2]]
    assert retry.params == second.params
    assert awaited_slots(storage, study_id) == (1, 1)
    end(storage, retry, 7.0)
    seen: list[Slot] = []

    def note(found: Sequence[Slot]) -> Round | RoundsOver:
        seen.extend(found)
        return plan(found)

    queue_round(storage, study_id, note)
    assert [(slot.round, slot.place, slot.value) for slot in seen] == [
        (1, 1, 0.0),
        (1, 2, 7.0),
        (1, 3, 0.0),
    ]
    assert slots(pull(storage, study_id)) == [[2, 1], [2, 2], [2, 3]]


def test_the_value_of_a_slot_is_that_of_its_trial_or_its_last_report(
    storage: TrialStorage,
) -> None:
    study_id = new_study(storage, in_rounds())
    study = open_study(storage, study_id)
    done, pruned, failed = pull(storage, study_id)
    storage.set_trial_intermediate_value(trial_id(pruned), 1, 5.0)
    storage.set_trial_intermediate_value(trial_id(pruned), 10, 4.0)
    storage.set_trial_intermediate_value(trial_id(pruned), 9, 3.0)
    study.tell(done.number, 1.5)
    study.tell(pruned.number, state=TrialState.PRUNED)
    study.tell(failed.number, state=TrialState.FAIL)
    infinite, silent, undefined = pull(storage, study_id)
    study.tell(infinite.number, float("inf"))
    study.tell(silent.number, state=TrialState.PRUNED)
    storage.set_trial_intermediate_value(trial_id(undefined), 1, float("nan"))
    study.tell(undefined.number, state=TrialState.PRUNED)
    seen: list[Slot] = []

    def note(found: Sequence[Slot]) -> Round | RoundsOver:
        seen.extend(found)
        return RoundsOver("it was seen")

    queue_round(storage, study_id, note)
    # Optuna takes the last report of a pruned trial for its value, and has none of NaN.
    assert [slot.value for slot in seen] == [1.5, 4.0, None, None, None, None]


def test_a_lucky_last_seed_of_a_pruned_trial_leads_no_round(storage: TrialStorage) -> None:
    study_id = new_study(storage, in_rounds())
    study = open_study(storage, study_id)
    trials = pull(storage, study_id)
    for step, value in enumerate((1.0, 2.0, 9.0), start=1):
        storage.set_trial_intermediate_value(trial_id(trials[0]), step, value)
    storage.set_trial_user_attr(trial_id(trials[0]), SEED_VALUES_KEY, [1.0, 2.0, 9.0])
    for trial in trials:
        study.tell(trial.number, state=TrialState.PRUNED)
    seen: list[Slot] = []

    def note(found: Sequence[Slot]) -> Round | RoundsOver:
        seen.extend(found)
        return RoundsOver("it was seen")

    queue_round(storage, study_id, note)
    assert [slot.value for slot in seen] == [4.0, None, None]


def test_a_budget_cuts_a_round_and_a_larger_one_completes_it(storage: TrialStorage) -> None:
    study_id = new_study(storage, in_rounds(4))
    for trial in pull(storage, study_id):
        end(storage, trial)
    (trial,) = pull(storage, study_id)
    assert slots([trial]) == [[2, 1]]
    assert awaited_slots(storage, study_id) is None, "nothing comes after it"
    end(storage, trial)
    assert not is_claimable(storage, study_id)
    assert get_budget(storage, study_id).over is None
    enqueue(storage, study_id, [], in_rounds(99))
    rest = pull(storage, study_id)
    assert slots(rest) == [[2, 2], [2, 3]]
    assert [trial.params["x"] for trial in rest] == [32, 33]


def test_trials_that_others_add_belong_to_no_round_and_hold_none_up(storage: TrialStorage) -> None:
    study_id = new_study(storage, in_rounds(8), n=1)  # of the definition
    study = open_study(storage, study_id)
    study.enqueue_trial({"x": 3})
    trials = pull(storage, study_id)
    assert slots(trials) == [None, None, [1, 1], [1, 2], [1, 3]]
    for trial in trials[2:]:
        end(storage, trial)
    assert slots(pull(storage, study_id)) == [[2, 1], [2, 2], [2, 3]]
    assert pull(storage, study_id) == [], "those added count in the budget"
    assert states(storage, study_id).count("RUNNING") == 5


def test_what_others_add_is_claimed_when_the_rounds_are_over(storage: TrialStorage) -> None:
    study_id = new_study(storage, in_rounds())
    for _ in range(LAST):
        for trial in pull(storage, study_id):
            end(storage, trial)
    assert pull(storage, study_id) == []
    open_study(storage, study_id).enqueue_trial({"x": 3})
    assert is_claimable(storage, study_id)
    assert count_claimable(storage, study_id) == 1
    assert slots(pull(storage, study_id)) == [None]


def test_a_failed_slot_that_is_queued_again_opens_its_round(storage: TrialStorage) -> None:
    study_id = new_study(storage, in_rounds())
    study = open_study(storage, study_id)
    for _ in range(LAST):
        for trial in pull(storage, study_id):
            study.tell(trial.number, state=TrialState.FAIL)
    assert pull(storage, study_id) == []
    assert get_budget(storage, study_id).over is not None
    assert requeue_failed(storage, study_id, [1]) == [1]
    assert get_budget(storage, study_id).over is None
    (retry,) = pull(storage, study_id)
    assert slots([retry]) == [[1, 2]]
    end(storage, retry)
    assert pull(storage, study_id) == []
    assert get_budget(storage, study_id).over == "three rounds are enough"


def test_nothing_is_queued_after_the_timeout(storage: TrialStorage) -> None:
    study_id = new_study(storage, in_rounds(timeout=3600))
    run_out(storage, study_id)
    assert not is_claimable(storage, study_id)
    assert pull(storage, study_id) == []
    assert states(storage, study_id) == []


def test_other_studies_are_left_alone(storage: TrialStorage) -> None:
    for budget in (adaptive(9), adaptive(None)):
        study_id = new_study(storage, budget)
        queue_round(storage, study_id, plan)
        assert awaited_slots(storage, study_id) is None
        assert states(storage, study_id) == []
    mine, other = new_study(storage, in_rounds()), new_study(storage, in_rounds())
    pull(storage, other)
    assert slots(pull(storage, mine)) == [[1, 1], [1, 2], [1, 3]]
    storage.delete_study(mine)
    with pytest.raises(KeyError, match="no study of this service"):
        queue_round(storage, mine, plan)


def test_while_a_round_is_open_its_trials_are_not_read(sqlite_storage: TrialStorage) -> None:
    sent = []
    for n in (3, 300):
        study_id = new_study(sqlite_storage, in_rounds())
        enqueue(sqlite_storage, study_id, points(n), in_rounds())
        for trial in claim(sqlite_storage, study_id, n):
            end(sqlite_storage, trial)
        pull(sqlite_storage, study_id, 1)
        with traffic(sqlite_storage) as counted:
            queue_round(sqlite_storage, study_id, plan)
        assert counted.trials == []
        sent.append(len(counted.statements))
        assert not any("IMMEDIATE" in each for each in counted.statements)
    assert sent[0] == sent[1] < 5


def test_a_round_is_a_trial_to_optuna_as_others_are(
    storage: TrialStorage, storage_url: str
) -> None:
    study_id = new_study(storage, in_rounds())
    pull(storage, study_id, 1)
    plain = optuna.storages.RDBStorage(storage_url)
    seen = plain.get_all_trials(study_id)
    plain.engine.dispose()
    assert [trial.state.name for trial in seen] == ["RUNNING", "WAITING", "WAITING"]
    assert [trial.params for trial in seen] == [{"x": 1}, {"x": 2}, {"x": 3}]
