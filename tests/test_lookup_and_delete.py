"""Studies that are found again by name, whether renamed or copied, and deleted."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from threading import Thread
from typing import Any
from uuid import uuid4

import optuna
import pytest
import sqlalchemy
from created_studies import GRID, TOML, TPE, budget, define, maker
from optuna.trial import TrialState
from queues import traffic
from small_studies import RANDOM, table

from storage import (
    TrialStorage,
    artifact_store,
    claim,
    create_storage,
    keep_artifacts,
    study_id,
    trial_id,
)
from studies.create import create_study, find_or_create_study
from studies.definition.study import parse_definition
from studies.delete import delete_study
from studies.lookup import definition_of, find_study, load_study


@pytest.fixture
def create(storage: TrialStorage, tmp_path: Path) -> Callable[..., optuna.Study]:
    """Make a study in a fresh database of each kind."""
    return maker(storage, tmp_path / "artifacts")


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
    with pytest.raises(KeyError, match="another program's"):
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
        thread.join(timeout=300)
    names = optuna.get_all_study_names(create_storage(storage_url))
    assert names == ["keep"]
    assert len(create_storage(storage_url).get_all_trials(study_id(keep))) == 1


def _add(storage: TrialStorage, trial_id: int) -> None:
    with contextlib.suppress(Exception):  # it finds the trial gone
        storage.set_trial_user_attr(trial_id, "late", 1)
