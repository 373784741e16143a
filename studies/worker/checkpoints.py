"""Where the checkpoints of trials lie until they have ended: files beside the kept networks.

A retry goes on from the checkpoint of the attempt before it, on any machine that sees the folder;
without one it begins anew. objectives/training/checkpoint.py describes the content of the files.
A user's function has a folder instead, see studies/worker/function_files.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import shutil
from pathlib import Path

from optuna.trial import FrozenTrial

from storage import StaleTrial, TrialStorage, first_attempt, read_study_attributes
from studies.attributes import ARTIFACTS_KEY, CREATED_KEY

FOLDER = "checkpoints"  # inside the folder of the study's artifacts
GIVEN_UP = ".given-up"  # the ending of a note beside a checkpoint


def checkpoint_file(artifacts: Path, created_at: str, trial: FrozenTrial) -> Path:
    """Return the file that a trial shares with its retries; one ending in .json lies beside it.

    Args:
        artifacts: The folder of the study's artifacts, which other studies may share.
        created_at: When the study was made. Neither its name nor, on SQLite, its id is unique: both
            may be given again after a study is deleted.
        trial: The trial.
    """
    return _file(artifacts, created_at, first_attempt(trial))


def remove_checkpoint(file: Path) -> None:
    """Remove the files of a checkpoint that exist, and the folder of a function."""
    for part in (file, *map(file.with_suffix, (".json", GIVEN_UP, ""))):
        remove_part(part)


def note_given_up(checkpoint: Path, trial: FrozenTrial) -> None:
    """Note that the worker of a trial ends because the database is away, and cannot say so there.

    Whoever queues the trial again then does not count it among those that end their workers.

    Args:
        checkpoint: The trial's, whether or not it exists.
        trial: The trial.
    """
    with contextlib.suppress(OSError):  # it must not hide why the worker ends
        checkpoint.parent.mkdir(parents=True, exist_ok=True)
        checkpoint.with_suffix(GIVEN_UP).write_text(str(trial.number))


def was_given_up(storage: TrialStorage, trial: StaleTrial) -> bool:
    """Tell whether the worker of a trial has noted that it gives the trial up.

    Where this machine does not see the folder of the study's artifacts, nothing is known.
    """
    attributes = read_study_attributes(storage, trial.study_id, "user_attrs")
    if ARTIFACTS_KEY not in attributes or CREATED_KEY not in attributes:
        return False
    artifacts, created_at = Path(attributes[ARTIFACTS_KEY]), attributes[CREATED_KEY]
    note = _file(artifacts, created_at, trial.first_attempt).with_suffix(GIVEN_UP)
    try:
        return note.read_text() == str(trial.number)
    except OSError:
        return False


def checkpointed(artifacts: Path, created_at: str) -> dict[int, list[Path]]:
    """Return the files of a study's checkpoints, whole or not: first attempt -> files."""
    found: dict[int, list[Path]] = {}
    for file in checkpoints_of(artifacts, created_at):
        number = file.name.partition("-")[2].partition(".")[0]
        if number.isdecimal():
            found.setdefault(int(number), []).append(file)
    return found


def remove_checkpoints(artifacts: Path, created_at: str) -> None:
    """Remove all checkpoints of a study."""
    for file in checkpoints_of(artifacts, created_at):
        remove_part(file)


def checkpoints_of(artifacts: Path, created_at: str) -> list[Path]:
    """Return the files of a study's checkpoints, and the folders of a function's."""
    return sorted((artifacts / FOLDER).glob(f"{mark_of(created_at)}-*"))


def remove_part(part: Path) -> None:
    """Remove a file or a folder of a checkpoint, if it is there."""
    with contextlib.suppress(OSError):  # as where this machine does not have the folder
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink()


def _file(artifacts: Path, created_at: str, first: int) -> Path:
    return artifacts / FOLDER / f"{mark_of(created_at)}-{first}.npz"


def mark_of(created_at: str) -> str:
    """Return with what the names of a study's files begin."""
    return hashlib.sha256(created_at.encode()).hexdigest()[:16]
