"""Delete a study in one transaction of a dozen statements.

Optuna loads every row of a study first, six collections for each trial, and holds the write lock of
SQLite meanwhile; on PostgreSQL it gives up silently when a worker adds a row in that time.
"""

from __future__ import annotations

from contextlib import suppress

from optuna.artifacts import FileSystemArtifactStore
from optuna.artifacts.exceptions import ArtifactNotFound
from sqlalchemy import select

from storage.artifacts import is_shared
from storage.rows import lock_study
from storage.study_attributes import ARTIFACT_PREFIX
from storage.tables import (
    HEARTBEATS,
    INTERMEDIATE_VALUES,
    PARAMS,
    STUDIES,
    STUDY_DIRECTIONS,
    STUDY_SYSTEM_ATTRS,
    STUDY_USER_ATTRS,
    SYSTEM_ATTRS,
    TRIALS,
    USER_ATTRS,
    VALUES,
)
from storage.trial_storage import TrialStorage

OF_TRIALS = (PARAMS, USER_ATTRS, SYSTEM_ATTRS, VALUES, INTERMEDIATE_VALUES, HEARTBEATS)
OF_STUDIES = (STUDY_USER_ATTRS, STUDY_SYSTEM_ATTRS, STUDY_DIRECTIONS)


def remove_study(
    storage: TrialStorage, study_id: int, store: FileSystemArtifactStore | None
) -> None:
    """Delete a study, its trials and their kept files.

    Args:
        storage: The storage.
        study_id: The study.
        store: Its artifact store; None where this machine has none. A file that another study
            names too, as where one is a copy of the other, stays.

    Raises:
        StudyGoneError: The study was already deleted.
    """
    trials = select(TRIALS.c.trial_id).where(TRIALS.c.study_id == study_id)
    names_file = SYSTEM_ATTRS.c.key.startswith(ARTIFACT_PREFIX, autoescape=True)
    with storage.transaction() as connection:
        lock_study(connection, study_id)
        # A transaction that adds rows to a trial locks it first: it has ended by now, or it waits
        # for this one and then finds no trial.
        connection.execute(trials.order_by(TRIALS.c.trial_id).with_for_update()).all()
        kept = select(SYSTEM_ATTRS.c.key).where(SYSTEM_ATTRS.c.trial_id.in_(trials), names_file)
        files = list(connection.execute(kept).scalars())
        for table in OF_TRIALS:
            connection.execute(table.delete().where(table.c.trial_id.in_(trials)))
        for table in (TRIALS, *OF_STUDIES, STUDIES):
            connection.execute(table.delete().where(table.c.study_id == study_id))
    storage.forget(study_id)
    if store is None:
        return
    for key in files:
        artifact_id = key.removeprefix(ARTIFACT_PREFIX)
        with suppress(ArtifactNotFound):
            if not is_shared(storage, artifact_id):
                store.remove(artifact_id)
