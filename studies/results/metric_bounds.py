"""Between which values the metric of a study lies, so that no interval promises others."""

from __future__ import annotations

from math import inf

import optuna

import objectives
from objectives.types import Bounds
from studies.attributes import DEFINITION_KEY

UNBOUNDED: Bounds = (-inf, inf)


def metric_bounds(study: optuna.Study) -> Bounds:
    """Return the bounds of what a study optimizes: an accuracy lies between 0 and 1.

    What a user's own code calls an accuracy may be in percent, and has no bounds here.
    """
    stored = study.user_attrs.get(DEFINITION_KEY, {})
    name = stored.get("objective")
    if name not in objectives.names():
        return UNBOUNDED
    return objectives.get(name).bounds.get(stored["metric"], UNBOUNDED)


def within(ends: tuple[float, float] | None, bounds: Bounds) -> tuple[float, float] | None:
    """Return an interval without what lies beyond the bounds of its metric.

    It covers the mean as often as before, which cannot lie there; a symmetric one ends there where
    few seeds leave it wide.
    """
    if ends is None:
        return None
    low, high = bounds
    return max(ends[0], low), min(ends[1], high)
