"""A pack: trials of one structure that train side by side, each to its own end.

A trial's result depends neither on its neighbours nor on what trained before: its first weights,
its dropout and the order of its pictures come from its own seed, and lanes share nothing but the
compiled program and the data. A trial may join at any epoch's end and leave at any other.
"""

import time
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import keras
import numpy as np

from objectives.data.datasets import Dataset
from objectives.head import Array
from objectives.hyperparameters import Hyperparameters
from objectives.objective import Objective
from objectives.training import evaluate as judge
from objectives.training import tunable_model as twin
from objectives.training import tunable_optimizer as optimizers
from objectives.training.checkpoint import Checkpoint
from objectives.training.epochs import Course, Stopped
from objectives.training.lanes import Lanes, LaneState
from objectives.training.program import Program, ProgramCache
from objectives.training.schedule import epoch_order, epoch_steps, learning_rate_factor


@dataclass(frozen=True, eq=False)
class Task:
    """One trial to train.

    Attributes:
        hyperparameters: The trial's setting.
        seed: Seed of the first weights, the dropout and the order of the pictures; from 0.
        metric: The metric that chooses the best epoch, stops early and is the result's value.
        maximize: Whether more of it is better.
        checkpoint: Where to go on; None to begin.
    """

    hyperparameters: Hyperparameters
    seed: int
    metric: str
    maximize: bool
    checkpoint: Checkpoint | None = None


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """What one trial came to.

    Attributes:
        value: The metric with the weights that are kept; None where training diverged.
        best_epoch: The epoch with the best metric, from 1.
        last_epoch: The last epoch trained, from 1.
        history: Each metric, epoch by epoch.
        train_seconds: Wall time from its start to its end, compilation included where this trial
            caused it; lanes of a pack share that time.
        parameter_count: Numbers in the network's weights, moving averages included.
        stopped: Why training ended.
        weights: The kept weights, layer by layer.
    """

    value: float | None
    best_epoch: int
    last_epoch: int
    history: dict[str, list[float]]
    train_seconds: float
    parameter_count: int
    stopped: Stopped
    weights: list[Array] = field(repr=False)
    _build: Callable[[], keras.Model] = field(repr=False)

    def model(self) -> keras.Model:
        """Return the trained network, of stock Keras layers, compiled without any penalty.

        Where Keras has no such loss as the head's, it is not compiled.
        """
        network = self._build()
        twin.set_weights(network, self.weights)
        return network


class Trial:
    """A trial in a pack.

    Attributes:
        task: What is trained.
        course: Its epochs so far.
        started: When it began, by the clock `time.perf_counter`.
        parameter_count: Numbers in its network's weights.
    """

    def __init__(self, task: Task, n: int, parameter_count: int, started: float) -> None:
        self.task = task
        self.started = started
        self.parameter_count = parameter_count
        self._n = n
        self._first_rate = optimizers.settings(task.hyperparameters)["learning_rate"]
        steps_per_epoch = -(-n // _batch_size(task.hyperparameters, n))
        self._steps = epoch_steps(task.hyperparameters, steps_per_epoch)
        self.course = Course(task.hyperparameters, task.metric, task.maximize, len(self._steps))

    @property
    def steps(self) -> int:
        """Gradient steps of the next epoch."""
        return self._steps[self.course.epoch]

    def rate(self) -> float:
        """Return the learning rate of the next epoch."""
        epoch = self.course.epoch + 1
        factor = learning_rate_factor(self.task.hyperparameters, epoch, len(self._steps))
        return self._first_rate * factor

    def order(self) -> Array:
        """Return the pictures in the order of the next epoch, (n,), int32."""
        return epoch_order(self._n, self.task.seed, self.course.epoch + 1)

    def stop(self) -> None:
        """End the trial after the epoch it has completed, as when it is pruned."""
        if self.course.stopped != "diverged":
            self.course.stopped = "by_report"


class Pack:
    """Trains trials of one structure side by side.

    The number of lanes is a power of two, since each number is a program of its own; idle lanes
    repeat others and are looked at by nobody.

    Args:
        objective: What network to build.
        data: What to train and validate on.
        programs: The programs of this process.
        levels: Hyperparameter name -> the values that trials of the study can have: those that
            differ in nothing but these share programs where that can be. What a trial comes to
            does not depend on them. See `Hyperparameters.structure`.
    """

    def __init__(
        self,
        objective: Objective,
        data: Dataset,
        programs: ProgramCache,
        levels: Mapping[str, Sequence[Any]] = {},
    ) -> None:
        self._objective = objective
        self._data = data
        self._programs = programs
        self._levels = levels
        self._structure: Hashable = None
        self._program: Program
        self._lanes: Lanes
        self._slots: list[Trial | None] = []  # one for each of the lanes

    @property
    def trials(self) -> list[Trial]:
        """The trials that are training now."""
        return [trial for trial in self._slots if trial is not None]

    @property
    def wanted(self) -> int:
        """How many trials at once are the fastest, as far as is known; one that is worth trying."""
        return 1 if self._structure is None else self._program.pack_size.wanted

    def takes(self, hyperparameters: Hyperparameters) -> bool:
        """Tell whether a trial of this setting can train beside those that are here."""
        structure = self._structure_of(hyperparameters)
        return self._structure in (None, structure)

    def add(self, tasks: Sequence[Task]) -> list[Trial]:
        """Take trials in, each from its beginning or from where it was.

        Raises:
            ValueError: Their structure is not that of the others, or the pictures are too small.
        """
        if not tasks:
            return []
        trials, states = [], []
        for task in tasks:
            if not self.takes(task.hyperparameters):
                raise ValueError(
                    "Expected a trial of the structure that the pack has. "
                    f"Received: {task.hyperparameters!r}. Train it in a pack of its own."
                )
            trial, state = self._begin(task)
            trials.append(trial)
            states.append(state)
        self._resize(len(self.trials) + len(trials))
        free = [i for i, trial in enumerate(self._slots) if trial is None]
        for i, trial in zip(free, trials, strict=False):
            self._slots[i] = trial
        self._lanes.put(free[: len(trials)], states)
        return trials

    def train_epoch(self) -> list[tuple[Trial, dict[str, float]]]:
        """Train every trial for one epoch of its own; those that ended must have been taken out.

        Returns:
            Each trial with its metrics; where a trial has come to its end, its course says so.
        """
        if not self.trials:
            return []
        self._resize(len(self.trials))
        started, traces = time.perf_counter(), self._program.steps.traces
        lanes, head = self._lanes, self._program.head
        here = {i: trial for i, trial in enumerate(self._slots) if trial is not None}
        # An idle lane repeats one that is not.
        shown = [trial or next(iter(here.values())) for trial in self._slots]
        order = np.stack([trial.order() for trial in shown])
        lanes.begin_epoch(np.asarray([trial.rate() for trial in shown]))
        steps = {i: trial.steps for i, trial in here.items()}
        metrics: dict[int, dict[str, float]] = {}
        done = 0
        for stop in sorted(set(steps.values())):  # the last epoch of some may be shorter
            lanes.train(order, done, stop)
            done = stop
            found, scores = lanes.metrics(), lanes.evaluate()
            ended = [i for i in here if steps[i] == stop]
            for i in ended:
                metrics[i] = {name: float(values[i]) for name, values in found.items()}
                found_here = judge.metrics(head, scores[i], self._data.y_validation)
                metrics[i] |= {f"val_{name}": value for name, value in found_here.items()}
                here[i].course.record(metrics[i])
            lanes.keep([i for i in ended if here[i].course.keeps()])
        self._program.pack_size.record(
            lanes.size,
            done,
            time.perf_counter() - started,
            compiled=self._program.steps.traces > traces,
            memory=self._program.steps.memory(),
        )
        return [(trial, metrics[i]) for i, trial in here.items()]

    def take_ended(self) -> list[tuple[Trial, TrainingResult]]:
        """Take out the trials that have come to their end, and what they came to."""
        ended = []
        for i, trial in enumerate(self._slots):
            if trial is not None and trial.course.stopped is not None:
                ended.append((trial, self._result(trial, self._lanes.kept(i))))
                self._slots[i] = None
        return ended

    def checkpoint(self, trial: Trial) -> Checkpoint:
        """Copy where a trial is, to go on from there alone or in another pack."""
        i = self._slots.index(trial)
        return Checkpoint(self._lanes.get(i), trial.course.state())

    def _begin(self, task: Task) -> tuple[Trial, LaneState]:
        """Return a trial and the state that it begins with."""
        started = time.perf_counter()
        network = _build_empty(self._objective, task.hyperparameters, self._data)
        if self._structure is None:
            self._structure = self._structure_of(task.hyperparameters)
            self._program = self._programs.get(
                self._structure, lambda: self._new_program(task.hyperparameters)
            )
            self._lanes = self._program.lane(self._programs.place(self._data))
            self._slots = [None]
        trial = Trial(task, len(self._data.x_train), network.count_params(), started)
        state = self._program.first_state(network, task.hyperparameters, task.seed)
        checkpoint = task.checkpoint
        # One of another version's network is of no use.
        if checkpoint and [v.shape for v in checkpoint.state] == [v.shape for v in state]:
            trial.course.resume(checkpoint.course)
            # The other backend's seeds are integers of another kind.
            pairs = zip(checkpoint.state, state, strict=True)
            return trial, [value.astype(own.dtype) for value, own in pairs]
        return trial, state

    def _structure_of(self, hyperparameters: Hyperparameters) -> Hashable:
        """Return what a compiled program depends on: the network, and the shapes of the data."""
        x, y = self._data.x_train, self._data.x_validation
        structure = hyperparameters.structure(self._levels)
        return self._objective.name, structure, x.shape, y.shape, str(x.dtype), self._data.n_classes

    def _new_program(self, hyperparameters: Hyperparameters) -> Program:
        full = hyperparameters.with_all_parts(self._levels)
        full = full.model_copy(update={"initializer": "zeros"})  # every trial brings its weights
        return Program(
            _build_empty(self._objective, full, self._data),
            optimizers.create(full),
            _batch_size(hyperparameters, len(self._data.x_train)),
            hyperparameters.activations(self._levels),
            lambda numbers: self._objective.head(hyperparameters, numbers),
            self._objective.head_numbers,
        )

    def _resize(self, n: int) -> None:
        """Have the least number of lanes that holds `n` trials, and move the trials there."""
        size = 1 << (n - 1).bit_length()
        if size != self._lanes.size:
            here = [i for i, trial in enumerate(self._slots) if trial is not None]
            self._lanes = self._lanes.resized(here or [0], size)
            self._slots = [*self.trials, *[None] * (size - len(here))]

    def _result(self, trial: Trial, kept: list[Array]) -> TrainingResult:
        course = trial.course
        assert course.stopped is not None
        hyperparameters = trial.task.hyperparameters
        objective, data = self._objective, self._data
        return TrainingResult(
            value=course.value(),
            best_epoch=course.best_epoch,
            last_epoch=course.epoch,
            history=course.history,
            train_seconds=time.perf_counter() - trial.started,
            parameter_count=trial.parameter_count,
            stopped=course.stopped,
            weights=kept,
            _build=lambda: _compiled_for_reading(objective, hyperparameters, data),
        )


def _build(objective: Objective, hyperparameters: Hyperparameters, data: Dataset) -> keras.Model:
    x = data.x_train
    return objective.build(hyperparameters, x.shape[1:], data.n_classes, str(x.dtype))


def _build_empty(
    objective: Objective, hyperparameters: Hyperparameters, data: Dataset
) -> keras.Model:
    """Build a network for its shapes and settings: its variables have no values."""

    def build() -> keras.Model:
        with keras.StatelessScope(initialize_variables=False):
            return _build(objective, hyperparameters, data)

    # Keras lists, for each thread, the variables that still want a value, and fills them all the
    # next time that it can. The list of this thread ends with it.
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(build).result()


def _compiled_for_reading(
    objective: Objective, hyperparameters: Hyperparameters, data: Dataset
) -> keras.Model:
    plain = hyperparameters.for_reading()
    # Weights come from elsewhere, so none are drawn; whoever builds the network anew draws some.
    network = _build(objective, plain.model_copy(update={"initializer": "zeros"}), data)
    drawing = _build_empty(objective, plain, data)
    for layer, like in zip(network.layers, drawing.layers, strict=True):
        if hasattr(layer, "kernel"):
            layer.kernel_initializer = like.kernel_initializer
    stock = objective.head_of(plain).stock_compile()
    if stock is not None:
        # It has no state beside its learning rate, so a saved file holds little but the weights.
        network.compile(optimizer="sgd", **stock)
    return network


def _batch_size(hyperparameters: Hyperparameters, n: int) -> int:
    return min(hyperparameters.batch_size, n)
