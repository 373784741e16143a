"""The time that workers have spent on a study, which its timeout limits.

It is wall time: an hour of eight workers is an hour. The time in which no worker executes trials of
the study does not count, as while it is paused.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from storage.rows import database_time, lock_study
from storage.study_attributes import WORKED_KEY, read_study_attribute, write_study_attribute
from storage.trial_storage import TrialStorage


def count_time(storage: TrialStorage, study_id: int, worked_for: float) -> float:
    """Count the time in which a worker has worked on a study, up to now.

    Args:
        storage: The storage.
        study_id: The study.
        worked_for: Seconds for which the worker has done so without a break; 0 where it begins.
            Nothing is counted twice, whoever counted it: neither the clocks of machines nor the
            number of workers matter.

    Returns:
        The seconds counted so far.

    Raises:
        StudyGoneError: The study was deleted.
    """
    with storage.transaction() as connection:
        lock_study(connection, study_id)
        counted = _read(connection, study_id)
        now = database_time(connection)
        if counted is None:
            seconds = 0.0  # the first claim
        else:
            since = max(datetime.fromisoformat(counted["until"]), now - timedelta(0, worked_for))
            seconds = counted["seconds"] + max(0.0, (now - since).total_seconds())
        new = {"seconds": seconds, "until": now.isoformat()}
        write_study_attribute(connection, study_id, WORKED_KEY, new)
    return float(seconds)


def seconds_worked(connection: Connection, study_id: int) -> float:
    """Return the seconds that workers have spent on a study, as far as they are counted."""
    counted = _read(connection, study_id)
    return 0.0 if counted is None else float(counted["seconds"])


def _read(connection: Connection, study_id: int) -> dict[str, Any] | None:
    found: dict[str, Any] | None = read_study_attribute(connection, study_id, WORKED_KEY)
    return found
