"""The points of a study in the order in which they were drawn, each with its value, if it has one.

Trials that take long are missing among those that have ended, so that these are no random sample
while others run: where long ones are good, the mean and the best of them are too low. How many were
drawn before the first one that has not ended hangs far less on what they are like; a few points are
lost, and nearly all of the bias.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, takewhile
from math import inf, isinf, isnan
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from storage import Parts, first_attempt, latest_attempts, started_trials, waiting_trials
from storage.seeds import mean
from storage.study_attributes import FIXED_PARAMS_KEY, POINT_KEY, RETRIED_AS_KEY, SEED_KEY
from studies.attributes import DEFINITION_KEY
from studies.errors import AnswerError
from studies.results.search_order import is_design

READ = Parts(user_attrs=(RETRIED_AS_KEY,), histories=False, reports=())
ENOUGH = 0.5  # of all that have ended: the share of those before the first that has not


@dataclass(frozen=True)
class Draw:
    """A point of which a trial has begun.

    Attributes:
        has_ended: Whether all of its trials have ended, and none of them is queued again.
        is_in_order: Whether all points of the list before it have begun too.
        value: Its value, the mean where it has several seeds; None where one of them failed, was
            pruned, or came to an infinite loss: it is no better than the best. None too where it
            has not ended.
        params: The parameters of each of its trials, which differ in their seed at most.
        was_pruned: Whether a trial of it was pruned.
        is_given: Whether it is a known setting, or a trial that someone else has queued.
    """

    has_ended: bool
    is_in_order: bool
    value: float | None
    params: Sequence[Mapping[str, Any]]
    was_pruned: bool
    is_given: bool


def read_draws(study: optuna.Study) -> list[Draw]:
    """Return the points of a study that have begun, in the order in which they were drawn.

    Raises:
        AnswerError: The best value is infinite.
    """
    search = study.user_attrs.get(DEFINITION_KEY, {}).get("search", {})
    # Those that wait come first: one that is claimed in between is in both, and not in neither.
    waiting = {_setting(trial) for trial in waiting_trials(study, READ)} if is_design(study) else ()
    attempts = started_trials(study, READ)
    trials = sorted(latest_attempts(attempts), key=first_attempt)
    n_seeds = search.get("replicates", 1) if is_design(study) else 1
    n_given = len({json.dumps(s, sort_keys=True) for s in search.get("enqueue", [])}) * n_seeds
    grouped: dict[object, list[FrozenTrial]] = {}
    for trial in trials:
        key = _setting(trial) if is_design(study) else trial.number
        grouped.setdefault(key, []).append(trial)
    skipped = _first_skipped(attempts) if is_design(study) else inf
    has_ended = {key: key not in waiting and _have_ended(own) for key, own in grouped.items()}
    return [
        Draw(
            has_ended[key],
            first_attempt(own[0]) < skipped,
            _value(study, own) if has_ended[key] else None,
            [trial.params for trial in own],
            any(trial.state is TrialState.PRUNED for trial in own),
            # Known settings are queued before all else; others queue by Optuna's `enqueue_trial`.
            first_attempt(own[0]) < n_given or FIXED_PARAMS_KEY in own[0].system_attrs,
        )
        for key, own in grouped.items()
    ]


def fair_sample(draws: Sequence[Draw]) -> tuple[list[Draw], bool]:
    """Return ended points that are, as far as there are enough, not chosen by how long they took.

    Args:
        draws: The points that have begun, in the order in which they were drawn.

    Returns:
        Those drawn before the first point that has not ended, and True. Where they are fewer than
        half of those that have ended, as beside a trial that takes very long, all of these, and
        False.
    """
    ended = [draw for draw in draws if draw.has_ended]
    first = list(takewhile(lambda draw: draw.has_ended and draw.is_in_order, draws))
    is_fair = len(first) >= ENOUGH * len(ended) and any(draw.value is not None for draw in first)
    return (first if is_fair else ended), is_fair


def _have_ended(trials: Sequence[FrozenTrial]) -> bool:
    # An attempt whose retry still waits is the last one that has begun.
    return all(t.state.is_finished() and t.user_attrs.get(RETRIED_AS_KEY) is None for t in trials)


def _first_skipped(attempts: Sequence[FrozenTrial]) -> int:
    """Return the least number of a first attempt that no trial has which has begun.

    Trials of one structure are claimed together, and so before others that wait.
    """
    begun = {trial.number for trial in attempts}
    # A retry is no further trial, whether it has begun or waits.
    retries = {trial.user_attrs.get(RETRIED_AS_KEY) for trial in attempts}
    return next(n for n in count() if n not in begun and n not in retries)


def as_gains(draws: Iterable[Draw], direction: StudyDirection) -> list[float]:
    """Return values of which a greater one is better, NaN where there is none."""
    sign = 1 if direction is StudyDirection.MAXIMIZE else -1
    return [float("nan") if draw.value is None else sign * draw.value for draw in draws]


def _setting(trial: FrozenTrial) -> frozenset[tuple[str, object]]:
    is_point = POINT_KEY in trial.system_attrs  # its parameters are suggested when it begins
    params = (trial.system_attrs[FIXED_PARAMS_KEY] if is_point else {}) | trial.params
    return frozenset((name, value) for name, value in params.items() if name != SEED_KEY)


def _value(study: optuna.Study, trials: Sequence[FrozenTrial]) -> float | None:
    values = [t.value for t in trials if t.state is TrialState.COMPLETE and t.value is not None]
    if len(values) < len(trials):
        return None
    found = mean(values)
    best = inf if study.direction is StudyDirection.MAXIMIZE else -inf
    if found == best:
        raise AnswerError(
            f"Expected finite values. Received: trial {trials[0].number} of {study.study_name} "
            f"with {found}. Let its objective return a number, or raise an exception."
        )
    return None if isinf(found) or isnan(found) else found
