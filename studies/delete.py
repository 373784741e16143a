"""Delete a study and its files."""

from __future__ import annotations

from pathlib import Path

from storage import TrialStorage, artifact_store, remove_study, study_id
from studies.attributes import ARTIFACTS_KEY, CREATED_KEY
from studies.lookup import open_study
from studies.worker.checkpoints import remove_checkpoints


def delete_study(name: str, storage: TrialStorage) -> None:
    """Delete a study, its trained networks and its checkpoints.

    Files are deleted only if the study's folder of artifacts is on this machine.

    Raises:
        StudyNotFoundError: There is no such study.
    """
    study = open_study(name, storage)
    attributes = study.user_attrs
    folder = Path(attributes.get(ARTIFACTS_KEY, ""))
    is_here = ARTIFACTS_KEY in attributes and folder.is_dir()
    remove_study(storage, study_id(study), artifact_store(folder) if is_here else None)
    if is_here:
        remove_checkpoints(folder, attributes[CREATED_KEY])
