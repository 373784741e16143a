"""One order of trials, wherever they are shown, kept or written."""

from __future__ import annotations

from math import inf

import optuna
import pytest
from optuna.study import StudyDirection
from optuna.trial import TrialState
from queues import adaptive, open_study

from storage import (
    TrialStorage,
    best_rows,
    best_trial,
    claim,
    create_storage,
    enqueue,
    in_order,
    trial_id,
)

VALUES = [0.3, 0.1, inf, 0.5, -inf, 0.1, 0.5, -inf, inf]
BEST = {
    StudyDirection.MINIMIZE: [4, 7, 1, 5, 0, 3, 6, 2, 8],
    StudyDirection.MAXIMIZE: [2, 8, 3, 6, 0, 1, 5, 4, 7],
}


def valued_study(
    storage: TrialStorage, direction: StudyDirection, values: list[float]
) -> tuple[optuna.Study, list[int]]:
    """Make a study with completed trials and three others; return the ids of the completed."""
    study_id = storage.create_new_study([direction])
    enqueue(storage, study_id, [], adaptive(None))
    trials = claim(storage, study_id, len(values) + 3)
    for trial, value in zip(trials, values, strict=False):
        storage.set_trial_state_values(trial_id(trial), TrialState.COMPLETE, [value])
    storage.set_trial_state_values(trial_id(trials[-1]), TrialState.PRUNED, [9.0])
    storage.set_trial_state_values(trial_id(trials[-2]), TrialState.FAIL)
    return open_study(storage, study_id), [trial_id(t) for t in trials[: len(values)]]


@pytest.mark.parametrize("direction", BEST)
def test_the_best_comes_first_and_of_equals_the_earlier(
    storage: TrialStorage, direction: StudyDirection
) -> None:
    study, ids = valued_study(storage, direction, VALUES)
    assert [t.number for t in best_rows(study, 99)] == BEST[direction]
    assert [t.number for t in best_rows(study, 2)] == BEST[direction][:2]
    found = best_trial(study)
    assert found is not None
    assert found == best_rows(study, 1)[0]
    pairs = list(zip(VALUES, ids, strict=True))
    study_id = storage.get_study_id_from_name(study.study_name)
    assert in_order(storage, study_id, reversed(pairs)) == [pairs[i] for i in BEST[direction]]


@pytest.mark.parametrize("waiting", [True, False])
def test_a_study_without_a_completed_trial_has_no_best(sqlite_url: str, waiting: bool) -> None:
    storage = create_storage(sqlite_url, waiting=waiting)
    study, _ = valued_study(storage, StudyDirection.MINIMIZE, [])
    assert best_trial(study) is None
    assert best_rows(study, 3) == []


def test_other_studies_have_no_part_in_the_ranking(storage: TrialStorage) -> None:
    valued_study(storage, StudyDirection.MINIMIZE, [-1.0])
    study, _ = valued_study(storage, StudyDirection.MINIMIZE, [1.0, 0.0])
    found = best_trial(study)
    assert found is not None
    assert (found.number, found.value) == (1, 0.0)
