"""The artifact folders of all studies as the one artifact store that the dashboard takes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from optuna.artifacts import FileSystemArtifactStore
from optuna.artifacts.exceptions import ArtifactNotFound

from storage import TrialStorage, artifact_store, study_attributes
from studies.attributes import ARTIFACTS_KEY


class StudiesStore:
    """An Optuna artifact store over the folders of all studies in a storage.

    The folders are looked up on each call, since studies may be created while the dashboard runs.
    Artifact ids are random, so that an id is in one folder only.

    Args:
        storage: The storage of the studies.
    """

    def __init__(self, storage: TrialStorage) -> None:
        self._storage = storage

    def open_reader(self, artifact_id: str) -> BinaryIO:
        """Open an artifact.

        Raises:
            ArtifactNotFound: No folder on this machine has the artifact.
        """
        for store in self._stores():
            try:
                return store.open_reader(artifact_id)
            except ArtifactNotFound:
                continue
        raise ArtifactNotFound(f"There is no artifact {artifact_id} here.")

    def write(self, artifact_id: str, content_body: BinaryIO) -> None:
        """Store a file that a user uploads in the dashboard.

        Raises:
            OSError: No study has a folder on this machine, or it cannot be written.
        """
        for store in self._stores():
            return store.write(artifact_id, content_body)
        raise FileNotFoundError("Expected a folder of artifacts on this machine. Received: none.")

    def remove(self, artifact_id: str) -> None:
        """Remove an artifact; a missing one is no error."""
        for store in self._stores():
            try:
                store.remove(artifact_id)
            except ArtifactNotFound:
                continue

    def _stores(self) -> Iterator[FileSystemArtifactStore]:
        """Yield the stores of the folders on this machine, that of the newest study first."""
        found = study_attributes(self._storage, ARTIFACTS_KEY, having=ARTIFACTS_KEY)
        for folder in dict.fromkeys(reversed(list(found.values()))):
            if Path(folder).is_dir():
                yield artifact_store(folder)
