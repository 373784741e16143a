"""Trials that are trained several times, epoch by epoch together: for folds of the data, for seeds.

What is reported, ranked and stopped by is the mean over the parts of a trial.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import keras
import numpy as np

from objectives.errors import SettingError
from objectives.training.checkpoint import MEAN_KEY, Checkpoint
from objectives.training.compile_clock import compile_clock
from objectives.training.epochs import Epochs
from objectives.training.result import FoldResults, SeedResults, TrainingResult, result_of
from objectives.training.training_pack import TrainingPack, TrainingTrial
from objectives.types import Array


class MeanTrial:
    """A trial, and the parts that it is trained in.

    Args:
        task: The trial's task.
        parts: What trains each part.

    Attributes:
        task: That of the last part, by which a pack knows how the trial was trained.
        parts: As given.
        epochs: The epochs of the means over the parts; they end the trial.
        started: When it began, as `time.perf_counter` tells.
        compiled_before: The seconds that this process had compiled until then.
    """

    def __init__(self, task: Any, parts: Sequence[TrainingTrial]) -> None:
        self.task = parts[-1].task
        self.parts = parts
        n_epochs = parts[0].epochs.n_epochs
        self.epochs = Epochs(task.hyperparameters, task.metric, task.maximize, n_epochs)
        self.started = time.perf_counter()
        self.compiled_before = compile_clock.seconds

    @property
    def lanes(self) -> int:
        """The number of lanes in which its last part has trained; the others had as many."""
        return self.parts[-1].lanes

    def stop(self) -> None:
        """End the trial after the last completed epoch, for instance because it is pruned."""
        self.epochs.end_by_report()


class MeanPack(ABC):
    """Trains trials in parts, which all have their next epoch before one has another.

    Args:
        packs: What trains the parts.
    """

    _key: str  # of the parts in a checkpoint

    def __init__(self, packs: Sequence[TrainingPack]) -> None:
        self._packs = packs
        self.trials: list[MeanTrial] = []

    @property
    def wanted(self) -> int:
        """The number of parts of trials to train at once in one of the packs."""
        return max(pack.wanted for pack in self._packs)

    @abstractmethod
    def _split(self, task: Any) -> list[tuple[int, Any]]:
        """Return the parts of a trial: the number of a pack, and the part's task."""

    @abstractmethod
    def _result(self, trial: MeanTrial, results: Sequence[TrainingResult]) -> TrainingResult:
        """Return the result of a trial from those of its parts."""

    def add(self, tasks: Sequence[Any]) -> list[MeanTrial]:
        """Add trials, each at its beginning or at its checkpoint; raises as the packs do."""
        split = [self._own_parts(task) for task in tasks]
        parts: list[list[TrainingTrial]] = [[] for _ in tasks]
        for number, pack in enumerate(self._packs):
            own = [(k, each) for k, s in enumerate(split) for n, each in s if n == number]
            added = pack.add([each for _, each in own])
            for (k, _), one in zip(own, added, strict=True):
                parts[k].append(one)
        trials = [MeanTrial(task, own) for task, own in zip(tasks, parts, strict=True)]
        for trial, task in zip(trials, tasks, strict=True):
            done = {one.epochs.completed for one in trial.parts}
            assert len(done) == 1  # a mean of parts that are at different epochs is none
            if task.checkpoint is not None and done != {0}:
                trial.epochs.resume(task.checkpoint.epochs[MEAN_KEY])
        self.trials += trials
        return trials

    def train_epoch(self) -> list[tuple[MeanTrial, dict[str, float]]]:
        """Train every trial for its next epoch in all parts; return each with its mean metrics."""
        found = {one: metrics for pack in self._packs for one, metrics in pack.train_epoch()}
        trained = []
        for trial in self.trials:
            own = [found[one] for one in trial.parts]
            mean = {name: float(np.mean([each[name] for each in own])) for name in own[0]}
            trial.epochs.record(mean)
            # A user's own `fit` may end one part before the others, which then end with it.
            by_itself = next((one for one in trial.parts if one.epochs.stopped is not None), None)
            if by_itself is not None and trial.epochs.stopped is None:
                trial.epochs.stopped = by_itself.epochs.stopped
            trained.append((trial, mean))
        return trained

    def take_ended(self) -> list[tuple[MeanTrial, TrainingResult]]:
        """Take out the trials that have ended; return them with their results."""
        ended = [trial for trial in self.trials if trial.epochs.stopped is not None]
        for trial in ended:
            for one in trial.parts:
                if one.epochs.stopped is None:
                    one.stop()
        results = {one: result for pack in self._packs for one, result in pack.take_ended()}
        self.trials = [trial for trial in self.trials if trial not in ended]
        return [(each, self._result(each, [results[one] for one in each.parts])) for each in ended]

    def checkpoint(self, trial: MeanTrial) -> Checkpoint:
        """Copy a trial's state in all parts."""
        numbers = [number for number, _ in self._split(trial.task)]
        pairs = zip(numbers, trial.parts, strict=True)
        parts = [self._packs[number].checkpoint(one) for number, one in pairs]
        own = [{"arrays": len(part.state), "epochs": part.epochs} for part in parts]
        state = [array for part in parts for array in part.state]
        return Checkpoint(state, {self._key: own, MEAN_KEY: trial.epochs.state()})

    def _own_parts(self, task: Any) -> list[tuple[int, Any]]:
        """Return the parts of a trial, each with its checkpoint; the mean ends them early."""
        split = self._split(task)
        checkpoints = _parted(task.checkpoint, self._key, len(split))
        own = task.hyperparameters.model_copy(update={"early_stopping_patience": None})
        return [
            (number, replace(part, hyperparameters=own, checkpoint=checkpoint))
            for (number, part), checkpoint in zip(split, checkpoints, strict=True)
        ]


class FoldPack(MeanPack):
    """Trains trials on all folds, a pack for each."""

    _key = "folds"

    def _split(self, task: Any) -> list[tuple[int, Any]]:
        return [(fold, task) for fold in range(len(self._packs))]

    def _result(self, trial: MeanTrial, results: Sequence[TrainingResult]) -> TrainingResult:
        epochs = trial.epochs
        kept = epochs.best if epochs.hyperparameters.restore_best_weights else epochs.completed
        values = [one.epochs.history[epochs.metric][kept - 1] for one in trial.parts if kept > 0]
        result = _mean_result(trial, results[0])
        best_epochs = [one.epochs.best for one in trial.parts]
        return replace(result, folds=FoldResults(values, best_epochs))


class SeedPack(MeanPack):
    """Trains trials with several seeds; a trial's value is the mean of what each comes to.

    Its network is that of the best seed.

    Args:
        packs: What trains the seeds, side by side: one pack for all, or one for each.
        n_seeds: How many seeds a trial has, from that of its task on.
    """

    _key = "seeds"

    def __init__(self, packs: Sequence[TrainingPack], n_seeds: int) -> None:
        super().__init__(packs)
        self._n_seeds = n_seeds

    def _split(self, task: Any) -> list[tuple[int, Any]]:
        n = len(self._packs)
        return [(i % n, replace(task, seed=task.seed + i)) for i in range(self._n_seeds)]

    def _result(self, trial: MeanTrial, results: Sequence[TrainingResult]) -> TrainingResult:
        values = [result.value for result in results]
        known = {i: value for i, value in enumerate(values) if value is not None}
        choose = max if trial.epochs.maximize else min
        best = choose(known, key=known.__getitem__) if known else 0
        result = _mean_result(trial, results[best])
        is_whole = result.value is not None and len(known) == len(values)
        return replace(
            result,
            value=float(np.mean(list(known.values()))) if is_whole else None,
            weights=results[best].weights,
            build=results[best].build,
            folds=results[best].folds,
            seeds=SeedResults(values, trial.parts[best].task),
        )


def _parted(checkpoint: Checkpoint | None, key: str, n: int) -> list[Checkpoint | None]:
    """Return the checkpoint of each of `n` parts."""
    if checkpoint is None or len(checkpoint.epochs.get(key, ())) != n:
        return [None] * n
    parts: list[Checkpoint | None] = []
    rest: list[Array] = list(checkpoint.state)
    for part in checkpoint.epochs[key]:
        parts.append(Checkpoint(rest[: part["arrays"]], part["epochs"]))
        rest = rest[part["arrays"] :]
    return parts


def _mean_result(trial: MeanTrial, part: TrainingResult) -> TrainingResult:
    """Return the result of a trial by the means over its parts, without a network."""
    return result_of(
        trial.epochs,
        started=trial.started,
        compiled_before=trial.compiled_before,
        parameter_count=part.parameter_count,
        weights=[],
        build=_no_network,
    )


def _no_network(weights: list[Array]) -> keras.Model:
    raise SettingError(
        "Expected a trial of one network. Received: one of folds, which has one for each of them."
    )
