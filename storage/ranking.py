"""The order of a study's completed trials, the same wherever they are shown or written."""

from __future__ import annotations

import optuna
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState


def best_rows(study: optuna.Study, top: int) -> list[FrozenTrial]:
    """Return the `top` best completed trials as Optuna has them, the best first."""
    trials = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    sign = -1 if study.direction == StudyDirection.MAXIMIZE else 1
    return sorted(trials, key=lambda trial: (sign * _value(trial), trial.number))[:top]


def _value(trial: FrozenTrial) -> float:
    assert trial.value is not None, "a completed trial has a value"
    return trial.value
