"""The errors of the storage: one base, and the built-in error that each has always been."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from queues import adaptive, new_study

import storage as package
from storage import (
    ArtifactNotKeptError,
    DatabaseNotFoundError,
    DatabaseUnreachableError,
    InvalidUrlError,
    SchemaError,
    StorageError,
    StudyGoneError,
    TrialStorage,
    artifact_store,
    claim,
    create_storage,
    enqueue,
    get_budget,
    read_artifact,
    remove_study,
    requeue,
)

BUILT_IN = {
    InvalidUrlError: ValueError,
    DatabaseNotFoundError: FileNotFoundError,
    DatabaseUnreachableError: ConnectionError,
    SchemaError: RuntimeError,
    StudyGoneError: KeyError,
    ArtifactNotKeptError: FileNotFoundError,
}


@pytest.mark.parametrize("kind", BUILT_IN)
def test_an_error_is_a_built_in_one_and_shows_its_plain_message(kind: type[StorageError]) -> None:
    error = kind("Expected a 'thing'. Received: none.")
    assert isinstance(error, StorageError)
    assert isinstance(error, BUILT_IN[kind])
    assert str(error) == "Expected a 'thing'. Received: none."
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (kind, str(error))
    assert str(kind()) == kind.__name__


def test_all_errors_can_be_imported_from_the_package() -> None:
    exported = {
        each
        for name in package.__all__
        if isinstance(each := getattr(package, name), type) and issubclass(each, StorageError)
    }
    assert exported == {StorageError, *BUILT_IN}


def test_each_way_to_open_nothing_has_its_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidUrlError):
        create_storage("hpo.db")
    with pytest.raises(DatabaseNotFoundError):
        create_storage(f"sqlite:///{tmp_path}/hpo.db", writes=False)
    with pytest.raises(DatabaseUnreachableError):
        create_storage("postgresql://user@127.0.0.1:1/db")


def test_a_deleted_study_is_gone_for_every_call(storage: TrialStorage) -> None:
    study_id = new_study(storage, adaptive(3))
    (trial,) = claim(storage, study_id)
    remove_study(storage, study_id, None)
    for call in (
        lambda: remove_study(storage, study_id, None),
        lambda: get_budget(storage, study_id),
        lambda: enqueue(storage, study_id, [], adaptive(3)),
        lambda: claim(storage, study_id),
        lambda: requeue(storage, trial, "lost"),
    ):
        with pytest.raises(StudyGoneError):
            call()


def test_a_file_that_is_not_kept_has_its_error(
    sqlite_storage: TrialStorage, tmp_path: Path
) -> None:
    (trial,) = claim(sqlite_storage, new_study(sqlite_storage, adaptive(3)))
    with pytest.raises(ArtifactNotKeptError):
        read_artifact(sqlite_storage, artifact_store(tmp_path / "store"), trial, ".keras")
