"""Tell a worker what training came to: the answers of a `Trainer`, with finite numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from studies.attributes import COMPILE_SECONDS_KEY, TRAIN_SECONDS_KEY
from studies.executor.protocol import History, Metrics, TrialEpoch, TrialResult
from studies.executor.report import finite

if TYPE_CHECKING:
    from objectives.training.result import TrainingResult
    from objectives.training.training_pack import TrainingTrial


def trial_epoch(own_id: int, trial: TrainingTrial, metrics: Mapping[str, float]) -> TrialEpoch:
    """Return what is told of a trial's last epoch."""
    return TrialEpoch(
        own_id,
        trial.epochs.completed,
        finite_metrics(metrics),
        trial.epochs.stopped is not None,
        _values_of_seeds(trial),
        trial.lanes,
    )


def trial_result(
    own_id: int, result: TrainingResult, more: Mapping[str, Any], *, compiled: bool
) -> TrialResult:
    """Return what is told of a trial that has ended.

    Args:
        own_id: Its id.
        result: What it came to.
        more: Attributes to record with it, beside those of every trial.
        compiled: Whether its program was compiled for it.
    """
    attributes = {
        **more,
        "best_epoch": result.best_epoch,
        "epochs": result.last_epoch,
        TRAIN_SECONDS_KEY: round(result.train_seconds, 3),
        COMPILE_SECONDS_KEY: round(result.compile_seconds, 3),
        "compiled": compiled,
        "parameter_count": result.parameter_count,
        "history": finite_history(result.history),
    }
    if result.folds is not None:
        values = [finite(value) for value in result.folds.values]
        attributes |= {"fold_values": values, "fold_best_epochs": list(result.folds.best_epochs)}
    reason = result.fail_reason()
    if reason is not None:
        attributes["fail_reason"] = reason
    value = None if result.value is None else finite(result.value)
    seeds = [] if result.seeds is None else result.seeds.values
    return TrialResult(
        own_id,
        value,
        result.stopped == "by_report",
        attributes,
        [None if each is None else finite(each) for each in seeds],
    )


def _values_of_seeds(trial: TrainingTrial) -> list[float | None] | None:
    """Return what the seeds of a trial came to that are trained one by one; None for others."""
    from objectives.training.sequence_pack import SequenceTrial

    if not isinstance(trial, SequenceTrial):
        return None
    return [None if value is None else finite(value) for value in trial.seed_values]


def finite_metrics(metrics: Mapping[str, float]) -> Metrics:
    """Return metrics, each number finite or None."""
    return {name: finite(value) for name, value in metrics.items()}


def finite_history(history: Mapping[str, Sequence[float]]) -> History:
    """Return metrics epoch by epoch, each number finite or None."""
    return {name: [finite(value) for value in values] for name, values in history.items()}
