"""One order of trials, wherever they are shown, kept or written."""

from __future__ import annotations

from math import inf

import optuna
import pytest
from optuna.distributions import IntDistribution
from optuna.study import StudyDirection
from optuna.trial import TrialState
from queues import DESIGN, adaptive, open_study

from storage import (
    Point,
    TrialStorage,
    best_points,
    best_trial,
    claim,
    create_storage,
    enqueue,
    ranking,
    trial_id,
)
from storage.ranking import ids_in_order

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
    assert [t.trial.number for t in best_points(study, 99)] == BEST[direction]
    assert [t.trial.number for t in best_points(study, 2)] == BEST[direction][:2]
    found = best_trial(study)
    assert found is not None
    assert found == best_points(study, 1)[0].trial
    values = dict(reversed(list(zip(ids, VALUES, strict=True))))
    assert ids_in_order(direction, values) == [ids[i] for i in BEST[direction]]


@pytest.mark.parametrize("waiting", [True, False])
def test_a_study_without_a_completed_trial_has_no_best(sqlite_url: str, waiting: bool) -> None:
    storage = create_storage(sqlite_url, waiting=waiting)
    study, _ = valued_study(storage, StudyDirection.MINIMIZE, [])
    assert best_trial(study) is None
    assert best_points(study, 3) == []


def test_other_studies_have_no_part_in_the_ranking(storage: TrialStorage) -> None:
    valued_study(storage, StudyDirection.MINIMIZE, [-1.0])
    study, _ = valued_study(storage, StudyDirection.MINIMIZE, [1.0, 0.0])
    found = best_trial(study)
    assert found is not None
    assert (found.number, found.value) == (1, 0.0)


COMPLETE, FAIL, PRUNED = TrialState.COMPLETE, TrialState.FAIL, TrialState.PRUNED
STEADY, LUCKY = (0.90, 0.91, 0.92), (0.99, 0.50, 0.60)


def seeded_study(
    storage: TrialStorage, *points: tuple[float | None, ...], claimed: int | None = None
) -> optuna.Study:
    """Make a study of points with a trial for each seed, to maximize; None fails, 9 is pruned."""
    study_id = storage.create_new_study([StudyDirection.MAXIMIZE])
    distribution = {"x": IntDistribution(0, 99)}
    queued = [
        Point({"x": x}, distribution, {"seed": seed})
        for x, own in enumerate(points)
        for seed in range(len(own))
    ]
    enqueue(storage, study_id, queued, DESIGN)
    values = [value for own in points for value in own]
    trials = claim(storage, study_id, len(values) if claimed is None else claimed)
    for trial, value in zip(trials, values, strict=False):
        if value is None:
            storage.set_trial_state_values(trial_id(trial), FAIL)
        elif value == 9:
            storage.set_trial_state_values(trial_id(trial), PRUNED, [value])
        else:
            storage.set_trial_state_values(trial_id(trial), COMPLETE, [value])
    return open_study(storage, study_id)


def test_a_lucky_seed_of_a_worse_point_does_not_lead(storage: TrialStorage) -> None:
    study = seeded_study(storage, LUCKY, STEADY)
    first, second = best_points(study, 9)
    assert (first.value, first.std) == (pytest.approx(0.91), pytest.approx(0.01))
    assert (first.n_seeds, first.n_missing) == (3, 0)
    assert [first.trial.number, second.trial.number] == [5, 0]  # of each its best seed
    assert study.best_trial.number == 0  # as Optuna ranks
    assert [number_of(study, i) for i in first.ids] == [5, 4, 3]


def number_of(study: optuna.Study, i: int) -> int:
    """Return the number of a trial."""
    return next(trial.number for trial in study.trials if trial_id(trial) == i)


@pytest.mark.parametrize("missing", [None, 9], ids=["failed", "pruned"])
def test_points_with_missing_seeds_stand_last(storage: TrialStorage, missing: float | None) -> None:
    study = seeded_study(
        storage, (0.95, missing, 0.97), STEADY, (None, None, None), (0.1, 0.1, 0.1)
    )
    found = [(point.trial.params["x"], point.n_missing) for point in best_points(study, 9)]
    assert found == [(1, 0), (3, 0), (0, 1)]


def test_seeds_that_have_not_run_are_missing(sqlite_storage: TrialStorage) -> None:
    study = seeded_study(sqlite_storage, STEADY, LUCKY, claimed=4)
    found = [(point.trial.params["x"], point.n_missing) for point in best_points(study, 9)]
    assert found == [(0, 0), (1, 2)]


@pytest.mark.parametrize(
    ("points", "missing"),
    [
        ([STEADY, LUCKY, (0.95,)], [0, 0, 2]),  # cut short by a number of trials
        ([(0.9,), (0.8,), (0.95, 0.65)], [0, 0, 0]),  # an array that has a point twice
    ],
)
def test_a_point_is_to_have_as_many_seeds_as_most_have(
    sqlite_storage: TrialStorage, points: list[tuple[float, ...]], missing: list[int]
) -> None:
    found = best_points(seeded_study(sqlite_storage, *points), 9)
    assert [point.n_missing for point in found] == missing


def test_without_a_second_seed_each_trial_is_a_point(sqlite_storage: TrialStorage) -> None:
    study = seeded_study(sqlite_storage, (0.5,), (0.7,), (0.6,))
    assert [(p.trial.number, p.std, p.n_seeds) for p in best_points(study, 2)] == [
        (1, None, 1),
        (2, None, 1),
    ]
    assert ranking(study, 2).seeds == []


def test_a_seed_among_the_parameters_makes_no_point_of_its_own(
    sqlite_storage: TrialStorage,
) -> None:
    study_id = sqlite_storage.create_new_study([StudyDirection.MAXIMIZE])
    names = {"x": IntDistribution(0, 9), "seed": IntDistribution(0, 9)}
    grid = [({"x": x, "seed": s}, s) for x in (0, 1) for s in (0, 1)]
    queued = [Point(params, names, {"seed": seed}) for params, seed in grid]
    enqueue(sqlite_storage, study_id, queued, DESIGN)
    for trial, value in zip(claim(sqlite_storage, study_id, 4), (0.9, 0.1, 0.6, 0.7), strict=True):
        sqlite_storage.set_trial_state_values(trial_id(trial), COMPLETE, [value])
    study = open_study(sqlite_storage, study_id)
    assert [p.trial.number for p in best_points(study, 9)] == [3, 0]


def test_values_that_are_not_finite_are_ranked(sqlite_storage: TrialStorage) -> None:
    study = seeded_study(sqlite_storage, (inf, -inf), (0.1, 0.2), (inf, 0.1))
    assert [p.trial.params["x"] for p in best_points(study, 9)] == [2, 1, 0]
    assert [p.std for p in best_points(study, 9)][::2] == [None, None]
