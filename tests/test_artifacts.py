"""The networks of the best trials, in a real folder."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import BinaryIO

import pytest
from optuna.artifacts import get_all_artifact_meta
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from queues import adaptive

from storage import (
    TrialStorage,
    artifact_store,
    claim,
    create_storage,
    delete_artifacts,
    drop_artifacts,
    enqueue,
    is_among_best,
    keep_artifacts,
    read_artifact,
)

VALUES = [0.3, 0.1, 0.5, 0.2, 0.5, 0.4]
MAXIMIZE, MINIMIZE = StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE


def new_study(storage: TrialStorage, direction: StudyDirection) -> int:
    study_id = storage.create_new_study([direction])
    enqueue(storage, study_id, [], adaptive(None))
    return study_id


def finish(
    storage: TrialStorage, folder: Path, study_id: int, value: float, keep: int
) -> FrozenTrial:
    """End a trial as a worker does: its network is kept where it is among the best."""
    (trial,) = claim(storage, study_id)
    if is_among_best(storage, study_id, value, keep):
        file = folder / "network.keras"
        file.write_bytes(f"{trial.number}".encode())
        keep_artifacts(storage, artifact_store(folder / "store"), trial, [file])
    storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [value])
    drop_artifacts(storage, artifact_store(folder / "store"), study_id, keep)
    return trial


def kept(folder: Path) -> list[int]:
    """Return the numbers of the trials whose files are in the store."""
    return sorted(int(file.read_bytes()) for file in (folder / "store").iterdir())


@pytest.mark.parametrize(
    ("direction", "keep", "expected"),
    [(MAXIMIZE, 1, [2]), (MAXIMIZE, 2, [2, 4]), (MINIMIZE, 2, [1, 3]), (MINIMIZE, 9, range(6))],
)
def test_only_the_networks_of_the_best_trials_are_kept(
    storage: TrialStorage,
    tmp_path: Path,
    direction: StudyDirection,
    keep: int,
    expected: list[int],
) -> None:
    study_id = new_study(storage, direction)
    for value in VALUES:
        finish(storage, tmp_path, study_id, value, keep)
        assert len(kept(tmp_path)) <= keep
    assert kept(tmp_path) == list(expected)


def test_a_trial_is_among_the_best_when_it_is_better_than_the_worst_kept(
    sqlite_storage: TrialStorage, tmp_path: Path
) -> None:
    for direction, better, worse in ((MAXIMIZE, 0.35, 0.25), (MINIMIZE, 0.25, 0.35)):
        study_id = new_study(sqlite_storage, direction)
        assert is_among_best(sqlite_storage, study_id, worse, keep=1)
        finish(sqlite_storage, tmp_path, study_id, 0.3, keep=1)
        assert is_among_best(sqlite_storage, study_id, better, keep=1)
        assert not is_among_best(sqlite_storage, study_id, 0.3, keep=1)  # a tie: the first stays
        assert not is_among_best(sqlite_storage, study_id, worse, keep=1)
        assert is_among_best(sqlite_storage, study_id, worse, keep=2)


def test_the_worst_is_pushed_out_and_its_network_is_no_longer_found(
    storage: TrialStorage, storage_url: str, tmp_path: Path
) -> None:
    study_id = new_study(storage, MAXIMIZE)
    worst, best = (finish(storage, tmp_path, study_id, value, keep=2) for value in (0.1, 0.3))
    store = artifact_store(tmp_path / "store")
    assert read_artifact(storage, store, worst, ".keras") == b"0"
    finish(storage, tmp_path, study_id, 0.2, keep=2)
    reader = create_storage(storage_url, writes=False)
    assert read_artifact(reader, store, best, ".keras") == b"1"
    with pytest.raises(FileNotFoundError, match=r"Received: trial=0\. Only the networks"):
        read_artifact(reader, store, worst, ".keras")


def test_a_trial_of_which_nothing_was_kept_has_no_network(
    storage: TrialStorage, tmp_path: Path
) -> None:
    (trial,) = claim(storage, new_study(storage, MINIMIZE))
    with pytest.raises(FileNotFoundError, match="Expected a trial whose network is kept"):
        read_artifact(storage, artifact_store(tmp_path / "store"), trial, ".keras")


def test_files_are_deleted_once_and_a_second_time_is_no_error(
    storage: TrialStorage, tmp_path: Path
) -> None:
    study_id = new_study(storage, MINIMIZE)
    trial, other = (finish(storage, tmp_path, study_id, value, keep=2) for value in (0.1, 0.2))
    store = artifact_store(tmp_path / "store")
    for _ in range(2):
        delete_artifacts(storage, store, trial)
        assert kept(tmp_path) == [other.number]


def test_the_folder_of_a_store_is_made_with_its_parents(tmp_path: Path) -> None:
    for _ in range(2):
        artifact_store(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir()
    (tmp_path / "file").touch()
    with pytest.raises(FileExistsError, match="file"):
        artifact_store(tmp_path / "file")


def test_what_is_kept_already_is_not_kept_twice(
    sqlite_storage: TrialStorage, tmp_path: Path
) -> None:
    study_id = new_study(sqlite_storage, MAXIMIZE)
    (trial,) = claim(sqlite_storage, study_id)
    store, file = artifact_store(tmp_path / "store"), tmp_path / "network.keras"
    file.write_bytes(b"0")
    for _ in range(2):  # as after a failure of the database in between
        keep_artifacts(sqlite_storage, store, trial, [file])
    assert kept(tmp_path) == [0]


def test_what_many_workers_have_kept_at_once_is_removed_down_to_the_best(
    storage: TrialStorage, tmp_path: Path
) -> None:
    study_id = new_study(storage, MINIMIZE)
    store, trials = artifact_store(tmp_path / "store"), claim(storage, study_id, 14)
    for trial in trials:
        file = tmp_path / "network.keras"
        file.write_bytes(f"{trial.number}".encode())
        keep_artifacts(storage, store, trial, [file])
    *ended, lost, running = trials
    for trial in ended:
        storage.set_trial_state_values(trial._trial_id, TrialState.COMPLETE, [trial.number % 7])
    storage.set_trial_state_values(lost._trial_id, TrialState.FAIL)
    drop_artifacts(storage, store, study_id, keep=3)
    assert kept(tmp_path) == [0, 1, 7, running.number]


def test_a_full_disk_leaves_no_half_of_a_file_and_no_word_of_it(
    sqlite_storage: TrialStorage, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (trial,) = claim(sqlite_storage, new_study(sqlite_storage, MINIMIZE))
    store, file = artifact_store(tmp_path / "store"), tmp_path / "network.keras"
    file.write_bytes(b"12")

    def copy_half(source: BinaryIO, target: BinaryIO) -> None:
        target.write(source.read(1))
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copyfileobj", copy_half)
        with pytest.raises(OSError, match="No space left"):
            keep_artifacts(sqlite_storage, store, trial, [file])
    assert list((tmp_path / "store").iterdir()) == []
    assert get_all_artifact_meta(trial, storage=sqlite_storage) == []
    keep_artifacts(sqlite_storage, store, trial, [file])
    assert read_artifact(sqlite_storage, store, trial, ".keras") == b"12"
