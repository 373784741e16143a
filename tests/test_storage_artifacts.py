"""The networks of the best trials, in a real folder."""

from __future__ import annotations

import errno
import shutil
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import pytest
import sqlalchemy
from optuna.artifacts import get_all_artifact_meta
from optuna.distributions import IntDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from queues import DESIGN, adaptive
from sqlalchemy.exc import OperationalError

from storage import (
    Point,
    TrialStorage,
    artifact_store,
    claim,
    create_storage,
    delete_artifacts,
    drop_artifacts,
    enqueue,
    keep_artifacts,
    read_artifact,
    trial_id,
    worth_keeping,
)

VALUES = [0.3, 0.1, 0.5, 0.2, 0.5, 0.4]
MAXIMIZE, MINIMIZE = StudyDirection.MAXIMIZE, StudyDirection.MINIMIZE


def new_study(storage: TrialStorage, direction: StudyDirection) -> int:
    study_id = storage.create_new_study([direction])
    enqueue(storage, study_id, [], adaptive(None))
    return study_id


def keep_file(
    storage: TrialStorage, folder: Path, trial: FrozenTrial, store: str = "store"
) -> None:
    """Keep the network of a trial, whose content is the trial's number."""
    file = folder / "network.keras"
    file.write_bytes(f"{trial.number}".encode())
    keep_artifacts(storage, artifact_store(folder / store), trial, {str(uuid4()): file})


def finish(
    storage: TrialStorage,
    folder: Path,
    study_id: int,
    value: float,
    keep: int,
    trial: FrozenTrial | None = None,
) -> FrozenTrial:
    """End a trial as a worker does: keep its network if it is among the best."""
    if trial is None:
        (trial,) = claim(storage, study_id)
    if trial_id(trial) in worth_keeping(storage, study_id, keep, {trial_id(trial): value}):
        keep_file(storage, folder, trial)
    storage.set_trial_state_values(trial_id(trial), TrialState.COMPLETE, [value])
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


def test_of_equals_the_earlier_trial_is_kept_whichever_ends_first(
    sqlite_storage: TrialStorage, tmp_path: Path
) -> None:
    """In another order the network of the best trial would be missing."""
    study_id = new_study(sqlite_storage, MAXIMIZE)
    early, late, better = claim(sqlite_storage, study_id, 3)
    for trial, value in ((late, 0.9), (early, 0.9), (better, 0.95)):
        finish(sqlite_storage, tmp_path, study_id, value, keep=2, trial=trial)
    assert kept(tmp_path) == [early.number, better.number]
    assert sqlite_storage.get_best_trial(study_id).number == better.number


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


class Broken(TrialStorage):
    """A storage whose connection breaks once in COMMIT, after the database committed."""

    breaks = True

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Commit, and fail the first time."""
        super().set_trial_system_attr(trial_id, key, value)
        if self.breaks:
            self.breaks = False
            raise OperationalError("COMMIT", {}, Exception("the connection broke"))


def test_a_network_that_was_noted_is_there_though_the_connection_broke(
    sqlite_url: str, tmp_path: Path
) -> None:
    storage = create_storage(sqlite_url)
    storage.__class__ = Broken
    (trial,) = claim(storage, new_study(storage, MAXIMIZE))
    store, file = artifact_store(tmp_path / "store"), tmp_path / "network.keras"
    file.write_bytes(b"0")
    files = {str(uuid4()): file}
    with pytest.raises(OperationalError):
        keep_artifacts(storage, store, trial, files)
    assert read_artifact(storage, store, trial, ".keras") == b"0"
    keep_artifacts(storage, store, trial, files)
    assert kept(tmp_path) == [0]
    assert len(get_all_artifact_meta(trial, storage=storage)) == 1


def test_a_trial_that_has_ended_elsewhere_keeps_no_file(
    sqlite_storage: TrialStorage, tmp_path: Path
) -> None:
    (trial,) = claim(sqlite_storage, new_study(sqlite_storage, MAXIMIZE))
    sqlite_storage.set_trial_state_values(trial_id(trial), TrialState.FAIL)
    with pytest.raises(UpdateFinishedTrialError):
        keep_file(sqlite_storage, tmp_path, trial)
    assert kept(tmp_path) == []


def test_a_trial_that_ends_while_others_are_dropped_keeps_its_network(
    storage: TrialStorage, tmp_path: Path
) -> None:
    study_id = new_study(storage, MAXIMIZE)
    first, best = claim(storage, study_id, 2)
    keep_file(storage, tmp_path, first)
    storage.set_trial_state_values(trial_id(first), TrialState.COMPLETE, [0.5])
    keep_file(storage, tmp_path, best)

    ended = []

    def end_best(*_: object) -> None:
        """End a trial between two statements of `drop_artifacts`, as another worker may."""
        if not ended:
            ended.append(True)
            other = create_storage(str(storage.engine.url.render_as_string(hide_password=False)))
            other.set_trial_state_values(trial_id(best), TrialState.COMPLETE, [0.9])

    sqlalchemy.event.listen(storage.engine, "commit", end_best)
    drop_artifacts(storage, artifact_store(tmp_path / "store"), study_id, keep=1)
    assert ended
    assert best.number in kept(tmp_path)


def test_files_on_another_machine_are_left_to_it(
    sqlite_storage: TrialStorage, tmp_path: Path
) -> None:
    study_id = new_study(sqlite_storage, MAXIMIZE)
    theirs, mine = claim(sqlite_storage, study_id, 2)
    for trial, store, value in ((theirs, "theirs", 0.1), (mine, "store", 0.2)):
        keep_file(sqlite_storage, tmp_path, trial, store)
        sqlite_storage.set_trial_state_values(trial_id(trial), TrialState.COMPLETE, [value])
    drop_artifacts(sqlite_storage, artifact_store(tmp_path / "store"), study_id, keep=1)
    assert kept(tmp_path) == [mine.number]
    assert len(list((tmp_path / "theirs").iterdir())) == 1
    drop_artifacts(sqlite_storage, artifact_store(tmp_path / "theirs"), study_id, keep=1)
    assert list((tmp_path / "theirs").iterdir()) == []


def test_what_many_workers_have_kept_at_once_is_removed_down_to_the_best(
    storage: TrialStorage, tmp_path: Path
) -> None:
    study_id = new_study(storage, MINIMIZE)
    store, trials = artifact_store(tmp_path / "store"), claim(storage, study_id, 14)
    for trial in trials:
        keep_file(storage, tmp_path, trial)
    *ended, lost, running = trials
    for trial in ended:
        storage.set_trial_state_values(trial_id(trial), TrialState.COMPLETE, [trial.number % 7])
    storage.set_trial_state_values(trial_id(lost), TrialState.FAIL)
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
            keep_artifacts(sqlite_storage, store, trial, {str(uuid4()): file})
    assert list((tmp_path / "store").iterdir()) == []
    assert get_all_artifact_meta(trial, storage=sqlite_storage) == []
    keep_artifacts(sqlite_storage, store, trial, {str(uuid4()): file})
    assert read_artifact(sqlite_storage, store, trial, ".keras") == b"12"


def test_of_each_of_the_best_points_the_best_seed_is_kept_and_of_open_ones_too(
    sqlite_storage: TrialStorage, tmp_path: Path
) -> None:
    study_id = sqlite_storage.create_new_study([MAXIMIZE])
    x = {"x": IntDistribution(0, 9)}
    seeds = [Point({"x": point}, x, {"seed": seed}) for point in (0, 1, 2) for seed in (0, 1)]
    enqueue(sqlite_storage, study_id, seeds, DESIGN)
    trials = claim(sqlite_storage, study_id, 6)

    def end(number: int, value: float) -> list[int]:
        finish(sqlite_storage, tmp_path, study_id, value, 1, trials[number])
        return kept(tmp_path)

    assert end(0, 0.5) == [0]
    assert end(1, 0.6) == [1]  # a better seed of the same point
    assert end(2, 0.9) == [1, 2]  # this point may come to lead
    assert end(3, 0.1) == [1]  # but for its other seed
    assert end(4, 0.9) == [1, 4]
    assert end(5, 0.7) == [4]
