"""Studies that were copied by Optuna, which copies all attributes of a study."""

from __future__ import annotations

from typing import Any

from sqlalchemy import func, select

from storage.rows import lock_study
from storage.study_attributes import read_study_attribute, write_study_attribute
from storage.tables import STUDY_USER_ATTRS
from storage.trial_storage import TrialStorage


def separate(storage: TrialStorage, study_id: int, key: str, new: Any) -> None:
    """Write a study's user attribute if another study has the same value, as its original has.

    Of several workers that do so at one moment, the first does it.

    Args:
        storage: The storage.
        study_id: The study.
        key: The attribute.
        new: Its new value.

    Raises:
        StudyGoneError: The study was deleted.
    """
    table = STUDY_USER_ATTRS
    own = select(table.c.value_json).where(table.c.study_id == study_id, table.c.key == key)
    same = select(func.count()).where(table.c.key == key)
    with storage.transaction() as connection:
        lock_study(connection, study_id)
        if read_study_attribute(connection, study_id, key) is None:
            return
        same = same.where(table.c.value_json == own.scalar_subquery())
        if connection.execute(same).scalar_one() > 1:
            write_study_attribute(connection, study_id, key, new)
