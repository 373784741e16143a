"""What deleted studies have left in folders of artifacts: networks, checkpoints and logs."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from storage import TrialStorage, is_shared, study_attributes
from studies.attributes import ARTIFACTS_KEY, CREATED_KEY
from studies.create import default_artifacts
from studies.lookup import file_name
from studies.worker.checkpoints import checkpoints_of, mark_of, remove_part
from studies.worker.study_notes import StudyNote, place_of, read_notes

_LOG = re.compile(r".*(-\d+-\d+\.log)")


@dataclass(frozen=True)
class Leftovers:
    """What a deleted study has left in one folder.

    Attributes:
        note: What is known of the study.
        folder: The folder of artifacts.
        files: Its files, and folders of checkpoints.
    """

    note: StudyNote
    folder: Path
    files: tuple[Path, ...]

    @property
    def size(self) -> int:
        """Bytes of the files."""
        every = [f for part in self.files for f in (part, *part.rglob("*")) if f.is_file()]
        return sum(file.stat().st_size for file in every)

    def remove(self) -> None:
        """Remove the files, and at last the note."""
        for part in (*self.files, self.note.file(self.folder)):
            remove_part(part)


def leftovers(storage: TrialStorage, artifacts: Path | None = None) -> list[Leftovers]:
    """Return what studies have left that were in a storage and are there no longer.

    Files of other storages' studies, which may be in the same folder, are not among them; nor are
    those of studies on which no worker of this version has worked.

    Args:
        storage: The storage.
        artifacts: A folder to search besides those of the storage's studies. By default it is that
            of studies which are given none.
    """
    existing = study_attributes(storage, CREATED_KEY, having=CREATED_KEY)
    folders = study_attributes(storage, ARTIFACTS_KEY, having=ARTIFACTS_KEY).values()
    found = []
    more = (artifacts or default_artifacts(storage.engine.url)).absolute()
    for folder in sorted({more, *map(Path, folders)}):
        notes = read_notes(folder)
        gone = [
            note
            for note in notes
            if note.storage == place_of(storage) and note.created_at not in existing.values()
        ]
        names = {note.name for note in notes if note not in gone} | existing.keys()
        for note in gone:
            files = tuple(_files(storage, folder, note, names))
            found.append(Leftovers(note, folder, files))
    return [each for each in found if each.files]


def _files(
    storage: TrialStorage, folder: Path, note: StudyNote, in_use: Collection[str]
) -> Iterator[Path]:
    for file in sorted(folder.glob(f"{mark_of(note.created_at)}-*")):
        if not is_shared(storage, file.name):  # with a copy of the study
            yield file
    yield from checkpoints_of(folder, note.created_at)
    if note.name in in_use:
        return  # whose logs have the same names
    for log in sorted((folder / "logs").glob("*.log")):
        ending = _LOG.fullmatch(log.name)
        if ending and log.name == file_name(note.name, ending[1]):
            yield log
