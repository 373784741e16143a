"""The points of a design that a study lacks, as where somebody has deleted a row of its trials."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, func, select

from storage.point_keys import point_key, point_keys
from storage.rows import Point
from storage.study_attributes import SEED_KEY
from storage.tables import TRIALS
from storage.trial_storage import TrialStorage


def lacking_points(storage: TrialStorage, study_id: int, points: Sequence[Point]) -> list[Point]:
    """Return those of a design's points of which a study has no trial, because rows were deleted.

    Args:
        storage: The storage.
        study_id: The study.
        points: The points that were queued, in order.
    """
    with storage.reading() as connection:
        return lacking(connection, study_id, points) if has_gap(connection, study_id) else []


def has_gap(connection: Connection, study_id: int) -> bool:
    """Tell whether a number of a trial is missing before the last one."""
    numbers = func.count(TRIALS.c.number.distinct()), func.max(TRIALS.c.number)
    n, last = connection.execute(select(*numbers).where(TRIALS.c.study_id == study_id)).one()
    return last is not None and n <= last


def lacking(connection: Connection, study_id: int, points: Sequence[Point]) -> list[Point]:
    """Return those of `points` of which a study has no trial with the parameters and the seed."""
    known = set(point_keys(connection, TRIALS.c.study_id == study_id).values())
    return [p for p in points if point_key(_internal(p), p.user_attrs.get(SEED_KEY)) not in known]


def _internal(point: Point) -> dict[str, float]:
    return {name: point.distributions[name].to_internal_repr(v) for name, v in point.params.items()}
