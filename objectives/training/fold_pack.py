"""Trials that are trained once for each fold of the data, all folds epoch by epoch together."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from objectives.errors import SettingError
from objectives.training.checkpoint import Checkpoint
from objectives.training.compile_clock import compile_clock
from objectives.training.epochs import Epochs
from objectives.training.result import FoldResults, TrainingResult, result_of
from objectives.training.training_pack import TrainingPack, TrainingTrial
from objectives.types import Array


class FoldTrial:
    """A trial, and what trains it on each fold.

    Args:
        task: The trial's task.
        inner: What trains on each fold.

    Attributes:
        task: That of the last fold, by which a pack knows how the trial was trained.
        inner: As given.
        epochs: The epochs of the means over the folds; they end the trial.
        started: When it began, as `time.perf_counter` tells.
        compiled_before: The seconds that this process had compiled until then.
    """

    def __init__(self, task: Any, inner: Sequence[TrainingTrial]) -> None:
        self.task = inner[-1].task
        self.inner = inner
        n_epochs = inner[0].epochs.n_epochs
        self.epochs = Epochs(task.hyperparameters, task.metric, task.maximize, n_epochs)
        self.started = time.perf_counter()
        self.compiled_before = compile_clock.seconds

    def stop(self) -> None:
        """End the trial after the last completed epoch, for instance because it is pruned."""
        if self.epochs.stopped != "diverged":
            self.epochs.stopped = "by_report"


class FoldPack:
    """Trains trials on all folds; what is reported, ranked and stopped by is the mean over them.

    Args:
        packs: What trains on each fold.
    """

    def __init__(self, packs: Sequence[TrainingPack]) -> None:
        self._packs = packs
        self.trials: list[FoldTrial] = []

    @property
    def wanted(self) -> int:
        """The number of trials to train at once."""
        return max(pack.wanted for pack in self._packs)

    def add(self, tasks: Sequence[Any]) -> list[FoldTrial]:
        """Add trials, each at its beginning or at its checkpoint; raises as the packs do."""
        n = len(self._packs)
        parts = [_parts(task.checkpoint, n) for task in tasks]
        inner = [
            pack.add([_of_fold(task, own[i]) for task, own in zip(tasks, parts, strict=True)])
            for i, pack in enumerate(self._packs)
        ]
        added = [FoldTrial(task, [each[k] for each in inner]) for k, task in enumerate(tasks)]
        for trial, task in zip(added, tasks, strict=True):
            done = {one.epochs.completed for one in trial.inner}
            if task.checkpoint is not None and done != {0}:
                trial.epochs.resume(task.checkpoint.epochs["mean"])
        self.trials += added
        return added

    def train_epoch(self) -> list[tuple[FoldTrial, dict[str, float]]]:
        """Train every trial for its next epoch on all folds; return each with its mean metrics."""
        found = [dict(pack.train_epoch()) for pack in self._packs]
        trained = []
        for trial in self.trials:
            own = [metrics[one] for metrics, one in zip(found, trial.inner, strict=True)]
            mean = {name: float(np.mean([each[name] for each in own])) for name in own[0]}
            trial.epochs.record(mean)
            trained.append((trial, mean))
        return trained

    def take_ended(self) -> list[tuple[FoldTrial, TrainingResult]]:
        """Take out the trials that have ended; return them with their results."""
        ended = [trial for trial in self.trials if trial.epochs.stopped is not None]
        for trial in ended:
            for one in trial.inner:
                if one.epochs.stopped is None:
                    one.stop()
        inner = {one: result for pack in self._packs for one, result in pack.take_ended()}
        self.trials = [trial for trial in self.trials if trial not in ended]
        return [(trial, _result(trial, inner[trial.inner[0]])) for trial in ended]

    def checkpoint(self, trial: FoldTrial) -> Checkpoint:
        """Copy a trial's state on all folds."""
        pairs = zip(self._packs, trial.inner, strict=True)
        parts = [pack.checkpoint(one) for pack, one in pairs]
        folds = [{"arrays": len(part.state), "epochs": part.epochs} for part in parts]
        state = [array for part in parts for array in part.state]
        return Checkpoint(state, {"folds": folds, "mean": trial.epochs.state()})


def _parts(checkpoint: Checkpoint | None, n: int) -> list[Checkpoint | None]:
    """Return the checkpoint of each of `n` folds."""
    if checkpoint is None or len(checkpoint.epochs.get("folds", ())) != n:
        return [None] * n
    parts: list[Checkpoint | None] = []
    rest: list[Array] = list(checkpoint.state)
    for fold in checkpoint.epochs["folds"]:
        parts.append(Checkpoint(rest[: fold["arrays"]], fold["epochs"]))
        rest = rest[fold["arrays"] :]
    return parts


def _of_fold(task: Any, checkpoint: Checkpoint | None) -> Any:
    """Return the task of one fold, which the mean over the folds ends."""
    own = task.hyperparameters.model_copy(update={"early_stopping_patience": None})
    return replace(task, hyperparameters=own, checkpoint=checkpoint)


def _result(trial: FoldTrial, inner: TrainingResult) -> TrainingResult:
    epochs = trial.epochs
    kept = epochs.best if epochs.hyperparameters.restore_best_weights else epochs.completed
    values = [one.epochs.history[epochs.metric][kept - 1] for one in trial.inner if kept > 0]
    result = result_of(
        epochs,
        started=trial.started,
        compiled_before=trial.compiled_before,
        parameter_count=inner.parameter_count,
        weights=[],
        build=_no_network,
    )
    best_epochs = [one.epochs.best for one in trial.inner]
    return replace(result, folds=FoldResults(values, best_epochs))


def _no_network(weights: list[Array]) -> keras.Model:
    raise SettingError(
        "Expected a trial of one network. Received: one of folds, which has one for each of them."
    )
