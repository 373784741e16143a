"""Making a study: idempotent, with its budget, and never over another one of the same name."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import optuna
import pytest
import sqlalchemy
from optuna.distributions import CategoricalDistribution
from optuna.trial import TrialState
from queues import traffic
from small_studies import RANDOM, table

import studies
from storage import (
    Budget,
    TrialStorage,
    artifact_store,
    claim,
    create_storage,
    get_budget,
    keep_artifacts,
    storage_of,
    study_id,
    trial_id,
)
from studies.create import create_study, find_or_create_study
from studies.definition.code import CodeRecord
from studies.definition.files import as_definition
from studies.definition.study import StudyDefinition, parse_definition
from studies.delete import delete_study
from studies.errors import DefinitionError, TakenNameError
from studies.fleet import local
from studies.lookup import definition_of, find_study, load_study
from studies.versions import installed_versions

GRID = {"design": "grid"}
TPE = {"sampler": "tpe", "n_trials": 4}
TOML = """
name = "mine"
objective = "mlp"
dataset = "digits"
[search]
n_trials = 2
[space]
dropout = { low = 0.1, high = 0.5 }
"""


def define(search: dict[str, Any], **lines: Any) -> StudyDefinition:
    space = {"hidden_units": [[8], [16, 8]], "batch_size": [16, 32, 64]}
    plain = {"name": "s", "objective": "mlp", "dataset": "digits", "space": space}
    return parse_definition(plain | {"search": search} | lines)


@pytest.fixture
def create(storage: TrialStorage, tmp_path: Path) -> Callable[..., optuna.Study]:
    """Make a study in a fresh database of each kind."""

    def make(search: dict[str, Any], **lines: Any) -> optuna.Study:
        return create_study(define(search, **lines), storage, artifacts=tmp_path / "artifacts")

    return make


def waiting(study: optuna.Study) -> list[dict[str, Any]]:
    trials = study.get_trials(deepcopy=False)
    assert {trial.state for trial in trials} <= {TrialState.WAITING}
    return [trial.params for trial in trials]


def budget(study: optuna.Study) -> int | None:
    storage = storage_of(study)
    assert isinstance(storage, TrialStorage)
    return get_budget(storage, study_id(study)).n_trials


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


def test_a_renamed_study_goes_by_its_new_name(
    storage: TrialStorage, create: Callable[..., optuna.Study]
) -> None:
    old = create(TPE)
    made = old.user_attrs["created_at"]
    # As the dashboard does it.
    new = optuna.create_study(study_name="new", storage=storage, direction="maximize")
    for key, value in old.user_attrs.items():
        new.set_user_attr(key, value)
    optuna.delete_study(study_name="s", storage=storage)
    found = find_or_create_study("new", storage, overrides={"search.n_trials": 9})
    assert (found.study_name, budget(found)) == ("new", 9)
    assert definition_of(found).name == "new"
    assert optuna.get_all_study_names(storage) == ["new"]
    assert found.user_attrs["created_at"] == made, "it goes on from its checkpoints"


def test_a_study_that_optuna_copied_is_a_study_of_its_own(
    storage: TrialStorage, storage_url: str, create: Callable[..., optuna.Study], tmp_path: Path
) -> None:
    first = create(GRID)
    store = artifact_store(tmp_path / "artifacts")
    (trial,) = claim(storage, study_id(first))
    (tmp_path / "best.keras").write_bytes(b"weights")
    keep_artifacts(storage, store, trial, {"kept": tmp_path / "best.keras"})
    storage.set_trial_state_values(trial_id(trial), TrialState.COMPLETE, [0.5])
    optuna.copy_study(
        from_study_name="s", from_storage=storage, to_storage=storage, to_study_name="copy"
    )
    assert load_study("copy", storage)[1].name == "copy"
    copy = find_or_create_study("copy", storage, overrides={})
    assert copy.study_name == "copy"
    assert len({s.user_attrs["created_at"] for s in (first, copy)}) == 2
    assert len(copy.trials) == len(first.trials) == 6
    delete_study("copy", storage)
    assert (tmp_path / "artifacts" / "kept").exists()
    delete_study("s", storage)
    assert not (tmp_path / "artifacts" / "kept").exists()


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


def test_deleting_a_study_removes_its_networks_and_no_other_ones(
    storage: TrialStorage, create: Callable[..., optuna.Study], tmp_path: Path
) -> None:
    store = artifact_store(tmp_path / "artifacts")
    file = tmp_path / "best.keras"
    file.write_bytes(b"weights")
    for name in ("s", "other"):
        study = create(TPE, name=name)
        # One ends well, and the worker of the other is lost after it kept its network.
        for trial, state in zip(
            claim(storage, study_id(study), 2), ("COMPLETE", "FAIL"), strict=True
        ):
            keep_artifacts(storage, store, trial, {str(uuid4()): file})
            values = [0.5] if state == "COMPLETE" else None
            storage.set_trial_state_values(trial_id(trial), TrialState[state], values)
    assert len(list((tmp_path / "artifacts").iterdir())) == 4
    delete_study("s", storage)
    assert len(list((tmp_path / "artifacts").iterdir())) == 2
    assert optuna.get_all_study_names(storage) == ["other"]


def test_a_study_can_be_deleted_when_its_folder_is_gone(
    storage: TrialStorage, create: Callable[..., optuna.Study]
) -> None:
    create(TPE)
    delete_study("s", storage)
    assert optuna.get_all_study_names(storage) == []


def test_a_study_that_is_not_there_suggests_the_nearest(
    storage: TrialStorage, create: Callable[..., optuna.Study]
) -> None:
    create(TPE, name="study-one")
    for call in (delete_study, load_study, find_study):
        with pytest.raises(KeyError, match=r"Received: study-on\. Did you mean study-one\?"):
            call("study-on", storage)
    with pytest.raises(KeyError, match=r"Make it first: hpo create digits-mlp"):
        find_study("digits-mlp", storage)
    with pytest.raises(KeyError) as caught:  # as the command that deletes does
        find_study("digits-mlp", storage, is_wanted=False)
    assert "Make it first" not in str(caught.value)


def test_a_study_is_loaded_with_its_definition(
    storage_url: str, create: Callable[..., optuna.Study]
) -> None:
    create(GRID)
    elsewhere = create_storage(storage_url)
    study, definition = load_study("s", elsewhere)
    assert study.study_name == "s"
    assert definition == define(GRID)
    elsewhere.engine.dispose()


def test_a_study_without_a_definition_is_an_error(storage: TrialStorage) -> None:
    optuna.create_study(study_name="theirs", storage=storage)
    with pytest.raises(KeyError, match="no definition of this service"):
        load_study("theirs", storage)


def test_a_name_means_the_storage_then_the_catalogue_then_a_file(
    storage: TrialStorage, tmp_path: Path
) -> None:
    def find(source: str, **overrides: Any) -> optuna.Study:
        return find_or_create_study(source, storage, overrides=overrides, artifacts=tmp_path)

    mine = define(TPE, name="digits-mlp")
    create_study(mine, storage, artifacts=tmp_path)
    assert definition_of(find("digits-mlp")) == mine

    catalogued = definition_of(find("clock-heads"))
    assert catalogued.name == "clock-heads"
    assert catalogued.dataset == "clock"

    file = tmp_path / "study.toml"
    file.write_text(TOML, encoding="utf-8")
    assert find(str(file)).study_name == "mine"
    assert find_study(str(file), storage) == "mine"
    assert find_study("mine", storage) == "mine"

    with pytest.raises(FileNotFoundError, match=r"Received: mnist-mlp-dropuot\. Did you mean"):
        find("mnist-mlp-dropuot")
    with pytest.raises(FileNotFoundError, match=r"mean mine\?.* one of mine, architecture-"):
        find("mien")


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


def test_a_study_is_deleted_in_few_statements_while_others_add_to_it(
    storage: TrialStorage, storage_url: str, tmp_path: Path
) -> None:
    keep, gone = (
        create_study(parse_definition(table(name=name)), storage, artifacts=tmp_path)
        for name in ("keep", "gone")
    )
    counts = []
    for n in (2, 20):
        definition = parse_definition(table(name=f"{n}", search=RANDOM | {"n_trials": 99}))
        own_id = study_id(create_study(definition, storage, artifacts=tmp_path))
        for trial in claim(storage, own_id, n):
            storage.set_trial_user_attr(trial_id(trial), "a", 1)
        with traffic(storage) as sent:
            delete_study(f"{n}", storage)
        counts.append(len(sent.statements))
    assert counts[0] == counts[1] < 40
    (trial,) = claim(storage, study_id(gone))
    claim(storage, study_id(keep))
    other = create_storage(storage_url)

    def add(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        """As a worker does meanwhile; on SQLite, which lets nobody in, before."""
        if "DELETE FROM trial_params" in statement and storage.engine.dialect.name != "sqlite":
            thread.start()

    thread = Thread(target=_add, args=(other, trial_id(trial)))
    sqlalchemy.event.listen(storage.engine, "before_cursor_execute", add)
    delete_study("gone", storage)
    if thread.ident is not None:
        thread.join(timeout=60)
    names = optuna.get_all_study_names(create_storage(storage_url))
    assert names == ["keep"]
    assert len(create_storage(storage_url).get_all_trials(study_id(keep))) == 1


def _add(storage: TrialStorage, trial_id: int) -> None:
    with contextlib.suppress(Exception):  # it finds the trial gone
        storage.set_trial_user_attr(trial_id, "late", 1)


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
