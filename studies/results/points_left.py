"""How many points of a study's space no trial has come to yet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import optuna

from studies.definition.study import StudyDefinition
from studies.designs.points import initial_points
from studies.errors import HpoError
from studies.lookup import definition_of
from studies.results.draws import Draw
from studies.space.factor import Scalar

MOST_LISTED = 10_000  # points of a space that are counted
_Point = frozenset[tuple[str, Scalar]]


def points_left(study: optuna.Study, draws: Sequence[Draw]) -> int | None:
    """Return how many points of a plan or of a space have not ended yet.

    Args:
        study: The study.
        draws: Its points that have begun.

    Returns:
        None where there is no end of them, as in a continuous range, or where that is unknown.
    """
    with suppress(HpoError, ValueError, OSError):  # as where its data are not on this machine
        definition = definition_of(study)
        known = definition.factors.factors.keys()
        if not known or any(not params.keys() <= known for d in draws for params in d.params):
            return None  # its function suggests parameters of its own
        every = _every_point(definition)
        known_to = [draw for draw in draws if draw.has_ended]
        ended = {_point(definition, params) for draw in known_to for params in draw.params}
        return len(every - ended) if every else None
    return None


def _every_point(definition: StudyDefinition) -> set[_Point]:
    """Return all points of a design, or of a space; none where there is no end of them."""
    if definition.search.design not in (None, "random"):
        points = initial_points(definition.with_budget(None))
        return {_point(definition, point.params) for point in points}
    return {_point(definition, point) for point in definition.factors.listed(MOST_LISTED)}


def _point(definition: StudyDefinition, params: Mapping[str, Any]) -> _Point:
    known = definition.factors.factors
    return frozenset((n, known[n].level_of(v) if n in known else v) for n, v in params.items())
