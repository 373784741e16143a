"""Pruners by name, and what they know of a study."""

from __future__ import annotations

from typing import Any

import optuna
import pytest
from optuna.trial import TrialState
from sampling import PLANE, define

from storage import TrialStorage, claim, create_storage, requeue, storage_of, study_id
from studies import create
from studies.create import create_study
from studies.definition.sampler_options import read_pruner
from studies.definition.study import StudyDefinition, parse_definition
from studies.errors import DefinitionError
from studies.executor.protocol import TrialEpoch, TrialTask
from studies.samplers.pruners import build_pruner
from studies.suggest import prepare_trial
from studies.worker.active_trial import ActiveTrial

PRUNERS: dict[str, Any] = {
    "none": "none",
    "median": {"name": "median", "n_startup_trials": 2},
    "percentile": {"name": "percentile", "n_startup_trials": 2},
    "successive_halving": "successive_halving",
    "hyperband": {"name": "hyperband", "max_resource": 9},
    "threshold": {"name": "threshold", "upper": 50.0},
    "patient": {"name": "patient", "patience": 1, "wrapped": "none"},
    "wilcoxon": {"name": "wilcoxon", "n_startup_steps": 1},
}


@pytest.mark.parametrize("name", list(PRUNERS))
def test_a_pruner_ends_a_trial_that_is_much_worse(name: str, sqlite_storage: TrialStorage) -> None:
    definition = define(PLANE, pruner=PRUNERS[name])
    study = create_study(definition, sqlite_storage)
    endings = []
    for number in range(12):
        (claimed,) = claim(sqlite_storage, study_id(study))
        trial, _ = prepare_trial(study, definition, claimed)
        assert study.pruner.__class__ is build_pruner(PRUNERS[name], 9).__class__
        # Steps from 0 for Wilcoxon's pairs; each value grows, so that each step is worse.
        loss = 1.0 if number < 6 else 100.0
        pruned = False
        for step in range(9):
            trial.report(loss + step / 10, step)
            pruned = pruned or trial.should_prune()
        if pruned:
            study.tell(trial, state=TrialState.PRUNED)
        else:
            study.tell(trial, loss)
        endings.append(pruned)
    if name == "none":
        assert not any(endings)
    else:
        assert any(endings[6:])
    if name in ("median", "percentile", "threshold", "wilcoxon"):
        assert not any(endings[:6])


@pytest.mark.parametrize("spec", ["hyperband", {"name": "patient", "wrapped": "hyperband"}])
def test_hyperband_knows_the_epochs_of_the_study(spec: Any, sqlite_storage: TrialStorage) -> None:
    definition = parse_definition(
        {
            "name": "s",
            "objective": "mlp",
            "dataset": "digits",
            "fixed": {"epochs": 27},
            "search": {"n_trials": 1, "pruner": spec},
            "space": {"dropout": {"low": 0.1, "high": 0.5}},
        }
    )
    study = create_study(definition, sqlite_storage)
    prepare_trial(study, definition, claim(sqlite_storage, study_id(study))[0])
    pruner: Any = study.pruner
    assert (pruner if spec == "hyperband" else pruner._wrapped_pruner)._max_resource == 27


def test_hyperbands_own_max_resource_is_kept_and_unknown_epochs_are_left_to_it() -> None:
    spec = {"name": "hyperband", "bootstrap_count": 2}
    assert read_pruner(spec) == ("hyperband", {"bootstrap_count": 2})  # the epochs come later
    assert build_pruner(spec, 27)._max_resource == 27  # type: ignore[attr-defined]
    given = build_pruner({"name": "hyperband", "max_resource": 9}, 27)
    assert given._max_resource == 9  # type: ignore[attr-defined]
    assert build_pruner("hyperband", None)._max_resource == "auto"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "pruner",
    [
        "hyperband",
        {"name": "hyperband", "max_resource": "auto"},
        {"name": "patient", "wrapped": {"name": "hyperband", "min_resource": 2}},
    ],
)
def test_hyperband_asks_for_max_resource_where_it_cannot_be_known(
    pruner: Any, sqlite_storage: TrialStorage
) -> None:
    with pytest.raises(DefinitionError, match=r"^search\.pruner: Expected max_resource"):
        create_study(define(PLANE, pruner=pruner), sqlite_storage)
    assert optuna.get_all_study_names(sqlite_storage) == []
    lines = {"name": "s", "objective": "mlp", "dataset": "digits"}
    lines |= {"search": {"n_trials": 1, "pruner": pruner}, "space": {"dropout": [0.1, 0.5]}}
    with pytest.raises(DefinitionError, match="or of training by steps"):
        create_study(parse_definition({**lines, "fixed": {"steps": 50}}), sqlite_storage)
    assert create_study(parse_definition(lines), sqlite_storage).study_name == "s"


def test_a_study_that_has_hyperband_without_max_resource_goes_on(
    sqlite_storage: TrialStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    definition = define(PLANE, pruner="hyperband", n_trials=1)
    with monkeypatch.context() as patched:  # as an earlier version made it
        patched.setattr(create, "check_new", lambda _: None)
        create_study(definition, sqlite_storage)
    larger = definition.with_budget(3)
    assert len(claim(sqlite_storage, study_id(create_study(larger, sqlite_storage)), 9)) == 3


HALVING = {"name": "successive_halving", "min_resource": 1, "reduction_factor": 2}
HYPERBAND = {"name": "hyperband", "max_resource": 9, "reduction_factor": 2}


def _run(
    study: optuna.Study, definition: StudyDefinition, loss: float, *, stops: bool = False
) -> int | None:
    """Run a lineage, stopped after step 3 or not; return the step at which it was pruned."""
    trial = _start(study, definition)
    for step in range(1, 9):
        trial.report(loss + step / 100, step)
        if trial.should_prune():
            study.tell(trial, state=TrialState.PRUNED)
            return step
        if step == 3 and stops:  # its retry goes on from step 4
            trial = _again(study, definition, trial)
            for former in (1, 2, 3):
                trial.report(loss + former / 100, former)
    study.tell(trial, loss)
    return None


def _start(study: optuna.Study, definition: StudyDefinition) -> optuna.Trial:
    (claimed,) = claim(storage_of(study), study_id(study))
    return prepare_trial(study, definition, claimed)[0]


def _again(study: optuna.Study, definition: StudyDefinition, trial: optuna.Trial) -> optuna.Trial:
    requeue(storage_of(study), study.get_trials()[trial.number], "told to stop")
    return _start(study, definition)


def test_a_lineage_competes_once_however_often_it_was_queued_again(sqlite_url: str) -> None:
    losses = [0.5, 0.85, 0.3, 0.7, 0.2, 0.9, 0.45, 0.6, 0.35, 0.8, 0.4, 0.25]
    ends = []
    for stops in (False, True):
        storage = create_storage(sqlite_url.replace("hpo.db", f"{stops}.db"))
        definition = define(PLANE, pruner=HALVING)
        study = create_study(definition, storage)
        # Not all of them: if each competed twice, as many would be among the best.
        ends.append([_run(study, definition, loss, stops=stops and loss < 0.5) for loss in losses])
        storage.engine.dispose()
    assert ends[0] == ends[1]
    assert 0 < sum(end is not None for end in ends[0]) < 12


@pytest.mark.parametrize("pruner", [HALVING, HYPERBAND])
def test_a_retry_that_begins_anew_is_not_judged_again_where_it_was(
    pruner: dict[str, Any], sqlite_storage: TrialStorage
) -> None:
    definition = define(PLANE, pruner=pruner)
    study = create_study(definition, sqlite_storage)
    trial = _start(study, definition)
    for step in (1, 2, 3):
        trial.report(0.85, step)
        assert not trial.should_prune()
    passed = {k for k in study.get_trials()[0].system_attrs if k.startswith("completed_rung")}
    for loss in (0.3, 0.2, 0.1, 0.05):
        _run(study, definition, loss)
    trial = _again(study, definition, trial)
    for step in (1, 2, 3):
        trial.report(0.85, step)
        assert not trial.should_prune()
    found = study.get_trials()[-1].system_attrs
    assert {key for key in found if key.startswith("completed_rung")} == passed


def test_a_retry_competes_in_the_bracket_of_its_first_attempt(sqlite_storage: TrialStorage) -> None:
    definition = define(PLANE, pruner=HYPERBAND)
    study = create_study(definition, sqlite_storage)
    for loss in (0.5, 0.4, 0.3, 0.2, 0.1):
        _run(study, definition, loss, stops=True)
    pruner: Any = study.pruner
    trials = study.get_trials()
    brackets = [pruner._get_bracket_id(study, trial) for trial in trials]
    retries = [trial for trial in trials if "failed_trial" in trial.system_attrs]
    assert len(retries) >= 3
    for retry in retries:
        first = retry.system_attrs["failed_trial"]
        assert brackets[retry.number] == brackets[first]
        bracket = pruner._create_bracket_study(study, brackets[first])
        competitors = [trial.number for trial in bracket.get_trials()]
        assert retry.number in competitors
        assert first not in competitors


def test_patience_without_another_pruner_is_a_pruner_by_itself() -> None:
    pruner = build_pruner({"name": "patient", "patience": 1, "wrapped": "none"}, None)
    study = optuna.create_study(pruner=pruner)
    better, worse = study.ask(), study.ask()
    for step in range(5):
        better.report(-step, step)
        worse.report(step, step)
    assert not better.should_prune()
    assert worse.should_prune()


def test_names_alone_make_pruners_that_optuna_wants_settings_for() -> None:
    assert build_pruner("percentile", None)._percentile == 25.0  # type: ignore[attr-defined]
    patient = build_pruner("patient", None)
    assert isinstance(patient._wrapped_pruner, optuna.pruners.MedianPruner)  # type: ignore[attr-defined]


def test_after_a_resume_each_rung_has_the_value_of_its_own_epoch() -> None:
    pruner = build_pruner({"name": "successive_halving", "min_resource": 2}, None)
    study = optuna.create_study(pruner=pruner)
    values: list[float | None] = [9.0, 8.0, 7.0, 6.0, 5.0, 4.0, 3.0, 2.0]
    trial = study.ask()
    active = ActiveTrial(study.trials[0], trial, TrialTask(0, {}, 0, None), {}, None)
    active.begin({"loss": values})
    assert active.report(TrialEpoch(0, 9, {"loss": 1.0}, ended=False), "loss", prunes=True)
    (found,) = study.trials
    assert found.system_attrs == {"completed_rung_0": 8.0, "completed_rung_1": 2.0}
