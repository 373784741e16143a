"""Files of a user's function: what a retry goes on from, and what is kept of its best trials.

Both lie in one folder of the trial's lineage, beside the checkpoints of networks, until the trial
has ended: only its value tells whether its files are among those to keep.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import optuna

from storage import storage_of, trial_id
from studies.attributes import ARTIFACTS_KEY, CREATED_KEY
from studies.errors import StudyNotFoundError
from studies.worker.checkpoints import checkpoint_file

RESUME, KEPT = "resume", "kept"  # the two parts of the folder


def checkpoint_folder(trial: optuna.Trial) -> Path:
    """Return the folder from which a retry of this trial goes on, for use in a user's function.

    What the function writes here is found by the next attempt after its worker was lost or told to
    stop, on any machine that reaches the study's folder of artifacts. It is removed when the trial
    has ended. A process may be killed at any time, so write a file under another name first, and
    then rename it.

    Args:
        trial: The trial that the function was called with.

    Raises:
        StudyNotFoundError: The trial is not one of this service's.
    """
    folder = _folder_of(trial) / RESUME
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def keep_file(trial: optuna.Trial, file: str | Path) -> None:
    """Keep a copy of a file with the trial if it ends among the best, for use in a function.

    The files of the best trials, as many as the study's `keep` says, become artifacts, which the
    dashboard shows. A later file of the same name takes the place of the first. `hpo model` writes
    a kept `.keras` file.

    Args:
        trial: The trial that the function was called with.
        file: The file.

    Raises:
        StudyNotFoundError: The trial is not one of this service's.
        OSError: The file cannot be copied.
    """
    folder = _folder_of(trial) / KEPT
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, folder / Path(file).name)


def files_to_keep(checkpoint: Path) -> list[Path]:
    """Return the files that the function of a trial wants to keep; `checkpoint` is the trial's."""
    folder = checkpoint.with_suffix("") / KEPT
    return sorted(folder.iterdir()) if folder.is_dir() else []


def can_resume(checkpoint: Path) -> bool:
    """Tell whether the function of a trial has left something to go on from."""
    folder = checkpoint.with_suffix("") / RESUME
    return folder.is_dir() and any(folder.iterdir())


def _folder_of(trial: optuna.Trial) -> Path:
    attributes = trial.study.user_attrs
    if ARTIFACTS_KEY not in attributes or CREATED_KEY not in attributes:
        raise StudyNotFoundError(
            "Expected a trial of a study that this service has made, with a folder for its files. "
            f"Received: trial {trial.number} of study {trial.study.study_name!r}."
        )
    stored = storage_of(trial.study).get_trial(trial_id(trial))
    artifacts = Path(attributes[ARTIFACTS_KEY])
    return checkpoint_file(artifacts, attributes[CREATED_KEY], stored).with_suffix("")
