"""The points of a study in the order in which they began, each with its value, if it has one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf, isinf, isnan
from typing import Any

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from storage import Parts, first_attempt, latest_attempts, started_trials
from storage.seeds import mean
from storage.study_attributes import FIXED_PARAMS_KEY, SEED_KEY
from studies.attributes import DEFINITION_KEY
from studies.errors import AnswerError
from studies.results.search_order import is_design

READ = Parts(user_attrs=(), histories=False, reports=())


@dataclass(frozen=True)
class Draw:
    """A point whose trials have all ended.

    Attributes:
        value: Its value, the mean where it has several seeds; None where one of them failed, was
            pruned, or came to an infinite loss: it is no better than the best.
        params: The parameters of each of its trials, which differ in their seed at most.
        was_pruned: Whether a trial of it was pruned.
        is_given: Whether it is a known setting, or a trial that someone else has queued.
    """

    value: float | None
    params: Sequence[Mapping[str, Any]]
    was_pruned: bool
    is_given: bool


def read_draws(study: optuna.Study) -> list[Draw]:
    """Return the points of a study that have ended, in the order in which they began.

    Raises:
        AnswerError: The best value is infinite.
    """
    search = study.user_attrs.get(DEFINITION_KEY, {}).get("search", {})
    trials = sorted(latest_attempts(started_trials(study, READ)), key=first_attempt)
    n_seeds = search.get("replicates", 1) if is_design(study) else 1
    n_given = len({json.dumps(s, sort_keys=True) for s in search.get("enqueue", [])}) * n_seeds
    grouped: dict[object, list[FrozenTrial]] = {}
    for trial in trials:
        key = _setting(trial) if is_design(study) else trial.number
        grouped.setdefault(key, []).append(trial)
    return [
        Draw(
            _value(study, own),
            [trial.params for trial in own],
            any(trial.state is TrialState.PRUNED for trial in own),
            # Known settings are queued before all else; others queue by Optuna's `enqueue_trial`.
            first_attempt(own[0]) < n_given or FIXED_PARAMS_KEY in own[0].system_attrs,
        )
        for own in grouped.values()
        if len(own) >= n_seeds and all(trial.state.is_finished() for trial in own)
    ]


def as_gains(draws: Iterable[Draw], direction: StudyDirection) -> list[float]:
    """Return values of which a greater one is better, NaN where there is none."""
    sign = 1 if direction is StudyDirection.MAXIMIZE else -1
    return [float("nan") if draw.value is None else sign * draw.value for draw in draws]


def _setting(trial: FrozenTrial) -> frozenset[tuple[str, object]]:
    return frozenset((name, value) for name, value in trial.params.items() if name != SEED_KEY)


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
