"""Numbers, durations, values and counts in words, as tables and status lines show them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from optuna.study import StudyDirection

if TYPE_CHECKING:
    import optuna
    from optuna.trial import TrialState

    from objectives import HyperparameterInfo
    from storage import BestPoint


def number(value: float | None) -> str:
    """Return a value with four decimals; below .001 with three digits, from 1e6 on with five."""
    if value is None:
        return ""
    if value == 0 or 1e-3 <= abs(value) < 1e6:
        return f"{value:.4f}"
    return f"{value:.3g}" if abs(value) < 1 else f"{value:.5g}"


def cell(value: float | None) -> str:
    """Write a number of a data frame, nothing where it is missing."""
    return "" if value is None or value != value else number(value)


def p_value(p: float) -> str:
    """Write a p value in three digits, a small one in one."""
    return f"{p:.3f}" if p >= 0.001 else f"{p:.1g}"


def count(n: int, what: str) -> str:
    """Write how many there are of something that takes an s."""
    return f"{n} {what}" + ("" if n == 1 else "s")


def duration(seconds: float) -> str:
    """Return a time in its two largest units: `3 h 5 min`."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def short_time(seconds: float) -> str:
    """Return the time that a trial took: `3.2 s`, or `3 min 5 s`."""
    return f"{seconds:.1f} s" if seconds < 60 else duration(seconds)


def parameter(value: Any) -> str:
    """Return the value of a hyperparameter, short enough for a cell of a table."""
    if isinstance(value, float):
        return f"{value:.3g}"
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value)
    return str(value)


def allowed_values(info: HyperparameterInfo) -> str:
    """Return the levels or the bounds of a hyperparameter; its type where it has neither."""
    if info.levels is not None:
        return ", ".join(str(level) for level in info.levels)
    if info.low is None and info.high is None:
        return info.type
    return f"{info.type} {'' if info.low is None else f'{info.low:g}'}..{info.high:g}"


def trial_counts(counts: Mapping[TrialState, int]) -> str:
    """Return how many trials are in each state: `3 complete, 1 fail`."""
    return ", ".join(f"{n} {state.name.lower()}" for state, n in counts.items() if n)


def metric_name(study: optuna.Study) -> str:
    """Return the name of what a study optimizes."""
    return study.metric_names[0] if study.metric_names else "value"


def best_value(study: optuna.Study, best: BestPoint) -> str:
    """Return the value of the best point with its metric: `val_accuracy 0.9792 (max) in trial 15`.

    Of a point of several seeds it is their mean.
    """
    direction = "max" if study.direction == StudyDirection.MAXIMIZE else "min"
    words = f"{metric_name(study)} {number(best.value)} ({direction})"
    if best.n_seeds < 2:
        return f"{words} in trial {best.trial.number}"
    seeds = f"{len(best.values)} of {best.n_seeds}" if best.n_missing else f"{best.n_seeds}"
    where = "in" if len(best.ids) == 1 and not best.n_missing else "the best of them in"
    return f"{words}, the mean of {seeds} seeds, {where} trial {best.trial.number}"
