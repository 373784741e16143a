"""What waits and runs in all studies: one statement, and a change for each trial that is queued."""

from __future__ import annotations

from optuna.trial import TrialState
from queues import DESIGN, adaptive, end, new_study, points, traffic

from storage import TrialStorage, claim, enqueue, queue_states, remove_study, requeue, trial_id
from storage.queue_states import QueueState


def marked_study(storage: TrialStorage, name: str, n: int) -> int:
    """Make a study of `n` waiting trials that has both attributes."""
    study_id = new_study(storage, n=n, name=name)
    storage.set_study_user_attr(study_id, "made", f"{name} at noon")
    storage.set_study_user_attr(study_id, "definition", {})
    return study_id


def read(storage: TrialStorage) -> dict[str, QueueState]:
    return queue_states(storage, "made", having="definition")


def test_each_change_in_what_can_be_claimed_changes_the_state(storage: TrialStorage) -> None:
    study_id = marked_study(storage, "s", 2)
    seen = [read(storage)["s"]]
    first, second = claim(storage, study_id, 2)
    seen.append(read(storage)["s"])
    requeue(storage, first, "lost")
    seen.append(read(storage)["s"])
    end(storage, second)
    (retry,) = claim(storage, study_id)
    end(storage, retry)
    seen.append(read(storage)["s"])
    enqueue(storage, study_id, points(3), DESIGN)
    seen.append(read(storage)["s"])
    enqueue(storage, study_id, points(3), adaptive(9))
    seen.append(read(storage)["s"])
    assert [(s.waits, s.runs) for s in seen] == [
        (True, False),
        (False, True),
        (True, True),
        (False, False),
        (True, False),
        (True, False),
    ]
    assert seen[-1].budget != seen[-2].budget
    assert {(s.study_id, s.mark) for s in seen} == {(study_id, "s at noon")}


def test_a_trial_that_no_worker_runs_does_not_count(storage: TrialStorage) -> None:
    study_id = marked_study(storage, "s", 0)
    storage.create_new_trial(study_id)
    assert not read(storage)["s"].runs


def test_all_studies_are_one_statement(storage: TrialStorage) -> None:
    counts = []
    for n in (2, 20):
        for i in range(n):
            study_id = marked_study(storage, f"{n}-{i}", 3)
            for trial in claim(storage, study_id, 3):
                storage.set_trial_state_values(trial_id(trial), TrialState.PRUNED)
        with traffic(storage) as sent:
            found = read(storage)
        counts.append(sum("SELECT" in each for each in sent.statements))
    assert counts == [1, 1]
    assert list(found) == ["2-0", "2-1", *(f"20-{i}" for i in range(20))]


def test_studies_of_others_and_unfinished_ones_are_left_out(storage: TrialStorage) -> None:
    new_study(storage, name="another program's")
    half = new_study(storage, name="half made")
    storage.set_study_user_attr(half, "made", "now")
    gone = marked_study(storage, "gone", 1)
    remove_study(storage, gone, None)
    marked_study(storage, "whole", 0)
    assert list(read(storage)) == ["whole"]
