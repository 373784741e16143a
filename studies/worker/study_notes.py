"""Which studies have files in a folder of artifacts: a note for each, which outlives the study.

Studies of several storages may share a folder. Without the notes nobody could tell the files of a
deleted study from those of another storage's.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path

from storage import TrialStorage, masked_url
from studies.worker.checkpoints import mark_of

FOLDER = "studies"  # inside the folder of artifacts


@dataclass(frozen=True)
class StudyNote:
    """What is noted of a study.

    Attributes:
        name: Its name when a worker opened it first.
        created_at: When it was made, which tells it from others of its name.
        storage: Where it is, or was.
    """

    name: str
    created_at: str
    storage: str

    def file(self, artifacts: Path) -> Path:
        """Return the file of the note."""
        return artifacts / FOLDER / f"{mark_of(self.created_at)}.json"


def write_note(artifacts: Path, note: StudyNote) -> None:
    """Note that a study may have files in a folder, unless that is noted or cannot be."""
    file = note.file(artifacts)
    with contextlib.suppress(OSError):
        if not file.exists():
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(asdict(note)), encoding="utf-8")


def read_notes(artifacts: Path) -> list[StudyNote]:
    """Return the notes of a folder; what is no note is left out."""
    notes = []
    for file in sorted((artifacts / FOLDER).glob("*.json")):
        with contextlib.suppress(OSError, ValueError, TypeError):
            notes.append(StudyNote(**json.loads(file.read_text(encoding="utf-8"))))
    return notes


def place_of(storage: TrialStorage) -> str:
    """Return the URL of a storage without its password, the same from every folder."""
    url = storage.engine.url
    if url.get_backend_name() == "sqlite" and not str(url.database).startswith("file:"):
        url = url.set(database=str(Path(str(url.database)).absolute()))
    return masked_url(url.render_as_string(hide_password=False))
