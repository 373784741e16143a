"""Delete a study in one transaction of a dozen statements.

Optuna loads every row of a study first, six collections a trial, and keeps the write lock of SQLite
meanwhile; on PostgreSQL a row that a worker adds in that time makes it give up without a word.
"""

from __future__ import annotations

from contextlib import suppress

from optuna.artifacts import FileSystemArtifactStore
from optuna.artifacts.exceptions import ArtifactNotFound
from optuna.storages._rdb import models
from sqlalchemy import select

from storage.artifacts import PREFIX
from storage.connect import TrialStorage
from storage.rows import (
    HEARTBEATS,
    INTERMEDIATE_VALUES,
    PARAMS,
    STUDIES,
    STUDY_SYSTEM_ATTRS,
    STUDY_USER_ATTRS,
    SYSTEM_ATTRS,
    TRIALS,
    USER_ATTRS,
    VALUES,
    lock_study,
)

OF_TRIALS = (PARAMS, USER_ATTRS, SYSTEM_ATTRS, VALUES, INTERMEDIATE_VALUES, HEARTBEATS)
OF_STUDIES = (STUDY_USER_ATTRS, STUDY_SYSTEM_ATTRS, models.StudyDirectionModel.__table__)


def remove_study(
    storage: TrialStorage, study_id: int, store: FileSystemArtifactStore | None
) -> None:
    """Delete a study, its trials and the files that were kept of them.

    Args:
        storage: The storage.
        study_id: The study.
        store: Its artifact store; None where this machine has none.

    Raises:
        KeyError: The study was deleted before.
    """
    trials = select(TRIALS.c.trial_id).where(TRIALS.c.study_id == study_id)
    noted = SYSTEM_ATTRS.c.key.startswith(PREFIX, autoescape=True)
    with storage.transaction() as connection:
        lock_study(connection, study_id)
        # Whoever adds something to a trial has locked it, or waits here and finds it gone.
        connection.execute(trials.order_by(TRIALS.c.trial_id).with_for_update()).all()
        kept = select(SYSTEM_ATTRS.c.key).where(SYSTEM_ATTRS.c.trial_id.in_(trials), noted)
        files = list(connection.execute(kept).scalars())
        for table in OF_TRIALS:
            connection.execute(table.delete().where(table.c.trial_id.in_(trials)))
        for table in (TRIALS, *OF_STUDIES, STUDIES):
            connection.execute(table.delete().where(table.c.study_id == study_id))
    storage.forget(study_id)
    if store is None:
        return
    for key in files:
        with suppress(ArtifactNotFound):
            store.remove(key.removeprefix(PREFIX))
