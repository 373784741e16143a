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
from studies.executor.function_folder import KEPT, RESUME, part_of, values_so_far
from studies.worker.checkpoints import checkpoint_file


def checkpoint_folder(trial: optuna.Trial) -> Path:
    """Return the folder from which a retry of this trial goes on, for use in a user's function.

    What the function writes here is found by the next attempt after its worker was lost or told to
    stop, on any machine that reaches the study's folder of artifacts. It is removed when the trial
    has ended. A process may be killed at any time, so write a file under another name first, and
    then rename it. Where a trial has several seeds, each of their calls has a folder of its own.

    Args:
        trial: The trial that the function was called with.

    Raises:
        StudyNotFoundError: The trial is not one of this service's.
    """
    folder = _part(trial, RESUME)
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def keep_file(trial: optuna.Trial, file: str | Path) -> None:
    """Keep a copy of a file with the trial if it ends among the best, for use in a function.

    The files of the best trials, as many as the study's `keep` says, become artifacts, which the
    dashboard shows. A later file of the same name takes the place of the first. `hpo model` writes
    a kept `.keras` file. Of a trial of several seeds the files of the best seed's call are kept.

    Args:
        trial: The trial that the function was called with.
        file: The file.

    Raises:
        StudyNotFoundError: The trial is not one of this service's.
        OSError: The file cannot be copied.
    """
    folder = _part(trial, KEPT)
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(file, folder / Path(file).name)


def folder_of(checkpoint: Path) -> Path:
    """Return the folder of a function's trial; `checkpoint` is the file of a network's."""
    return checkpoint.with_suffix("")


def files_to_keep(checkpoint: Path, seed_number: int | None = None) -> list[Path]:
    """Return the files that the function of a trial wants to keep.

    Args:
        checkpoint: The trial's.
        seed_number: Of which seed, from 0; None where the trial has one.
    """
    folder = part_of(folder_of(checkpoint), KEPT, seed_number)
    return sorted(folder.iterdir()) if folder.is_dir() else []


def seeds_ended(checkpoint: Path) -> int:
    """Return with how many of its seeds a trial's function needs no further call."""
    return len(values_so_far(folder_of(checkpoint)))


def can_resume(checkpoint: Path, n_seeds: int) -> bool:
    """Tell whether the function of a trial has left something to go on from, with its last seed."""
    number = None if n_seeds == 1 else seeds_ended(checkpoint)
    folder = part_of(folder_of(checkpoint), RESUME, number)
    return folder.is_dir() and any(folder.iterdir())


def _part(trial: optuna.Trial, part: str) -> Path:
    return part_of(_folder_of(trial), part, getattr(trial, "seed_number", None))


def _folder_of(trial: optuna.Trial) -> Path:
    attributes = trial.study.user_attrs
    if ARTIFACTS_KEY not in attributes or CREATED_KEY not in attributes:
        raise StudyNotFoundError(
            "Expected a trial of a study that this service has made, with a folder for its files. "
            f"Received: trial {trial.number} of study {trial.study.study_name!r}."
        )
    stored = storage_of(trial.study).get_trial(trial_id(trial))
    artifacts = Path(attributes[ARTIFACTS_KEY])
    return folder_of(checkpoint_file(artifacts, attributes[CREATED_KEY], stored))
