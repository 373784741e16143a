"""Making a study: idempotent, with its budget, and never over another one of the same name."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from created_studies import GRID, TOML, TPE, budget, define, maker
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState
from small_studies import table

import studies
from storage import Budget, TrialStorage, claim, get_budget, storage_of, study_id
from studies.create import create_study, find_or_create_study
from studies.definition.code import CodeRecord
from studies.definition.files import as_definition
from studies.definition.study import StudyDefinition, parse_definition
from studies.errors import DefinitionError, TakenNameError
from studies.fleet import local
from studies.lookup import definition_of
from studies.versions import installed_versions


@pytest.fixture
def create(storage: TrialStorage, tmp_path: Path) -> Callable[..., optuna.Study]:
    """Make a study in a fresh database of each kind."""
    return maker(storage, tmp_path / "artifacts")


def waiting(study: optuna.Study) -> list[dict[str, Any]]:
    trials = study.get_trials(deepcopy=False)
    assert {trial.state for trial in trials} <= {TrialState.WAITING}
    return [trial.params for trial in trials]


def contents(study: optuna.Study) -> Any:
    trials = [(t.number, t.state, t.params, t.user_attrs) for t in study.get_trials()]
    return study.user_attrs, study.direction, study.metric_names, trials


@pytest.mark.parametrize("search", [GRID, TPE, GRID | {"replicates": 2, "n_trials": 5}])
def test_making_a_study_twice_changes_nothing(
    search: dict[str, Any], create: Callable[..., optuna.Study]
) -> None:
    once = contents(create(search))
    assert contents(create(search)) == once


def test_the_lines_of_a_definition_may_be_given_as_a_dict(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(local, "work_here", lambda *_, **__: True)
    made = [
        create_study(table(), sqlite_url),
        create_study(StudyDefinition(**table()), sqlite_url),
        studies.run(table(), sqlite_url),
        studies.run(StudyDefinition(**table()), sqlite_url),
    ]
    assert {study.study_name for study in made} == {"s"}
    (tmp_path / "own.npz").touch()
    for call in (create_study, studies.run):
        with pytest.raises(DefinitionError, match=r"^objective: Expected an objective.*mlp"):
            call(table(objective="mpl"), sqlite_url)
        for wrong in (["digits-mlp"], None, {1: 2}):
            with pytest.raises(DefinitionError, match=r"^Expected a StudyDefinition, a dict"):
                call(wrong, sqlite_url)
    # As in a file of the current folder.
    assert as_definition(table(dataset="own.npz")).dataset == str(tmp_path / "own.npz")


def test_a_small_form_is_a_study_beside_the_full_one(
    sqlite_storage: TrialStorage, tmp_path: Path
) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(TOML + "[quick]\nsearch.n_trials = 1\n")
    full = find_or_create_study(str(file), sqlite_storage, overrides={}, artifacts=tmp_path)
    small, again = (
        find_or_create_study(
            str(file), sqlite_storage, overrides={}, artifacts=tmp_path, quick=True
        )
        for _ in range(2)
    )
    assert (full.study_name, budget(full)) == ("mine", 2)
    assert (small.study_name, budget(small)) == ("mine-quick", 1)
    assert study_id(again) == study_id(small)


def test_a_study_records_what_repeats_it(
    create: Callable[..., optuna.Study], tmp_path: Path
) -> None:
    study = create(TPE)
    assert definition_of(study) == define(TPE)
    assert study.user_attrs["artifacts"] == str(tmp_path / "artifacts")
    assert study.user_attrs["versions"] == installed_versions()
    assert study.user_attrs["versions"]["optuna"] == optuna.__version__
    assert study.metric_names == ["val_accuracy"]
    assert study.direction.name == "MAXIMIZE"


def test_levels_that_are_lists_are_text_in_optuna(create: Callable[..., optuna.Study]) -> None:
    trial = create(GRID).get_trials()[-1]
    assert trial.params["hidden_units"] == "16-8"
    assert trial.distributions["hidden_units"] == CategoricalDistribution(("8", "16-8"))
    assert define(GRID).factors.resolve(trial.params)["hidden_units"] == (16, 8)


def test_a_larger_budget_adds_the_difference_to_a_design(
    create: Callable[..., optuna.Study],
) -> None:
    first = waiting(create(GRID | {"n_trials": 2}))
    assert len(first) == 2
    study = create(GRID | {"n_trials": 5})
    assert len(waiting(study)) == budget(study) == 5
    assert waiting(study)[:2] == first
    assert len(waiting(create(GRID))) == 6, "all of the grid where no number is said"


def test_a_smaller_budget_is_taken_down_to_the_trials_that_there_are(
    storage: TrialStorage, create: Callable[..., optuna.Study]
) -> None:
    study = create(TPE | {"n_trials": 9})
    assert len(claim(storage, study_id(study), 3)) == 3
    assert budget(create(TPE | {"n_trials": 5})) == 5
    assert len(claim(storage, study_id(study), 9)) == 2
    with pytest.raises(DefinitionError, match=r"at least 5, the trials that study 's' has already"):
        create(TPE | {"n_trials": 4})
    assert budget(create(TPE | {"n_trials": 9})) == 5, "as it was defined: nothing is asked for"


def test_a_smaller_budget_of_a_design_is_refused(
    storage: TrialStorage, create: Callable[..., optuna.Study]
) -> None:
    study = create(GRID | {"n_trials": 5})
    with pytest.raises(DefinitionError, match=r"Received: n_trials=2\..*--max-trials 2 s\."):
        create(GRID | {"n_trials": 2})
    assert budget(study) == len(waiting(study)) == 5
    assert len(claim(storage, study_id(study), 5)) == 5
    with pytest.raises(DefinitionError, match=r"n_trials=2\. Make a smaller study"):
        create(GRID | {"n_trials": 2})


def test_what_is_asked_for_is_taken_though_the_study_was_defined_so(
    storage: TrialStorage, create: Callable[..., optuna.Study]
) -> None:
    study = create(TPE | {"timeout": "6h"})
    larger = {"search.n_trials": 9, "search.timeout": "12h"}
    find_or_create_study("s", storage, overrides=larger)
    find_or_create_study("s", storage, overrides={})
    assert get_budget(storage, study_id(study)) == Budget(9, 12 * 3600, adaptive=True)
    defined = {"search.n_trials": 4, "search.timeout": "6h"}
    find_or_create_study("s", storage, overrides=defined)
    assert get_budget(storage, study_id(study)) == Budget(4, 6 * 3600, adaptive=True)


def test_a_larger_budget_of_a_sampler_lets_that_many_more_be_claimed(
    storage: TrialStorage, create: Callable[..., optuna.Study]
) -> None:
    study = create(TPE | {"n_trials": 2})
    assert waiting(study) == []
    assert len(claim(storage, study_id(study), 9)) == 2
    create(TPE | {"n_trials": 5})
    assert len(claim(storage, study_id(study), 9)) == 3
    assert claim(storage, study_id(study), 9) == []


def test_a_budget_without_a_number_has_no_limit(create: Callable[..., optuna.Study]) -> None:
    assert budget(create({"sampler": "random", "timeout": "1h"})) is None


def test_a_number_for_a_study_that_has_none_is_an_error(
    create: Callable[..., optuna.Study],
) -> None:
    search = {"sampler": "random", "timeout": "1h"}
    study = create(search=search)
    assert study.study_name == create(search=search).study_name
    with pytest.raises(ValueError, match=r"Received: n_trials=5 for 's'.*--name"):
        create(search=search | {"n_trials": 5})


def test_another_definition_under_a_taken_name_is_an_error_that_shows_the_difference(
    create: Callable[..., optuna.Study],
) -> None:
    before = contents(create(TPE))
    differs = r"search\.seed: 0 -> 3; space\.batch_size: \[16, 32, 64\] -> \[16\].*--name"
    with pytest.raises(TakenNameError, match=differs):
        create(TPE | {"seed": 3}, space={"hidden_units": [[8], [16, 8]], "batch_size": [16]})
    assert contents(create(TPE)) == before
    create(TPE | {"seed": 3}, name="another")


def test_a_study_of_somebody_else_is_left_alone(
    storage: TrialStorage, create: Callable[..., optuna.Study]
) -> None:
    theirs = optuna.create_study(study_name="s", storage=storage)
    theirs.add_trial(optuna.create_trial(value=1.0))
    with pytest.raises(TakenNameError, match=r"not made by this service\. .*--name"):
        create(TPE)
    assert theirs.user_attrs == {}
    assert len(theirs.trials) == 1


def test_a_creation_that_was_interrupted_is_completed(
    storage: TrialStorage, create: Callable[..., optuna.Study], tmp_path: Path
) -> None:
    optuna.create_study(study_name="s", storage=storage, direction="maximize")
    study = create(GRID)
    assert definition_of(study) == define(GRID)
    assert len(waiting(study)) == budget(study) == 6


def test_a_creation_that_was_interrupted_after_its_queue_is_completed(
    storage: TrialStorage, create: Callable[..., optuna.Study]
) -> None:
    study = create(GRID)
    with storage.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM study_user_attributes WHERE key = 'definition'")
    assert definition_of(create(GRID)) == define(GRID)
    assert len(waiting(study)) == budget(study) == 6


def test_a_design_is_spent_when_its_points_are(create: Callable[..., optuna.Study]) -> None:
    assert budget(create(GRID | {"n_trials": 200})) == 6


def test_going_on_keeps_a_longer_timeout(
    storage: TrialStorage, create: Callable[..., optuna.Study]
) -> None:
    study = create(TPE | {"timeout": "6h"})
    create(TPE | {"timeout": "12h"})
    create(TPE | {"timeout": "6h"})
    assert get_budget(storage, study_id(study)).timeout == 12 * 3600


def test_artifacts_are_beside_the_database_unless_said_otherwise(tmp_path: Path) -> None:
    study = create_study(define(TPE), f"sqlite:///{tmp_path}/hpo.db")
    assert study.user_attrs["artifacts"] == str(tmp_path / "hpo-artifacts")
    assert isinstance(storage_of(study), TrialStorage)
    storage_of(study).engine.dispose()


def test_going_on_with_a_study_takes_its_stored_definition_and_a_larger_budget(
    storage: TrialStorage, tmp_path: Path
) -> None:
    create_study(define(TPE, fixed={"epochs": 3}), storage, artifacts=tmp_path)
    again = find_or_create_study("s", storage, overrides={"search.n_trials": 9})
    assert budget(again) == 9
    assert definition_of(again).fixed == {"epochs": 3}
    with pytest.raises(TakenNameError, match=r"fixed\.epochs: 3 -> 4"):
        find_or_create_study("s", storage, overrides={"epochs": 4})
    other = find_or_create_study("s", storage, overrides={"epochs": 4, "name": "t"})
    assert definition_of(other).fixed == {"epochs": 4}


def test_the_definition_is_json_in_the_database(create: Callable[..., optuna.Study]) -> None:
    stored = create(GRID).user_attrs["definition"]
    assert json.loads(json.dumps(stored)) == stored
    assert StudyDefinition.model_validate(stored) == define(GRID)


def test_a_network_without_anything_to_search_is_asked_for_it(
    storage: TrialStorage, tmp_path: Path
) -> None:
    plain = {"name": "s", "objective": "mlp", "dataset": "digits"}
    nothing = parse_definition(plain | {"search": {"sampler": "random", "n_trials": 2}})
    with pytest.raises(DefinitionError, match=r"^space: Expected hyperparameters .*hpo objectives"):
        create_study(nothing, storage, artifacts=tmp_path)
    assert optuna.get_all_study_names(storage) == []


def test_an_own_network_without_anything_to_search_is_told_what_to_ask_for(
    storage: TrialStorage, tmp_path: Path
) -> None:
    lines = {"name": "s", "objective": "my_net.py:build", "dataset": "digits"}
    lines |= {"metric": "val_accuracy", "search": {"n_trials": 2}}
    built = CodeRecord("0", None, "jax", "lanes", "as all can be compared", [])
    nothing = parse_definition(lines).with_code({}, "jax", built)
    with pytest.raises(
        DefinitionError, match=r"^space: Expected hyperp.*trial\.suggest_"
    ) as caught:
        create_study(nothing, storage, artifacts=tmp_path)
    assert "hpo objectives" not in str(caught.value), "which does not know it"
