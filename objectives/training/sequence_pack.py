"""Trials that are trained with one seed after the other, so that a pruner may compare each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from objectives.training.checkpoint import Checkpoint
from objectives.training.compile_clock import compile_clock
from objectives.training.epochs import Epochs
from objectives.training.result import FoldResults, SeedResults, TrainingResult, result_of
from objectives.training.training_pack import TrainingPack, TrainingTrial
from objectives.types import Array


@dataclass(eq=False)
class _Best:
    """The best seed so far.

    Attributes:
        number: Which it is, from 0.
        about: What its result says, as JSON for a checkpoint.
        weights: Its kept weights.
    """

    number: int
    about: dict[str, Any]
    weights: list[Array]


@dataclass(eq=False)
class SequenceTrial:
    """A trial, and the seed that trains now.

    Attributes:
        task: That of this seed, or of the one before.
        first: That of the first seed.
        epochs: The epochs of all seeds so far.
        seed_values: What each seed came to that has ended, None where it diverged.
        part: What trains this seed; None before it begins.
        checkpoint: Where its seed goes on from.
        best: The best seed so far.
        last: The result of the seed before.
        lanes: The number of lanes that its last epoch was trained in.
    """

    task: Any
    first: Any
    epochs: Epochs
    seed_values: list[float | None] = field(default_factory=list)
    part: TrainingTrial | None = None
    checkpoint: Checkpoint | None = None
    best: _Best | None = None
    last: TrainingResult | None = None
    started: float = field(default_factory=time.perf_counter)
    compiled_before: float = field(default_factory=lambda: compile_clock.seconds)
    lanes: int = 1

    def stop(self) -> None:
        """End the trial after the last completed epoch, for instance because it is pruned."""
        self.epochs.end_by_report()

    def forget(self, n: int) -> None:
        """Forget the last `n` epochs, of a seed that has begun anew."""
        self.epochs.completed -= n
        for numbers in self.epochs.history.values():
            del numbers[len(numbers) - n :]

    def take(self, result: TrainingResult) -> None:
        """Take the result of the seed that has ended."""
        number, value = len(self.seed_values), result.value
        self.seed_values.append(value)
        self.part, self.last = None, result
        if value is None:
            self.epochs.stopped = "diverged"
            return
        so_far = None if self.best is None else self.seed_values[self.best.number]
        sign = 1 if self.first.maximize else -1
        if so_far is None or sign * value > sign * so_far:
            folds = None if result.folds is None else asdict(result.folds)
            about = {
                "best_epoch": result.best_epoch,
                "last_epoch": result.last_epoch,
                "history": result.history,
                "folds": folds,
            }
            self.best = _Best(number, about, result.weights)


class SequencePack:
    """Trains trials with several seeds, one after the other; a trial's value is their mean.

    Its network is that of the best seed, and its history too.

    Args:
        pack: What trains the seeds.
        n_seeds: How many seeds a trial has, from that of its task on.
    """

    def __init__(self, pack: TrainingPack, n_seeds: int) -> None:
        self._pack = pack
        self._n_seeds = n_seeds
        self.trials: list[SequenceTrial] = []

    @property
    def wanted(self) -> int:
        """The number of trials to train at once."""
        return self._pack.wanted

    def add(self, tasks: Sequence[Any]) -> list[SequenceTrial]:
        """Add trials, each at its beginning or at its checkpoint; raises as the pack does."""
        added = [_resumed(task) for task in tasks]
        self._begin(added)
        self.trials += added
        return added

    def train_epoch(self) -> list[tuple[SequenceTrial, dict[str, float]]]:
        """Train the seed of every trial for its next epoch; begin the next one where it ended."""
        self._begin([trial for trial in self.trials if trial.part is None])
        found: dict[Any, dict[str, float]] = dict(self._pack.train_epoch())
        trained = []
        for trial in self.trials:
            assert trial.part is not None
            metrics, trial.lanes = found[trial.part], trial.part.lanes
            trial.epochs.completed += 1
            for name, number in metrics.items():
                trial.epochs.history.setdefault(name, []).append(number)
            trained.append((trial, metrics))
        results = dict(self._pack.take_ended())
        for trial in self.trials:
            if trial.part in results:
                trial.take(results[trial.part])
                if trial.epochs.stopped is None and len(trial.seed_values) == self._n_seeds:
                    trial.epochs.stopped = "finished"
        return trained

    def take_ended(self) -> list[tuple[SequenceTrial, TrainingResult]]:
        """Take out the trials that have ended; return them with their results."""
        ended = [trial for trial in self.trials if trial.epochs.stopped is not None]
        left = [trial.part for trial in ended if trial.part is not None]
        for part in left:
            part.stop()
        dropped: dict[Any, TrainingResult] = dict(self._pack.take_ended()) if left else {}
        self.trials = [trial for trial in self.trials if trial not in ended]
        return [(each, _result(each, each.last or dropped[each.part])) for each in ended]

    def checkpoint(self, trial: SequenceTrial) -> Checkpoint:
        """Copy a trial's state: the weights of its best seed, then the seed that trains."""
        part = trial.checkpoint
        if trial.part is not None:
            part = self._pack.checkpoint(trial.part)
        best = trial.best
        state = [*([] if best is None else best.weights), *([] if part is None else part.state)]
        about = {
            "values": [*trial.seed_values],
            "best": None if best is None else [best.number, best.about, len(best.weights)],
            "part": None if part is None else part.epochs,
            "all": trial.epochs.state(),
        }
        return Checkpoint(state, about)

    def _begin(self, trials: Sequence[SequenceTrial]) -> None:
        """Begin the next seed of trials, or go on with it."""
        tasks = [
            replace(
                trial.first,
                seed=trial.first.seed + len(trial.seed_values),
                checkpoint=trial.checkpoint,
            )
            for trial in trials
        ]
        for trial, task, part in zip(trials, tasks, self._pack.add(tasks), strict=True):
            if task.checkpoint is not None:
                trial.forget(task.checkpoint.completed - part.epochs.completed)
            trial.task, trial.part, trial.checkpoint = task, part, None


def _resumed(task: Any) -> SequenceTrial:
    """Return a trial at its beginning, or at its checkpoint."""
    epochs = Epochs(task.hyperparameters, task.metric, task.maximize, 0)
    trial = SequenceTrial(task, task, epochs)
    checkpoint: Checkpoint | None = task.checkpoint
    if checkpoint is None or "values" not in checkpoint.epochs:
        return trial
    about, rest = checkpoint.epochs, list(checkpoint.state)
    trial.seed_values = list(about["values"])
    epochs.resume(about["all"])
    if about["best"] is not None:
        number, found, n = about["best"]
        trial.best, rest = _Best(number, found, rest[:n]), rest[n:]
    if about["part"] is not None:
        trial.checkpoint = Checkpoint(rest, about["part"])
    return trial


def _result(trial: SequenceTrial, last: TrainingResult) -> TrainingResult:
    """Return the result of a trial that has ended: the mean, with the network of the best seed.

    A network of another seed is built as that of the last one is: only its weights are others.
    """
    whole = result_of(
        _of_one(trial.epochs, last),
        started=trial.started,
        compiled_before=trial.compiled_before,
        parameter_count=last.parameter_count,
        weights=[],
        build=last.build,
    )
    best, values = trial.best, trial.seed_values
    if best is None or trial.epochs.stopped == "diverged":
        return whole
    about, folds = best.about, best.about["folds"]
    return replace(
        whole,
        value=float(np.mean([value for value in values if value is not None])),
        best_epoch=about["best_epoch"],
        last_epoch=about["last_epoch"],
        history=about["history"],
        weights=best.weights,
        folds=None if folds is None else FoldResults(**folds),
        seeds=SeedResults(values, replace(trial.first, seed=trial.first.seed + best.number)),
    )


def _of_one(epochs: Epochs, last: TrainingResult) -> Epochs:
    """Return the epochs of the seed that ended last, ended as the trial has."""
    own = Epochs(epochs.hyperparameters, epochs.metric, epochs.maximize, last.last_epoch)
    own.completed, own.history, own.best = last.last_epoch, last.history, last.best_epoch
    own.stopped = epochs.stopped
    return own
