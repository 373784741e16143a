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

from storage import first_attempt

FOLDER = "checkpoints"  # inside the folder of the study's artifacts


def checkpoint_file(artifacts: Path, created_at: str, trial: FrozenTrial) -> Path:
    """Return the file that a trial shares with its retries; one ending in .json lies beside it.

    Args:
        artifacts: The folder of the study's artifacts, which other studies may share.
        created_at: When the study was made. Neither its name nor, on SQLite, its id is unique: both
            may be given again after a study is deleted.
        trial: The trial.
    """
    return artifacts / FOLDER / f"{_prefix(created_at)}-{first_attempt(trial)}.npz"


def remove_checkpoint(file: Path) -> None:
    """Remove the files of a checkpoint that exist, and the folder of a function."""
    for part in (file, file.with_suffix(".json"), file.with_suffix("")):
        remove_part(part)


def checkpointed(artifacts: Path, created_at: str) -> dict[int, list[Path]]:
    """Return the files of a study's checkpoints, whole or not: first attempt -> files."""
    found: dict[int, list[Path]] = {}
    for file in (artifacts / FOLDER).glob(f"{_prefix(created_at)}-*"):
        number = file.name.partition("-")[2].partition(".")[0]
        if number.isdecimal():
            found.setdefault(int(number), []).append(file)
    return found


def remove_checkpoints(artifacts: Path, created_at: str) -> None:
    """Remove all checkpoints of a study."""
    for file in (artifacts / FOLDER).glob(f"{_prefix(created_at)}-*"):
        remove_part(file)


def remove_part(part: Path) -> None:
    """Remove a file or a folder of a checkpoint, if it is there."""
    with contextlib.suppress(OSError):  # as where this machine does not have the folder
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink()


def _prefix(created_at: str) -> str:
    return hashlib.sha256(created_at.encode()).hexdigest()[:16]
