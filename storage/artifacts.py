"""The files of the best trials (networks, figures), in Optuna's artifact store.

The store is a folder, whose path is recorded with the study. Only the files of the best `keep`
trials are kept, since those of thousands of trials would fill a disk.
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
from sqlalchemy import Connection, select

from storage.errors import ArtifactNotKeptError
from storage.optuna_internals import trial_id
from storage.ranking import ids_in_order, points_to_keep
from storage.rows import FINISHED
from storage.seeds import seeded_points
from storage.study_attributes import ARTIFACT_PREFIX
from storage.tables import SYSTEM_ATTRS, TRIALS, VALUES
from storage.trial_storage import TrialStorage

DEFAULT_MIME_TYPE = "application/octet-stream"
_Holder = tuple[TrialState, float | None, int]


class WholeFileStore(FileSystemArtifactStore):
    """Optuna's store in a folder, without half-written files.

    Optuna's own leaves half a file behind when the disk is full or the process ends.
    """

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Write a file.

        Raises:
            OSError: The file cannot be written; no part of it is left.
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
    """Open the artifact store in `folder`, and create the folder if it is missing.

    Raises:
        OSError: The folder cannot be created.
    """
    path = Path(folder)
    path.mkdir(parents=True, exist_ok=True)
    return WholeFileStore(path)


def worth_keeping(
    storage: TrialStorage, study_id: int, keep: int, ending: Mapping[int, float] | None = None
) -> list[int]:
    """Return the ids of the trials whose files are to be kept, the best first.

    Of a point of several seeds the best seed's are kept, of those that there are files of.

    Args:
        storage: The storage.
        study_id: The study, of one direction.
        keep: The number of points of which files are kept.
        ending: Values of trials that are about to complete, and have files, by their ids.
    """
    (direction,) = storage.get_study_directions(study_id)
    with storage.snapshot() as connection:
        holding = _complete(_holders(connection, study_id)) | dict(ending or {})
        return _best(connection, study_id, direction, holding, keep, ending)


def keep_artifacts(
    storage: TrialStorage,
    store: FileSystemArtifactStore,
    trial: FrozenTrial,
    files: Mapping[str, Path],
) -> None:
    """Store the files of a trial that is about to end among the best.

    It may be called again after it raised, whether or not the transaction was committed: a record
    in the database always names a stored file.

    Args:
        storage: The storage.
        store: The artifact store of the study.
        trial: The trial, still RUNNING.
        files: Artifact id -> file; no other artifact may have the same id.

    Raises:
        OSError: A file cannot be copied into the store; then none is kept.
        UpdateFinishedTrialError: The trial has ended elsewhere; no file is kept.
    """
    try:
        # Files first, then records. Optuna's `upload_artifact` does it the other way round, and
        # may leave a record without a file.
        for artifact_id, file in files.items():
            with file.open("rb") as content:
                store.write(artifact_id, content)
        for artifact_id, file in files.items():
            kind, encoding = mimetypes.guess_type(file.name)
            meta = ArtifactMeta(artifact_id, file.name, kind or DEFAULT_MIME_TYPE, encoding)
            record = json.dumps(asdict(meta))
            storage.set_trial_system_attr(
                trial_id(trial), f"{ARTIFACT_PREFIX}{artifact_id}", record
            )
    except (OSError, UpdateFinishedTrialError):
        for artifact_id in files:
            with suppress(ArtifactNotFound):
                store.remove(artifact_id)
        raise


def drop_artifacts(
    storage: TrialStorage, store: FileSystemArtifactStore, study_id: int, keep: int
) -> None:
    """Delete the files of all ended trials but those that are `worth_keeping`.

    Two workers may end trials at the same time; the later call then deletes for both.

    Args:
        storage: The storage.
        store: The artifact store of the study.
        study_id: The study, of one direction.
        keep: The number of points of which files are kept.
    """
    (direction,) = storage.get_study_directions(study_id)
    # Of one moment. Else a trial that ends between two statements would be missing from the best,
    # and lose its files.
    with storage.snapshot() as connection:
        holders = _holders(connection, study_id)
        best = set(_best(connection, study_id, direction, _complete(holders), keep))
    for _, _, holder in holders:
        if holder not in best:
            delete_artifacts(storage, store, storage.get_trial(holder))


def read_artifact(
    storage: TrialStorage, store: FileSystemArtifactStore, trial: FrozenTrial, suffix: str
) -> bytes:
    """Return the content of a trial's kept file with this suffix, such as `.keras`.

    Raises:
        ArtifactNotKeptError: No such file was kept, or better trials have replaced it since.
    """
    for meta in get_all_artifact_meta(trial, storage=storage):
        if Path(meta.filename).suffix != suffix:
            continue
        try:
            with store.open_reader(meta.artifact_id) as reader:
                return reader.read()
        except ArtifactNotFound:
            continue
    raise ArtifactNotKeptError(
        "Expected a trial whose network is kept. "
        f"Received: trial={trial.number}. Only the networks of the best trials are kept, each in "
        "the study's artifact folder on the machine that trained it."
    )


def has_artifacts(trial: FrozenTrial) -> bool:
    """Tell whether files of a trial are kept."""
    return any(key.startswith(ARTIFACT_PREFIX) for key in trial.system_attrs)


def delete_artifacts(
    storage: TrialStorage, store: FileSystemArtifactStore, trial: FrozenTrial
) -> None:
    """Delete the trial's local files and the records that name them.

    Files on another machine, in a folder of the same name, keep their records until that machine
    deletes them.
    """
    for meta in get_all_artifact_meta(trial, storage=storage):
        with suppress(ArtifactNotFound):
            if not is_shared(storage, meta.artifact_id, trial_id(trial)):
                store.remove(meta.artifact_id)
            # The dashboard would show a broken picture for a record without a file. It is deleted
            # by SQL, since Optuna's API refuses to change a finished trial.
            record = SYSTEM_ATTRS.c.key == f"{ARTIFACT_PREFIX}{meta.artifact_id}"
            with storage.transaction() as connection:
                connection.execute(
                    SYSTEM_ATTRS.delete().where(SYSTEM_ATTRS.c.trial_id == trial_id(trial), record)
                )
    storage.outdate(trial_id(trial))


def is_shared(storage: TrialStorage, artifact_id: str, own_trial: int | None = None) -> bool:
    """Tell whether another trial names the same file, as in a study that Optuna has copied."""
    others = select(SYSTEM_ATTRS.c.trial_id).where(
        SYSTEM_ATTRS.c.key == f"{ARTIFACT_PREFIX}{artifact_id}"
    )
    with storage.reading() as connection:
        return any(i != own_trial for i in connection.execute(others).scalars())


def _best(
    connection: Connection,
    study_id: int,
    direction: StudyDirection,
    holding: Mapping[int, float],
    keep: int,
    ending: Mapping[int, float] | None = None,
) -> list[int]:
    """Return which of the trials that hold files are to keep them: id -> value, the best first."""
    points = seeded_points(connection, study_id, ending)
    if points is None:
        return ids_in_order(direction, holding)[:keep]
    groups = [point.values for point in points_to_keep(direction, points, keep)]
    own = [{i: holding[i] for i in group if i in holding} for group in groups]
    return [i for each in own for i in ids_in_order(direction, each)[:1]]


def _complete(holders: Iterable[_Holder]) -> dict[int, float]:
    return {
        holder: value
        for state, value, holder in holders
        if state is TrialState.COMPLETE and value is not None
    }


def _holders(connection: Connection, study_id: int) -> list[_Holder]:
    """Return state, value (None unless finite) and id of the ended trials that have files."""
    statement = (
        select(TRIALS.c.state, VALUES.c.value, TRIALS.c.trial_id)
        .join(SYSTEM_ATTRS, SYSTEM_ATTRS.c.trial_id == TRIALS.c.trial_id)
        .outerjoin(VALUES, VALUES.c.trial_id == TRIALS.c.trial_id)
        .where(
            TRIALS.c.study_id == study_id,
            TRIALS.c.state.in_(FINISHED),
            SYSTEM_ATTRS.c.key.startswith(ARTIFACT_PREFIX, autoescape=True),
        )
        .distinct()
    )
    return [(state, value, i) for state, value, i in connection.execute(statement)]
