"""A pack of one: a network that a user builds, trained by Keras's own `fit`.

It is asked as `Pack` is, epoch by epoch, and ends a trial by the same rules.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import keras

from objectives.data.datasets import Dataset
from objectives.errors import CheckpointError, SettingError
from objectives.own.built import check_built, check_schedule, make_variables
from objectives.own.hyperparameters import OwnHyperparameters
from objectives.own.stream_steps import NOT_PARTED, stream_steps
from objectives.own.tuner_fit import TunerFit
from objectives.training.checkpoint import Checkpoint
from objectives.training.class_weights import class_weights, weighted
from objectives.training.compile_clock import compile_clock
from objectives.training.epochs import Epochs
from objectives.training.fit import Fit
from objectives.training.own_fit import OwnFit
from objectives.training.quick_compile import compiled_quickly
from objectives.training.result import TrainingResult, result_of
from objectives.training.schedule import epoch_steps
from objectives.training_hyperparameters import TrainingHyperparameters
from objectives.types import Array, Arrays

Build = Callable[[Mapping[str, Any]], keras.Model]
"""Takes a setting, parameter -> value; returns the compiled network."""


@dataclass(frozen=True, eq=False)
class FitTask:
    """A trial to train.

    Attributes:
        hyperparameters: What training reads.
        setting: What the user's function reads.
        seed: The seed of the first weights, the dropout and the order of the examples; from 0.
        metric: The metric that chooses the best epoch, stops early and is the result's value.
        maximize: Whether a higher metric is better.
        checkpoint: Where to resume; None to begin.
    """

    hyperparameters: TrainingHyperparameters
    setting: Mapping[str, Any]
    seed: int
    metric: str
    maximize: bool
    checkpoint: Checkpoint | None = None


@dataclass(eq=False)
class FitTrial:
    """A trial that trains.

    Attributes:
        task: What is trained.
        epochs: Its epochs so far.
        fit: Its network.
        kept: The weights of its best epoch so far, or of its last.
        started: When it began, as `time.perf_counter` tells.
        compiled_before: The seconds that this process had compiled until then.
        lanes: Always 1: `fit` trains one network.
    """

    task: FitTask
    epochs: Epochs
    fit: Fit
    kept: list[Array] = field(default_factory=list)
    started: float = field(default_factory=time.perf_counter)
    compiled_before: float = field(default_factory=lambda: compile_clock.seconds)
    lanes: int = 1

    def stop(self) -> None:
        """End the trial after the last completed epoch, for instance because it is pruned."""
        self.epochs.end_by_report()


def build_checked(build: Build, task: FitTask) -> keras.Model:
    """Build the network of a trial.

    Raises:
        SettingError: It is none that the service can train by these hyperparameters.
        Exception: What the user's function raises.
    """
    with compiled_quickly():
        model = check_built(build(task.setting))
    check_schedule(model, task.hyperparameters)
    return model


class FitPack:
    """Trains one trial at a time.

    Args:
        build: The user's function.
        data: What to train and validate on.
        own: What trains by a `fit` of its own in place of Keras's, if something does.
    """

    wanted = 1

    def __init__(self, build: Build, data: Dataset, own: TunerFit | None = None) -> None:
        self._build = build
        self._own = own
        self._data = data
        self._trial: FitTrial | None = None

    @property
    def trials(self) -> list[FitTrial]:
        """The trial that is training now, if there is one."""
        return [] if self._trial is None else [self._trial]

    def add(self, tasks: Sequence[FitTask]) -> list[FitTrial]:
        """Begin a trial, or go on from its checkpoint.

        Raises:
            SettingError: There is more than one trial.
            Exception: What the user's function raises.
        """
        if len(tasks) + len(self.trials) > 1:
            raise SettingError(
                f"Expected one trial at a time. Received: {len(tasks) + len(self.trials)}."
            )
        for task in tasks:
            self._trial = self._begin(task)
        return self.trials

    def train_epoch(self) -> list[tuple[FitTrial, dict[str, float]]]:
        """Train the trial for its next epoch; `trial.epochs.stopped` tells whether it has ended.

        Raises:
            UnknownNameError: The network does not report a metric that the trial asks for.
            Exception: What `fit` raises; the trial is gone then.
        """
        try:
            return [(trial, _train_epoch(trial)) for trial in self.trials]
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave the trial, without a result."""
        for trial in self.trials:
            trial.fit.close()
        self._trial = None

    def take_ended(self) -> list[tuple[FitTrial, TrainingResult]]:
        """Take out the trial if it has ended; return it with its result."""
        ended = [trial for trial in self.trials if trial.epochs.stopped is not None]
        for trial in ended:
            trial.fit.close()
            self._trial = None
        return [(trial, self._result(trial)) for trial in ended]

    def checkpoint(self, trial: FitTrial) -> Checkpoint:
        """Copy a trial's state: all variables, then the weights of its best epoch.

        No variables where it would begin anew.
        """
        state = [*trial.fit.state(), *trial.kept] if self._goes_on else []
        return Checkpoint(state, trial.epochs.state())

    @property
    def _goes_on(self) -> bool:
        """Whether a trial can go on with the batches that it would have seen."""
        streams = self._data.streams
        return streams is None or streams.why_anew is None

    def _begin(self, task: FitTask) -> FitTrial:
        trial = self._built(task)
        if task.checkpoint is None or not self._goes_on:
            return trial
        kept = task.checkpoint
        try:
            trial.kept = trial.fit.go_on_from(kept.state, completed=kept.completed)
        except CheckpointError:  # of another version of the network
            trial.fit.close()
            return self._built(task)
        trial.epochs.resume(kept.epochs)
        return trial

    def _built(self, task: FitTask) -> FitTrial:
        """Return a trial at its beginning."""
        if self._own is not None:
            return self._built_by(self._own, task)
        n, hyperparameters = self._data.n_train, task.hyperparameters
        weights = class_weights(hyperparameters.weights_of_classes(), self._data)
        batch_size = min(hyperparameters.batch_size, n)
        streams = self._data.streams
        per_epoch, parted = -(-n // batch_size), NOT_PARTED
        if streams is not None:
            parted = stream_steps(hyperparameters, streams)
            per_epoch = parted[0] or len(streams.train)
        steps = epoch_steps(hyperparameters, per_epoch)
        epochs = Epochs(hyperparameters, task.metric, task.maximize, len(steps))
        fit = Fit(
            lambda: build_checked(self._build, task),
            weighted(self._data.train, weights) if streams is None else streams.train,
            self._data.validation if streams is None else streams.validation,
            batch_size=batch_size,
            seed=task.seed,
            steps=steps,
            factor=epochs.rate_factor if hyperparameters.changes_rate() else None,
            per_epoch=parted,
        )
        return FitTrial(task, epochs, fit)

    def _built_by(self, own: TunerFit, task: FitTask) -> FitTrial:
        """Return a trial at its beginning, which a `fit` of the user's trains."""
        hyperparameters = task.hyperparameters
        assert isinstance(hyperparameters, OwnHyperparameters)
        if hyperparameters.steps is not None:
            raise SettingError(
                "Expected epochs for a HyperModel with a fit of its own. "
                f"Received: steps={hyperparameters.steps}."
            )
        epochs = Epochs(hyperparameters, task.metric, task.maximize, hyperparameters.epochs)
        fit = OwnFit(
            lambda: build_checked(self._build, task),
            own,
            self._data.train,
            self._data.validation,
            hyperparameters,
            seed=task.seed,
            metric=task.metric,
            factor=epochs.rate_factor if hyperparameters.changes_rate() else None,
        )
        epochs.n_epochs = fit.n_epochs
        return FitTrial(task, epochs, fit)

    def _result(self, trial: FitTrial) -> TrainingResult:
        task, example = trial.task, trial.fit.example
        return result_of(
            trial.epochs,
            started=trial.started,
            compiled_before=trial.compiled_before,
            parameter_count=sum(int(each.size) for each in trial.kept),
            weights=trial.kept,
            build=lambda weights: rebuilt(self._build, task, example, weights),
        )


def _train_epoch(trial: FitTrial) -> dict[str, float]:
    metrics = trial.fit.train_epoch()
    trial.epochs.record(metrics)
    if trial.fit.ended is not None and trial.epochs.stopped in (None, "finished"):
        trial.epochs.stopped = "finished" if trial.fit.ended else None
    if trial.epochs.keeps():
        trial.kept = trial.fit.weights()
    return metrics


def rebuilt(build: Build, task: FitTask, example: Arrays, weights: Sequence[Array]) -> keras.Model:
    """Build a trial's network again, with its trained weights.

    In a thread of its own, where Keras names its parts as in the first network of a process.
    """

    def build_here() -> keras.Model:
        keras.utils.set_random_seed(task.seed)
        with compiled_quickly():
            network = build(task.setting)
            make_variables(network, example)
        network.set_weights(weights)
        return network

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(build_here).result()
