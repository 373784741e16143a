"""The trained networks and the figures of the best trials, through Optuna's artifact store.

The store is a folder; its path is recorded with the study. Only the best `keep` are held, since
a study of thousands of trials would fill a disk.
"""

from __future__ import annotations

import json
import mimetypes
import os
import shutil
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import BinaryIO

from optuna.artifacts import ArtifactMeta, FileSystemArtifactStore, get_all_artifact_meta
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.exceptions import UpdateFinishedTrialError
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import select

from storage import optuna_internals
from storage.batch import ENDED
from storage.connect import TrialStorage
from storage.rows import SYSTEM_ATTRS, TRIALS, VALUES

PREFIX = "artifacts:"  # of the system attributes that name a trial's files, as Optuna writes them
DEFAULT_MIME_TYPE = "application/octet-stream"
_Holder = tuple[TrialState, float | None, int]


class WholeFileStore(FileSystemArtifactStore):
    """Optuna's store in a folder, in which a file is whole or not there.

    A full disk, or the end of the process, may leave half of one in Optuna's own.
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


def kept_artifacts(storage: TrialStorage, study_id: int) -> list[tuple[float, int]]:
    """Return value and id of the completed trials whose files are held, the best first.

    Of equals the earlier one is better, as it is where trials are ranked.
    """
    return in_order(storage, study_id, _complete(_holders(storage, study_id)))


def in_order(
    storage: TrialStorage, study_id: int, trials: Iterable[tuple[float, int]]
) -> list[tuple[float, int]]:
    """Return values and ids of trials with the best of a study first, of equals the earlier."""
    (direction,) = storage.get_study_directions(study_id)
    sign = -1 if direction == StudyDirection.MAXIMIZE else 1
    return sorted(trials, key=lambda each: (sign * each[0], each[1]))


def keep_artifacts(
    storage: TrialStorage,
    store: FileSystemArtifactStore,
    trial: FrozenTrial,
    files: Mapping[str, Path],
) -> None:
    """Store the files of a trial that is about to end among the best.

    It may be called again after it raised, whether or not the database had taken it: what is noted
    of a trial is there.

    Args:
        storage: The storage.
        store: The artifact store of the study.
        trial: The trial, still RUNNING.
        files: What to keep of it; the keys are ids that no other artifact has.

    Raises:
        OSError: A file cannot be copied into the store; then none is kept.
        UpdateFinishedTrialError: The trial has ended elsewhere; nothing is kept.
    """
    try:
        # Not as Optuna does, who notes a file before it is written.
        for artifact_id, file in files.items():
            with file.open("rb") as content:
                store.write(artifact_id, content)
        for artifact_id, file in files.items():
            kind, encoding = mimetypes.guess_type(file.name)
            meta = ArtifactMeta(artifact_id, file.name, kind or DEFAULT_MIME_TYPE, encoding)
            note = json.dumps(asdict(meta))
            storage.set_trial_system_attr(
                optuna_internals.trial_id(trial), f"{PREFIX}{artifact_id}", note
            )
    except (OSError, UpdateFinishedTrialError):
        for artifact_id in files:
            with suppress(ArtifactNotFound):
                store.remove(artifact_id)
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
    # One statement sees one moment: a trial that ends between two would look pushed out.
    holders = _holders(storage, study_id)
    best = {i for _, i in in_order(storage, study_id, _complete(holders))[:keep]}
    for _, _, trial_id in holders:
        if trial_id not in best:
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
    """Remove the files of a trial that are here, and that it has them.

    What is on another machine, in a folder of the same name, stays noted until that one removes it.
    """
    for meta in get_all_artifact_meta(trial, storage=storage):
        with suppress(ArtifactNotFound):
            store.remove(meta.artifact_id)
            # Else the dashboard would show a broken picture. Optuna's API changes no ended trial.
            noted = SYSTEM_ATTRS.c.key == f"{PREFIX}{meta.artifact_id}"
            with storage.transaction() as connection:
                connection.execute(
                    SYSTEM_ATTRS.delete().where(
                        SYSTEM_ATTRS.c.trial_id == optuna_internals.trial_id(trial), noted
                    )
                )
    storage.outdate(optuna_internals.trial_id(trial))


def _complete(holders: Iterable[_Holder]) -> list[tuple[float, int]]:
    return [
        (value, trial_id)
        for state, value, trial_id in holders
        if state is TrialState.COMPLETE and value is not None
    ]


def _holders(storage: TrialStorage, study_id: int) -> list[_Holder]:
    """Return state, value if it is finite, and id of the trials that have ended and have files."""
    statement = (
        select(TRIALS.c.state, VALUES.c.value, TRIALS.c.trial_id)
        .join(SYSTEM_ATTRS, SYSTEM_ATTRS.c.trial_id == TRIALS.c.trial_id)
        .outerjoin(VALUES, VALUES.c.trial_id == TRIALS.c.trial_id)
        .where(
            TRIALS.c.study_id == study_id,
            TRIALS.c.state.in_(ENDED),
            SYSTEM_ATTRS.c.key.startswith(PREFIX, autoescape=True),
        )
        .distinct()
    )
    with storage.reading() as connection:
        return [(state, value, i) for state, value, i in connection.execute(statement)]
