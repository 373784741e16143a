"""Packs of trials: their structure, their spread, and points that the study has already."""

from __future__ import annotations

import math
from typing import Any

import optuna
import pytest
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState
from queues import end, plain_view, traffic
from sampling import MIXED, PLANE, QUICK, define, sphere

from storage import (
    Batch,
    TrialStorage,
    claim,
    create_storage,
    requeue,
    storage_of,
    study_id,
    trial_id,
)
from studies.create import create_study
from studies.definition.study import StudyDefinition
from studies.samplers.build import seed_for
from studies.suggest import Prepared, prepare_trial, prepare_trials, seed_of

STRUCTURED: dict[str, Any] = {
    "size": [8, 16, 32],
    "head": {"levels": {"plain": {"depth": 0}, "deep": {"depth": 2}}},
    "width": {"low": 1, "high": 4, "when": {"depth": [2]}},
    "rate": {"low": 1e-5, "high": 1.0, "log": True},
    "extra": {"low": 0.0, "high": 1.0, "when": {"size": [32]}},
}
ALIKE = frozenset({"size", "head", "width"})
SMALL = {"a": [0, 1, 2, 3], "b": [0, 1, 2, 3]}


def prepare(
    study: optuna.Study, definition: StudyDefinition, n: int, **options: Any
) -> list[Prepared]:
    """Claim a pack and let the sampler choose, as a worker does."""
    storage: Any = storage_of(study)
    taken = claim(storage, study_id(study), n)
    with storage.batch(study_id(study)) as batch:
        prepared = prepare_trials(study, definition, taken, **options)
    assert batch.write() == set()
    return prepared


def finish(study: optuna.Study, pack: list[Prepared], state: Any = None) -> None:
    """End a pack, with the sum of squares as the values."""
    storage: Any = storage_of(study)
    with storage.batch(study_id(study)) as batch:
        for each in pack:
            if state is TrialState.PRUNED:
                each.trial.report(sphere(each.params), 1)
                study.tell(each.trial, state=state)
            else:
                study.tell(each.trial, sphere(each.params))
    assert batch.write() == set()


def search(study: optuna.Study, definition: StudyDefinition, sizes: list[int]) -> list[Any]:
    """Run packs, and return the points of each."""
    points = []
    for n in sizes:
        pack = prepare(study, definition, n)
        finish(study, pack)
        points.append([each.params for each in pack])
    return points


def structure(params: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in params.items() if name in ALIKE}


@pytest.mark.parametrize("name", list(QUICK))
def test_a_pack_takes_the_structure_of_its_first_trial(
    name: str, sqlite_storage: TrialStorage
) -> None:
    definition = define(STRUCTURED, QUICK[name], n_trials=None, timeout=3600)
    study = create_study(definition, sqlite_storage)
    structures = []
    for _ in range(6):
        pack = prepare(study, definition, 7, alike=ALIKE)
        finish(study, pack)
        first = structure(pack[0].params)
        assert all(structure(each.params) == first for each in pack)
        assert len({each.params["rate"] for each in pack}) == 7
        assert all(("extra" in each.params) == (first["size"] == 32) for each in pack)
        structures.append(str(first))
    assert len(set(structures)) > 1
    assert [t.params for t in study.trials] == [
        t.params for t in plain_view(str(sqlite_storage.engine.url), study_id(study))
    ]


def test_a_pack_takes_the_structure_that_is_given(sqlite_storage: TrialStorage) -> None:
    definition = define(STRUCTURED, "tpe")
    study = create_study(definition, sqlite_storage)
    like = {"size": 16, "head": "deep", "width": 3, "rate": 0.5}
    pack = prepare(study, definition, 3, alike=ALIKE, like=like)
    assert [structure(each.params) for each in pack] == [
        {"size": 16, "head": "deep", "width": 3}
    ] * 3
    assert all(each.params["rate"] != 0.5 for each in pack)


def test_tpe_draws_what_suits_the_structure(sqlite_storage: TrialStorage) -> None:
    space = {"size": ["small", "large"], "rate": {"low": 0.0, "high": 1.0}}
    definition = define(space, {"name": "tpe", "n_startup_trials": 100}, 200)
    study = create_study(definition, sqlite_storage)
    best = {"small": 0.2, "large": 0.8}
    pack = prepare(study, definition, 100)
    with sqlite_storage.batch(study_id(study)) as batch:
        for each in pack:
            value = abs(float(each.params["rate"]) - best[str(each.params["size"])])
            study.tell(each.trial, value)
    batch.write()
    for size, rate in best.items():
        pack = prepare(study, definition, 8, alike=frozenset({"size"}), like={"size": size})
        distances = sorted(abs(float(each.params["rate"]) - rate) for each in pack)
        assert distances[5] < 0.15


def test_what_decides_whether_a_factor_is_there_is_alike_too(sqlite_storage: TrialStorage) -> None:
    definition = define(STRUCTURED, "random")
    study = create_study(definition, sqlite_storage)
    pack = prepare(study, definition, 20, alike=frozenset({"width"}))
    assert len({each.params["head"] for each in pack}) == 1
    assert len({each.params["size"] for each in pack}) == 3


def test_a_pack_follows_the_first_trial_that_has_parameters(sqlite_storage: TrialStorage) -> None:
    definition = define(STRUCTURED, "random", enqueue=[{"size": 32, "head": "deep", "width": 4}])
    study = create_study(definition, sqlite_storage)
    known, *others = claim(sqlite_storage, study_id(study), 4)
    with sqlite_storage.batch(study_id(study)) as batch:
        pack = prepare_trials(study, definition, [*others, known], alike=ALIKE)
    batch.write()
    assert [each.trial.number for each in pack] == [1, 2, 3, 0]
    expected = {"size": 32, "head": "deep", "width": 4}
    assert [structure(each.params) for each in pack] == [expected] * 4


def test_the_points_of_a_design_and_of_a_retry_stay(sqlite_storage: TrialStorage) -> None:
    definition = define(SMALL, None, None, design="grid", replicates=2)
    study = create_study(definition, sqlite_storage)
    first, *rest = prepare(study, definition, 32, alike=frozenset({"a"}))
    points = [{"a": i, "b": j} for i in range(4) for j in range(4) for _ in range(2)]
    assert [each.params for each in (first, *rest)] == points
    requeue(sqlite_storage, sqlite_storage.get_trial(trial_id(first.trial)), "lost")
    (again,) = prepare(study, definition, 1)
    assert (again.params, again.trial.number) == (first.params, 32)


def test_a_pack_is_what_optuna_suggests_one_by_one(sqlite_storage: TrialStorage) -> None:
    definition = define(
        MIXED | {"step": {"low": 0.0, "high": 1.0, "step": 0.05}}, QUICK["tpe"], repeats="train"
    )
    study = create_study(definition, sqlite_storage)
    ours = [point for points in search(study, definition, [9, 8, 16, 4]) for point in points]

    plain, number = optuna.create_study(direction="minimize"), 0
    for n in (9, 8, 16, 4):
        trials = []
        for _ in range(n):
            plain.sampler = optuna.samplers.TPESampler(
                seed=seed_for(definition.search.seed, number), n_startup_trials=4
            )
            trial = plain.ask()
            trials.append((trial, definition.factors.pick(lambda f, t=trial: f.suggest(t))))
            number += 1
        for trial, params in trials:
            plain.tell(trial, sphere(params))
            mine = ours[trial.number]
            assert mine.keys() == params.keys()
            for name, value in params.items():
                if isinstance(value, float):
                    assert math.isclose(mine[name], value, rel_tol=1e-9)
                else:
                    assert mine[name] == value


@pytest.mark.parametrize("name", list(QUICK))
def test_packs_can_be_repeated(name: str, sqlite_storage: TrialStorage) -> None:
    definition = define(MIXED, QUICK[name], seed=5)
    alone = search(create_study(definition, sqlite_storage), definition, [5, 6, 7])
    again = definition.model_copy(update={"name": "again"})
    assert search(create_study(again, sqlite_storage), again, [5, 6, 7]) == alone


def test_a_suggestion_counts_what_other_workers_run(
    sqlite_storage: TrialStorage, sqlite_url: str
) -> None:
    definition = define({"x": {"low": 0.0, "high": 1.0}}, QUICK["tpe"], seed=1)
    study = create_study(definition, sqlite_storage)
    search(study, definition, [20])
    other = optuna.load_study(study_name="s", storage=create_storage(sqlite_url, waiting=False))
    (one,) = claim(sqlite_storage, study_id(study))
    points = []
    for _ in range(2):
        with sqlite_storage.batch(study_id(study)):
            (prepared,) = prepare_trials(study, definition, [one])
            points.append(prepared.params["x"])
        prepare(other, definition, 30)
    assert points[0] != points[1]


def test_nothing_is_read_for_a_pack_but_at_its_beginning(sqlite_storage: TrialStorage) -> None:
    definition = define(MIXED, QUICK["tpe"], pruner={"name": "hyperband", "max_resource": 9})
    study = create_study(definition, sqlite_storage)
    search(study, definition, [10, 10])  # the second one reads which TPE the study began with
    taken = claim(sqlite_storage, study_id(study), 20)
    with sqlite_storage.batch(study_id(study)), traffic(sqlite_storage) as counted:
        prepare_trials(study, definition, taken)
    assert counted.statements == []


# Points that the study has already.


@pytest.mark.parametrize("name", ["random", "tpe", "nsga2"])
def test_no_point_is_taken_twice_while_there_are_others(
    name: str, sqlite_storage: TrialStorage
) -> None:
    definition = define(SMALL, QUICK[name])
    study = create_study(definition, sqlite_storage)
    packs = search(study, definition, [5, 1, 4, 2])
    points = [tuple(params.values()) for pack in packs for params in pack]
    assert len(points) == 12
    assert len(set(points)) == 12


def test_what_runs_elsewhere_or_was_pruned_is_not_taken_either(
    sqlite_storage: TrialStorage, sqlite_url: str
) -> None:
    definition = define(SMALL, "random")
    study = create_study(definition, sqlite_storage)
    other = optuna.load_study(study_name="s", storage=create_storage(sqlite_url, waiting=False))
    pruned, elsewhere = prepare(study, definition, 4), prepare(other, definition, 4)
    finish(study, pruned, TrialState.PRUNED)
    points = [*pruned, *elsewhere, *prepare(study, definition, 4)]
    assert len({tuple(each.params.values()) for each in points}) == 12


@pytest.mark.parametrize("name", ["random", "tpe"])
def test_the_last_points_of_a_space_are_taken_before_one_is_repeated(
    name: str, sqlite_storage: TrialStorage
) -> None:
    step = {"low": 0.0, "high": 0.9, "step": 0.3, "when": {"a": [1, 2, 3]}}
    definition = define({"a": [0, 1, 2, 3, 4], "b": step, "c": [[1], [2, 3]]}, QUICK[name])
    study = create_study(definition, sqlite_storage)
    points: list[tuple[Any, ...]] = []
    for n in (20, 1, 1, 6):  # 28 points: those of one `a` are left over at the end of the others
        pack = prepare(study, definition, n, alike=frozenset({"a"}))
        finish(study, pack)
        points += [tuple(each.params.values()) for each in pack]
    assert len(set(points)) == len(points) == 28
    (again,) = prepare(study, definition, 1)
    assert tuple(again.params.values()) in points


def test_of_two_workers_that_choose_at_one_moment_the_second_chooses_anew(
    storage: TrialStorage, storage_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    definition = define({"a": [0, 1, 2], "b": [0.1, 0.2, 0.3, 0.4]}, "random", n_trials=12)
    study = create_study(definition, storage)
    other = optuna.load_study(study_name="s", storage=create_storage(storage_url, waiting=False))
    points: list[tuple[Any, ...]] = []
    chosen = []

    def take(own: optuna.Study) -> None:
        (claimed,) = claim(storage_of(own), study_id(own))
        _, params = prepare_trial(own, definition, claimed)
        points.append(tuple(params.values()))

    def complete(batch: Batch) -> None:
        if batch is storage.entered:  # its choice is made, and is not written yet
            chosen.append(batch)
            if len(points) % 2 == 0:
                take(other)
        whole(batch)

    whole = Batch.complete
    monkeypatch.setattr(Batch, "complete", complete)
    for _ in range(6):
        take(study)
        for trial in study.get_trials(deepcopy=False, states=[TrialState.RUNNING]):
            end(storage, trial)
    assert len(set(points)) == len(points) == 12
    assert len(chosen) > 6, "they have never chosen the same"
    assert {tuple(trial.params.values()) for trial in study.trials} == set(points)
    storage_of(other).engine.dispose()


def test_an_exhausted_space_repeats_its_points(sqlite_storage: TrialStorage) -> None:
    definition = define({"a": [0, 1]}, "random")
    study = create_study(definition, sqlite_storage)
    assert len(prepare(study, definition, 5)) == 5
    assert {t.params["a"] for t in study.trials} == {0, 1}


def test_a_completed_point_is_reused_where_the_study_says_so(sqlite_storage: TrialStorage) -> None:
    definition = define({"a": [0, 1]}, "random", repeats="reuse")
    study = create_study(definition, sqlite_storage)
    first = prepare(study, definition, 2)
    assert {each.params["a"] for each in first} == {0, 1}
    finish(study, first)
    for each in prepare(study, definition, 4):
        former = study.trials[each.params["a"] != first[0].params["a"]]
        assert each.reused == former
        assert isinstance(each.reused, FrozenTrial)
        assert each.reused.value == sphere(each.params)


def test_a_point_with_another_seed_is_another_point(sqlite_storage: TrialStorage) -> None:
    definition = define({"a": [0, 1], "seed": [1, 2]}, "random", repeats="reuse")
    study = create_study(definition, sqlite_storage)
    one = prepare(study, definition, 1)
    finish(study, one)
    pack = prepare(study, definition, 20)
    assert [each.reused is not None for each in pack] == [
        each.params == one[0].params for each in pack
    ]
    assert len({tuple(each.params.values()) for each in pack}) == 4


def test_repeats_are_trained_where_the_study_says_so(sqlite_storage: TrialStorage) -> None:
    definition = define({"a": [0, 1]}, QUICK["tpe"], repeats="train")
    study = create_study(definition, sqlite_storage)
    search(study, definition, [8, 8])
    assert all(each.reused is None for each in prepare(study, definition, 4))


def test_repeats_are_for_samplers_only() -> None:
    with pytest.raises(ValueError, match="Expected no repeats with a design"):
        define(SMALL, None, None, design="grid", repeats="reuse")
    with pytest.raises(ValueError, match=r"search\.repeats.*resample.*Received: again"):
        define(SMALL, "random", repeats="again")


# Trials that ended elsewhere.


def test_trials_that_ended_elsewhere_are_left_out(
    sqlite_storage: TrialStorage, sqlite_url: str
) -> None:
    definition = define(MIXED, "random")
    study = create_study(definition, sqlite_storage)
    taken = claim(sqlite_storage, study_id(study), 3)
    end(create_storage(sqlite_url), taken[1])
    with sqlite_storage.batch(study_id(study)) as batch:
        prepared = prepare_trials(study, definition, taken)
    assert [each.trial.number for each in prepared] == [0, 2]
    assert batch.write() == set()
    with pytest.raises(UpdateFinishedTrialError):
        prepare_trial(study, definition, taken[1])
    with pytest.raises(RuntimeError, match="Expected a batch of this study"):
        prepare_trials(study, definition, taken)


# Parameters and seeds that a trial has already.


def test_a_point_that_waited_keeps_its_parameters_and_seed(sqlite_storage: TrialStorage) -> None:
    enqueue = [{"x": 0.25}, {"x": 0.5, "y": -0.5}]
    definition = define(PLANE, "tpe", enqueue=enqueue, seed=8)
    study = create_study(definition, sqlite_storage)
    for expected in enqueue:
        (claimed,) = claim(sqlite_storage, study_id(study))
        trial, params = prepare_trial(study, definition, claimed)
        assert expected.items() <= params.items()
        assert set(params) == {"x", "y"}
        assert seed_of(definition, trial, params) == 8


def test_a_varied_seed_is_the_one_to_train_with(sqlite_storage: TrialStorage) -> None:
    definition = define({"seed": [11, 12]}, "random", seed=8)
    study = create_study(definition, sqlite_storage)
    trial, params = prepare_trial(study, definition, claim(sqlite_storage, study_id(study))[0])
    assert seed_of(definition, trial, params) == params["seed"] in (11, 12)


def test_a_replicate_trains_with_its_own_seed(sqlite_storage: TrialStorage) -> None:
    search = {"design": "grid", "replicates": 2, "seed": 8}
    definition = define({"x": [1.5]}, None, None, **search)
    study = create_study(definition, sqlite_storage)
    claimed = claim(sqlite_storage, study_id(study), 2)
    prepared = [prepare_trial(study, definition, each) for each in claimed]
    assert [seed_of(definition, *each) for each in prepared] == [8, 9]
