"""A study that was renamed in the dashboard, or copied by Optuna: its definition names another."""

from __future__ import annotations

from datetime import UTC, datetime

import optuna

from storage import separate, storage_of, study_id
from studies.attributes import CREATED_KEY, DEFINITION_KEY


def settle(study: optuna.Study) -> None:
    """Record the name that a study has now, and make a copy another study than its original.

    The files of its checkpoints are then its own. It may be done twice, and by several workers.
    """
    stored = study.user_attrs.get(DEFINITION_KEY)
    if stored is None or stored["name"] == study.study_name:
        return
    separate(storage_of(study), study_id(study), CREATED_KEY, datetime.now(UTC).isoformat())
    study.set_user_attr(DEFINITION_KEY, {**stored, "name": study.study_name})
