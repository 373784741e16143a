"""A worker reads of others' trials what its sampler and pruner need, and they decide the same."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import optuna
import pytest
from optuna.trial import FrozenTrial, Trial, TrialState
from queues import traffic
from sampling import MIXED, PLANE, QUICK, define, sphere

from storage import Parts, TrialStorage, claim, create_storage, requeue, study_id, trial_id
from studies.create import create_study
from studies.definition.study import StudyDefinition
from studies.samplers.pruners import CLASSES, build_pruner
from studies.samplers.reading import parts_to_read
from studies.suggest import prepare_trials, reads_others
from studies.worker.loop import WorkerOptions, open_session
from studies.worker.open_studies import OpenStudies
from studies.worker.outcome import EndedTrial, Outcome
from studies.worker.recorder import Recorder

PRUNERS: dict[str, Any] = dict.fromkeys(CLASSES) | {
    "hyperband": {"name": "hyperband", "max_resource": 9},
    "median": {"name": "median", "n_startup_trials": 2},
    "percentile": {"name": "percentile", "n_startup_trials": 2},
    "patient": {"name": "patient", "patience": 1, "wrapped": "median"},
    "threshold": {"name": "threshold", "upper": 5.5},
    "wilcoxon": {"name": "wilcoxon", "n_startup_steps": 1},
}
STEPS = range(1, 10)


def fill(storage: TrialStorage, study: optuna.Study) -> None:
    """Add trials that ended in each way, with all that a trial can have, one of them a retry."""
    lost, *trials = claim(storage, study_id(study), 16)
    requeue(storage, lost, "lost")
    trials += claim(storage, study_id(study), 1)
    with storage.batch(study_id(study)) as batch:
        for claimed in trials:
            trial = Trial(study, trial_id(claimed))
            x, y = trial.suggest_float("x", -1.0, 1.0), trial.suggest_float("y", -1.0, 1.0)
            storage.set_trial_system_attr(trial_id(claimed), "history", {"loss": [x] * 9})
            trial.set_user_attr("seed", claimed.number % 3)
            for step in STEPS:
                trial.report(x + y + claimed.number / 10 + step / 10, step)
                trial.should_prune()  # it stores the rungs of a halving
            pruned = claimed.number % 5 == 4
            if claimed.number % 7 == 6:
                study.tell(trial, state=TrialState.FAIL)
            elif pruned:
                study.tell(trial, state=TrialState.PRUNED)
            else:
                study.tell(trial, x * x + y * y)
    assert batch.write() == set()


def open_twice(
    storage: TrialStorage, definition: StudyDefinition
) -> list[tuple[TrialStorage, optuna.Study]]:
    """Open a study by a storage that reads trials whole, and by one that reads less."""
    found = []
    for parts in (Parts(), parts_to_read(definition.search)):
        opened = create_storage(str(storage.engine.url), waiting=False)
        study = optuna.load_study(storage=opened, study_name=definition.name)
        opened.read_less(study_id(study), parts)
        found.append((opened, study))
    return found


@pytest.mark.parametrize("listed", [1000, 3], ids=["by their ids", "by a range"])
def test_trials_are_read_without_histories_and_few_with_reports(
    storage: TrialStorage, storage_url: str, monkeypatch: pytest.MonkeyPatch, listed: int
) -> None:
    monkeypatch.setattr("storage.read_trials.LISTED", listed)
    definition = define(PLANE, "tpe")
    study = create_study(definition, storage)
    study.pruner = build_pruner("successive_halving", 9)
    fill(storage, study)
    whole = storage.get_all_trials(study_id(study))
    worker = create_storage(storage_url, waiting=False)
    worker.read_less(study_id(study), parts_to_read(definition.search))
    found = worker.get_all_trials(study_id(study))
    assert any("history" in trial.system_attrs for trial in whole)
    assert not any("history" in trial.system_attrs for trial in found)
    assert [plain(trial) for trial in found] == [plain(trial) for trial in whole]
    assert [t.user_attrs for t in found] == [
        {key: value for key, value in t.user_attrs.items() if key == "seed"} for t in whole
    ]
    assert any(t.user_attrs for t in found)
    reporting = [t.intermediate_values for t in whole if t.state is TrialState.PRUNED]
    assert [t.intermediate_values for t in found if t.intermediate_values] == reporting
    assert reporting


def plain(trial: FrozenTrial) -> list[Any]:
    """Return what is always read of a trial."""
    times = trial.datetime_start, trial.datetime_complete
    attrs = {key: value for key, value in trial.system_attrs.items() if key != "history"}
    return [trial.number, trial.state, trial.values, trial.params, attrs, times]


def test_a_trial_that_ended_here_is_kept_without_its_history(
    sqlite_storage: TrialStorage, sqlite_url: str
) -> None:
    definition = define(PLANE, "tpe")
    create_study(definition, sqlite_storage)
    worker, study = open_twice(sqlite_storage, definition)[1]
    fill(worker, study)
    with traffic(worker) as sent:
        found = worker.get_all_trials(study_id(study))
    ended = [trial for trial in found if trial.params]
    assert len(ended) == 16
    assert sent.trials == []  # they are cached
    assert all(trial.user_attrs.keys() == {"seed"} for trial in ended)
    assert not any("history" in trial.system_attrs for trial in ended)
    reader = create_storage(sqlite_url)
    whole = reader.get_all_trials(study_id(study))
    assert [t.number for t in whole if "history" in t.system_attrs] == [t.number for t in ended]


@pytest.mark.parametrize("sampler", list(QUICK))
def test_a_sampler_chooses_the_same_points(sqlite_storage: TrialStorage, sampler: str) -> None:
    definition = define(PLANE, QUICK[sampler])
    fill(sqlite_storage, create_study(definition, sqlite_storage))
    study_of = optuna.load_study(storage=sqlite_storage, study_name="s")
    claimed = claim(sqlite_storage, study_id(study_of), 3)
    points = []
    for opened, study in open_twice(sqlite_storage, definition):
        opened.adopt(study_id(study), [trial_id(trial) for trial in claimed])
        others = opened.parts_of(study_id(study)) == Parts() or reads_others(definition, claimed)
        with opened.batch(study_id(study), others=others):
            points.append([each.params for each in prepare_trials(study, definition, claimed)])
    assert points[0] == points[1]
    assert len({sphere(point) for point in points[0]}) == 3


@pytest.mark.parametrize("name", list(PRUNERS))
def test_a_pruner_decides_the_same(sqlite_storage: TrialStorage, name: str) -> None:
    spec = PRUNERS[name] or name
    definition = define(PLANE, "random", pruner=spec)
    study_of = create_study(definition, sqlite_storage)
    study_of.pruner = build_pruner(spec, 9)
    fill(sqlite_storage, study_of)
    claimed = claim(sqlite_storage, study_id(study_of), 3)
    decided = []
    for opened, study in open_twice(sqlite_storage, definition):
        study.pruner = build_pruner(spec, 9)
        opened.adopt(study_id(study), [trial_id(trial) for trial in claimed])
        with opened.batch(study_id(study)):
            for i, each in enumerate(claimed):
                trial = Trial(study, trial_id(each))
                for step in STEPS:
                    trial.report(3.0 * i + step / 10, step)
                    decided.append(trial.should_prune())
    half = len(decided) // 2
    assert decided[:half] == decided[half:]
    assert any(decided) == (name != "none")


CHOICES = {"a": [0, 1, 2], "b": {"low": 0.0, "high": 1.0, "step": 0.1}}


@pytest.mark.parametrize(
    ("space", "sampler", "search", "expected"),
    [
        (PLANE, "tpe", {}, True),
        (PLANE, "random", {}, False),
        (PLANE, {"name": "qmc", "scramble": True}, {}, False),
        (MIXED, "random", {}, False),
        (CHOICES, "random", {}, True),  # it draws points anew that are there
        (CHOICES, "random", {"repeats": "train"}, False),
        (CHOICES, None, {"design": "grid"}, False),
    ],
)
def test_only_what_depends_on_other_trials_reads_them(
    sqlite_storage: TrialStorage,
    space: dict[str, Any],
    sampler: Any,
    search: dict[str, Any],
    expected: bool,
) -> None:
    definition = define(space, sampler, n_trials=None if search.get("design") else 9, **search)
    study = create_study(definition, sqlite_storage)
    claimed = claim(sqlite_storage, study_id(study), 2)
    assert reads_others(definition, claimed) == expected


def test_a_queued_part_of_a_point_may_be_one_that_others_have(sqlite_storage: TrialStorage) -> None:
    definition = define(MIXED, "random", enqueue=[{"x": 0.5}])
    study = create_study(definition, sqlite_storage)
    first, second = claim(sqlite_storage, study_id(study), 2)
    assert first.params == {"x": 0.5}
    assert reads_others(definition, [first, second])
    assert not reads_others(definition, [second])


def test_the_end_of_a_function_is_recorded_without_reading_other_trials(
    sqlite_storage: TrialStorage, sqlite_url: str
) -> None:
    study = create_study(define(PLANE, "random"), sqlite_storage)
    fill(sqlite_storage, study)
    session = open_session(sqlite_url, WorkerOptions(allow_modules=["package"]))
    opened = OpenStudies(session.database, session.log, ["s"], ["package"])
    (name,) = opened.names()
    recorder = Recorder(session.database, opened.open(name), session.name)
    (claimed,) = session.database.claim(study_id(study), 1, (), None, 0.0)
    sqlite_storage.set_trial_user_attr(trial_id(claimed), "mine", 1)  # as the function does
    ended = EndedTrial(claimed, Outcome.COMPLETE, 0.5)
    with traffic(session.database.storage) as sent:
        executor: Any = SimpleNamespace(backend="", device="cpu")
        assert recorder.record([ended], executor) == [ended]
    assert set(sent.trials) == {trial_id(claimed)}
    found = sqlite_storage.get_trial(trial_id(claimed))
    assert (found.value, found.user_attrs["mine"]) == (0.5, 1)
