"""The trained networks and the figures of the best trials, through Optuna's artifact store.

The store is a folder; its path is recorded with the study. Only the best `keep` are held, since
a study of thousands of trials would fill a disk.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

import sqlalchemy
from optuna.artifacts import (
    FileSystemArtifactStore,
    get_all_artifact_meta,
    upload_artifact,
)
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import select

from storage.batch import ENDED
from storage.connect import TrialStorage
from storage.trial_rows import SYSTEM_ATTRS, TRIALS, VALUES, in_state

PREFIX = "artifacts:"  # of the system attributes that name a trial's files


class WholeFileStore(FileSystemArtifactStore):
    """Optuna's store in a folder, in which a file is whole or not there.

    Optuna notes an artifact before its file is written, of which a full disk or the end of the
    process may leave half.
    """

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Write a file.

        Raises:
            OSError: It cannot be written; nothing of it is left.
        """
        file = self._get_filepath(artifact_id)
        unfinished = file.with_name(f"{file.name}.unfinished")
        try:
            with unfinished.open("wb") as f:
                shutil.copyfileobj(content_body, f)
            os.replace(unfinished, file)
        except OSError:
            unfinished.unlink(missing_ok=True)
            raise


def artifact_store(folder: str | Path) -> FileSystemArtifactStore:
    """Open the artifact store in `folder`, which is created where it is missing.

    Raises:
        OSError: The folder cannot be created.
    """
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    return WholeFileStore(path)


def is_among_best(storage: TrialStorage, study_id: int, value: float, keep: int) -> bool:
    """Tell whether fewer than `keep` completed trials of a study are as good as `value`."""
    maximize = _is_maximized(storage, study_id)
    best = _best_trials(storage, study_id, keep)
    return sum(v >= value if maximize else v <= value for _, v in best) < keep


def keep_artifacts(
    storage: TrialStorage,
    store: FileSystemArtifactStore,
    trial: FrozenTrial,
    files: Sequence[Path],
) -> None:
    """Store the files of a trial that is about to end among the best.

    What is stored already is not stored twice.

    Args:
        storage: The storage.
        store: The artifact store of the study.
        trial: The trial, still RUNNING.
        files: What to keep of it.

    Raises:
        OSError: A file cannot be copied into the store; then none is kept.
        UpdateFinishedTrialError: The trial has ended elsewhere.
    """
    there = {meta.filename for meta in get_all_artifact_meta(trial, storage=storage)}
    try:
        for file in files:
            if file.name not in there:
                upload_artifact(
                    artifact_store=store, file_path=str(file), study_or_trial=trial, storage=storage
                )
    except OSError:
        delete_artifacts(storage, store, trial)
        raise


def drop_artifacts(
    storage: TrialStorage, store: FileSystemArtifactStore, study_id: int, keep: int
) -> None:
    """Remove the files of all trials that have ended and are not among the best `keep`.

    Of two workers that have just ended a trial, whoever is later removes what both have pushed out.

    Args:
        storage: The storage.
        store: The artifact store of the study.
        study_id: The study, of one direction.
        keep: The number of trials whose files are held.
    """
    best = [trial_id for trial_id, _ in _best_trials(storage, study_id, keep)]
    statement = (
        select(TRIALS.c.trial_id)
        .join(SYSTEM_ATTRS, SYSTEM_ATTRS.c.trial_id == TRIALS.c.trial_id)
        .where(
            TRIALS.c.study_id == study_id,
            TRIALS.c.state.in_(ENDED),
            TRIALS.c.trial_id.not_in(best),
            SYSTEM_ATTRS.c.key.startswith(PREFIX, autoescape=True),
        )
        .distinct()
    )
    with storage.reading() as connection:
        pushed_out = list(connection.execute(statement).scalars())
    for trial_id in pushed_out:
        delete_artifacts(storage, store, storage.get_trial(trial_id))


def read_artifact(
    storage: TrialStorage, store: FileSystemArtifactStore, trial: FrozenTrial, suffix: str
) -> bytes:
    """Return the content of the file of some ending that was kept of a trial.

    Raises:
        FileNotFoundError: None was kept, or others have pushed it out since.
    """
    for meta in get_all_artifact_meta(trial, storage=storage):
        if Path(meta.filename).suffix != suffix:
            continue
        try:
            with store.open_reader(meta.artifact_id) as reader:
                return reader.read()
        except ArtifactNotFound:
            continue
    raise FileNotFoundError(
        "Expected a trial whose network is kept. "
        f"Received: trial={trial.number}. Only the networks of the best trials are kept, each in "
        "the study's artifact folder on the machine that trained it."
    )


def delete_artifacts(
    storage: TrialStorage, store: FileSystemArtifactStore, trial: FrozenTrial
) -> None:
    """Remove the files of a trial, and that it has them; those already gone are no error."""
    for meta in get_all_artifact_meta(trial, storage=storage):
        with suppress(ArtifactNotFound):
            store.remove(meta.artifact_id)
    # Else the dashboard would show broken pictures. Optuna's API changes no trial that has ended.
    own = SYSTEM_ATTRS.c.trial_id == trial._trial_id
    with storage.transaction() as connection:
        connection.execute(
            SYSTEM_ATTRS.delete().where(own, SYSTEM_ATTRS.c.key.startswith(PREFIX, autoescape=True))
        )
    storage.outdate(trial._trial_id)


def _is_maximized(storage: TrialStorage, study_id: int) -> bool:
    (direction,) = storage.get_study_directions(study_id)
    return direction == StudyDirection.MAXIMIZE


def _best_trials(storage: TrialStorage, study_id: int, n: int) -> list[tuple[int, float]]:
    """Return id and value of the `n` best completed trials, the best first."""
    order = VALUES.c.value.desc() if _is_maximized(storage, study_id) else VALUES.c.value
    statement = (
        select(TRIALS.c.trial_id, VALUES.c.value)
        .join(VALUES, VALUES.c.trial_id == TRIALS.c.trial_id)
        .where(in_state(study_id, TrialState.COMPLETE), VALUES.c.value.is_not(sqlalchemy.null()))
        .order_by(order, TRIALS.c.trial_id)
        .limit(n)
    )
    with storage.reading() as connection:
        return [(trial_id, value) for trial_id, value in connection.execute(statement)]
