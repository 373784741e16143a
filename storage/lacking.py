"""What a study lacks where somebody has deleted rows of its trials: numbers, points of a design."""

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


def missing_numbers(storage: TrialStorage, study_id: int) -> list[int]:
    """Return the numbers before the last one that no trial of a study has: rows were deleted."""
    with storage.reading() as connection:
        if not has_gap(connection, study_id):
            return []
        numbers = select(TRIALS.c.number).where(TRIALS.c.study_id == study_id)
        there = set(connection.execute(numbers).scalars())
    return sorted(set(range(max(there))) - there)


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
