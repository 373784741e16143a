"""The one place in `storage` that knows private names of Optuna.

Optuna gives no public way to the id of a study or of a trial, without which no SQL can be written,
nor from a study to its storage.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import optuna
from optuna.trial import FrozenTrial, Trial

if TYPE_CHECKING:
    from storage.connect import TrialStorage


def study_id(study: optuna.Study) -> int:
    """Return the id of a study in its storage."""
    return study._study_id


def trial_id(trial: FrozenTrial | Trial) -> int:
    """Return the id of a trial in its storage."""
    return trial._trial_id


def storage_of(study: optuna.Study) -> TrialStorage:
    """Return the storage of a study.

    Raises:
        TypeError: The study was not opened through `storage.create_storage`.
    """
    from storage.connect import TrialStorage

    found = study._storage
    if not isinstance(found, TrialStorage):
        raise TypeError(
            "Expected a study in a storage that create_storage has opened. "
            f"Received: study={study.study_name!r} in a {type(found).__name__}. "
            "Load it with studies.load_study."
        )
    return found
