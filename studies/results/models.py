"""The trained networks that were kept of a study's best trials."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import optuna

from storage import (
    ArtifactNotKeptError,
    artifact_store,
    best_trial,
    read_artifact,
    storage_of,
)
from studies.attributes import ARTIFACTS_KEY, DEFINITION_KEY
from studies.errors import (
    FileFormatError,
    NetworkNotKeptError,
    NoCompleteTrialError,
)
from studies.lookup import find_trial

if TYPE_CHECKING:
    import keras


def save_model(study: optuna.Study, file: str | Path, trial: int | None = None) -> int:
    """Write the trained network of a trial to a `.keras` file, which stock Keras loads.

    Args:
        study: The study.
        file: The file to write.
        trial: The number of the trial; None for the best one.

    Returns:
        The number of the trial.

    Raises:
        FileFormatError: The file's ending is not .keras.
        NoCompleteTrialError: No trial is complete.
        TrialNotFoundError: There is no such trial.
        FileNotFoundError: The trial's network is not kept.
    """
    path = Path(file)
    if path.suffix != ".keras":
        raise FileFormatError(f"Expected a file name that ends in .keras. Received: {str(file)!r}.")
    found = find_trial(study, _best_number(study) if trial is None else trial)
    store = artifact_store(study.user_attrs[ARTIFACTS_KEY])
    try:
        content = read_artifact(storage_of(study), store, found, path.suffix)
    except ArtifactNotKeptError:
        function = str(study.user_attrs.get(DEFINITION_KEY, {}).get("objective"))
        if ":" not in function:
            raise
        raise NetworkNotKeptError(
            f"Expected a trial whose function has kept a {path.suffix} file. Received: trial="
            f"{found.number} of {function}, of which none is kept. A function keeps files of its "
            "best trials by studies.keep_file(trial, file)."
        ) from None
    path.write_bytes(content)
    return found.number


def load_model(study: optuna.Study, trial: int | None = None) -> keras.Model:
    """Load the trained network of a trial, by default of the best one. Imports Keras.

    It takes pictures as they are in the data set. Its outputs stand, in order, for the labels in
    `study.user_attrs["data_encoding"]["labels"]`.

    Raises:
        TrialNotFoundError: There is no such trial.
        NoCompleteTrialError: No trial is complete yet.
        FileNotFoundError: The trial's network is not kept.
    """
    import keras

    with TemporaryDirectory(prefix="hpo-") as folder:
        file = Path(folder) / "model.keras"
        save_model(study, file, trial)
        return keras.models.load_model(file)


def _best_number(study: optuna.Study) -> int:
    best = best_trial(study)
    if best is None:
        raise NoCompleteTrialError(
            "Expected a study with a complete trial. Received: none is complete."
        )
    return best.number
