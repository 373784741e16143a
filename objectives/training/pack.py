"""A pack: trials of one structure that train side by side and end each at its own time.

A trial's result depends neither on its neighbours nor on what trained before: its first weights,
its dropout and the order of its pictures come from its own seed, and lanes share nothing but the
compiled program and the data. A trial may join or leave after any epoch.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np

from objectives.data.datasets import Dataset
from objectives.errors import SettingError
from objectives.hyperparameters import Hyperparameters
from objectives.objective import Objective
from objectives.training import evaluate, tunable_model, tunable_optimizer
from objectives.training.build import batch_size, build_compiled, build_empty, build_for_reading
from objectives.training.checkpoint import Checkpoint
from objectives.training.class_weights import class_weights
from objectives.training.compile_clock import compile_clock
from objectives.training.epochs import Epochs
from objectives.training.lanes import Lanes, LaneState
from objectives.training.program import Program, compiled_program
from objectives.training.program_cache import ProgramCache
from objectives.training.result import TrainingResult, result_of
from objectives.training.schedule import epoch_order, epoch_steps
from objectives.types import Array


@dataclass(frozen=True, eq=False)
class TrainingTask:
    """A trial to train.

    Attributes:
        hyperparameters: The trial's setting.
        seed: The seed of the first weights, the dropout and the order of the pictures; from 0.
        metric: The metric that chooses the best epoch, stops early and is the result's value.
        maximize: Whether a higher metric is better.
        checkpoint: Where to resume; None to begin.
    """

    hyperparameters: Hyperparameters
    seed: int
    metric: str
    maximize: bool
    checkpoint: Checkpoint | None = None


class PackedTrial:
    """A trial in a pack.

    Attributes:
        task: What is trained.
        epochs: Its epochs so far.
        started: When it began, as `time.perf_counter` tells.
        compiled_before: The seconds that this process had compiled before it began.
        parameter_count: Numbers in its network's weights.
        class_weights: The weight of each class in the loss, (classes,); None where all are alike.
        lanes: The number of lanes that its last epoch was trained in.
    """

    def __init__(
        self,
        task: Any,
        data: Dataset,
        parameter_count: int,
        started: float,
        compiled_before: float,
        first_rate: float,
    ) -> None:
        self.task = task
        self.started = started
        self.compiled_before = compiled_before
        self.parameter_count = parameter_count
        self.lanes = 1
        self._n = data.n_train
        self.class_weights = class_weights(task.hyperparameters.weights_of_classes(), data)
        self._first_rate = first_rate
        steps_per_epoch = -(-self._n // batch_size(task.hyperparameters, data))
        self._steps = epoch_steps(task.hyperparameters, steps_per_epoch)
        self.epochs = Epochs(task.hyperparameters, task.metric, task.maximize, len(self._steps))

    @property
    def steps(self) -> int:
        """The number of gradient steps of the next epoch."""
        return self._steps[self.epochs.completed]

    def rate(self) -> float:
        """Return the learning rate of the next epoch."""
        return self._first_rate * self.epochs.rate_factor()

    def order(self) -> Array:
        """Return the order of the pictures in the next epoch, (n,), int32."""
        return epoch_order(self._n, self.task.seed, self.epochs.completed + 1)

    def stop(self) -> None:
        """End the trial after the last completed epoch, for instance because it is pruned."""
        self.epochs.end_by_report()


class LanePack(ABC):
    """Trains trials of one structure side by side.

    The number of lanes is a power of two, because each number is compiled separately. Lanes
    without a trial repeat another lane, and their results are not used.

    Args:
        data: What to train and validate on.
        programs: The programs of this process.
    """

    def __init__(self, data: Dataset, programs: ProgramCache) -> None:
        self._data = data
        self._programs = programs
        self._structure: Hashable = None
        self._program: Program
        self._lanes: Lanes
        self._slots: list[PackedTrial | None] = []  # one for each of the lanes

    @property
    def trials(self) -> list[PackedTrial]:
        """The trials that are training now."""
        return [trial for trial in self._slots if trial is not None]

    @property
    def wanted(self) -> int:
        """The number of trials to train at once: the fastest so far, or a larger one to try."""
        return 1 if self._structure is None else self._program.pack_size.wanted

    def add(self, tasks: Sequence[Any]) -> list[PackedTrial]:
        """Add trials, each at its beginning or at its checkpoint.

        Raises:
            SettingError: They have another structure than the present ones, or the pictures are too
                small for the network.
        """
        if not tasks:
            return []
        trials, states = [], []
        for task in tasks:
            trial, state = self._begin(task)
            trials.append(trial)
            states.append(state)
        self._resize(len(self.trials) + len(trials))
        free = [i for i, trial in enumerate(self._slots) if trial is None]
        for i, trial in zip(free, trials, strict=False):
            self._slots[i] = trial
        self._lanes.put(free[: len(trials)], states)
        return trials

    def train_epoch(self) -> list[tuple[PackedTrial, dict[str, float]]]:
        """Train every trial for its next epoch. Trials that have ended must be taken out before.

        Returns:
            Each trial with its metrics; `trial.epochs.stopped` tells whether it has ended.
        """
        if not self.trials:
            return []
        self._resize(len(self.trials))
        started, traces = time.perf_counter(), self._program.steps.traces
        metrics, steps = self._train_and_validate()
        self._program.pack_size.record(
            self._lanes.size,
            steps,
            time.perf_counter() - started,
            compiled=self._program.steps.traces > traces,
            memory=self._program.steps.memory(),
        )
        return metrics

    def take_ended(self) -> list[tuple[PackedTrial, TrainingResult]]:
        """Take out the trials that have ended; return them with their results."""
        ended = []
        for i, trial in enumerate(self._slots):
            if trial is not None and trial.epochs.stopped is not None:
                ended.append((trial, self._result(trial, self._lanes.kept(i))))
                self._slots[i] = None
        return ended

    def checkpoint(self, trial: PackedTrial) -> Checkpoint:
        """Copy a trial's state, to resume it from there alone or in another pack."""
        i = self._slots.index(trial)
        return Checkpoint(self._lanes.get(i), trial.epochs.state())

    def _resumed(self, trial: PackedTrial, state: LaneState) -> LaneState:
        """Return the state of a trial's checkpoint, or the one in which it begins."""
        checkpoint = trial.task.checkpoint
        # A checkpoint of another version of the network cannot be used.
        if checkpoint and [v.shape for v in checkpoint.state] == [v.shape for v in state]:
            trial.epochs.resume(checkpoint.epochs)
            # Seeds have another integer type on the other backend.
            pairs = zip(checkpoint.state, state, strict=True)
            return [value.astype(own.dtype) for value, own in pairs]
        return state

    def _resize(self, n: int) -> None:
        """Change to the smallest number of lanes that holds `n` trials, and move the trials."""
        size = 1 << (n - 1).bit_length()
        if size != self._lanes.size:
            used = [i for i, trial in enumerate(self._slots) if trial is not None]
            self._lanes = self._lanes.resized(used or [0], size)
            self._slots = [*self.trials, *[None] * (size - len(used))]

    def _train_and_validate(self) -> tuple[list[tuple[PackedTrial, dict[str, float]]], int]:
        """Train an epoch; return each trial with its metrics, and the steps of the longest epoch.

        The last epoch of some trials may be shorter than that of others. All lanes train to the end
        of the shortest, where those trials are validated, then on to the end of the next.
        """
        lanes = self._lanes
        trials = {i: trial for i, trial in enumerate(self._slots) if trial is not None}
        # A lane without a trial repeats another one.
        shown = [trial or next(iter(trials.values())) for trial in self._slots]
        order = np.stack([trial.order() for trial in shown])
        weights = _stacked([trial.class_weights for trial in shown])
        lanes.begin_epoch(np.asarray([trial.rate() for trial in shown]))
        steps = {i: trial.steps for i, trial in trials.items()}
        metrics: dict[int, dict[str, float]] = {}
        done = 0
        for stop in sorted(set(steps.values())):
            lanes.train(order, weights, done, stop)
            done = stop
            at_end = [i for i in trials if steps[i] == stop]
            metrics |= self._validate(at_end)
            for i in at_end:
                trials[i].lanes = lanes.size
                trials[i].epochs.record(metrics[i])
            lanes.keep([i for i in at_end if trials[i].epochs.keeps()])
        return [(trial, metrics[i]) for i, trial in trials.items()], done

    def _open_program(self, structure: Hashable, build: Callable[[], Program]) -> None:
        """Get the program of a structure, which becomes the pack's."""
        self._structure = structure
        with compile_clock.running():
            self._program = self._programs.get(structure, build)
        self._lanes = self._program.lane(self._programs.place(self._data))
        self._slots = [None]

    @abstractmethod
    def _begin(self, task: Any) -> tuple[PackedTrial, LaneState]:
        """Return a trial and the state in which it begins; open the first one's program.

        Raises:
            SettingError: It has another structure than the present ones.
        """

    @abstractmethod
    def _validate(self, chosen: Sequence[int]) -> dict[int, dict[str, float]]:
        """Return the metrics of these lanes, of training and of the validation examples."""

    @abstractmethod
    def _result(self, trial: PackedTrial, kept: list[Array]) -> TrainingResult:
        """Return the result of a trial that has ended."""

    def _result_of(
        self, trial: PackedTrial, kept: list[Array], build: Callable[[list[Array]], keras.Model]
    ) -> TrainingResult:
        return result_of(
            trial.epochs,
            started=trial.started,
            compiled_before=trial.compiled_before,
            parameter_count=trial.parameter_count,
            weights=kept,
            build=build,
        )


def _stacked(weights: Sequence[Array | None]) -> Array | None:
    """Return the class weights of lanes, (lanes, classes); None where no lane has any."""
    one = next((each for each in weights if each is not None), None)
    if one is None:
        return None
    return np.stack([np.ones_like(one) if each is None else each for each in weights])


class Pack(LanePack):
    """Trains trials of one structure of a built-in objective side by side.

    Args:
        objective: What network to build.
        data: What to train and validate on.
        programs: The programs of this process.
        levels: Hyperparameter name -> the values that trials of the study can have. Trials that
            differ in these only share a program where possible. A trial's result does not depend
            on them. See `Hyperparameters.structure`.
    """

    def __init__(
        self,
        objective: Objective,
        data: Dataset,
        programs: ProgramCache,
        levels: Mapping[str, Sequence[Any]] = {},
    ) -> None:
        super().__init__(data, programs)
        self._objective = objective
        self._levels = levels

    def takes(self, task: TrainingTask) -> bool:
        """Tell whether a trial can train beside the present ones."""
        return self._structure in (None, self._structure_of(task))

    def _begin(self, task: TrainingTask) -> tuple[PackedTrial, LaneState]:
        """Return a trial and the state in which it begins."""
        if not self.takes(task):
            raise SettingError(
                "Expected a trial of the structure that the pack has. "
                f"Received: {task.hyperparameters!r}. Train it in a pack of its own."
            )
        started, compiled_before = time.perf_counter(), compile_clock.seconds
        network = build_empty(self._objective, task.hyperparameters, self._data)
        if self._structure is None:
            self._open(task)
        rate = tunable_optimizer.settings(task.hyperparameters)["learning_rate"]
        trial = PackedTrial(
            task, self._data, network.count_params(), started, compiled_before, rate
        )
        state = self._program.network.first_state(network, task.hyperparameters, task.seed)
        return trial, self._resumed(trial, state)

    def _open(self, task: TrainingTask) -> None:
        """Get the program of the first trial's structure, which becomes the pack's."""
        objective, data, levels = self._objective, self._data, self._levels
        reported = self._reported(task)
        self._open_program(
            self._structure_of(task),
            lambda: compiled_program(
                build_compiled(objective, task.hyperparameters, data, levels, reported)
            ),
        )

    def _structure_of(self, task: TrainingTask) -> Hashable:
        """Return what a compiled program depends on: the network, and the shapes of the data."""
        data = self._data
        x, shapes = data.x_train, (data.x_train.shape, data.x_validation.shape)
        structure = task.hyperparameters.structure(self._levels)
        weighted = data.train_weights is not None
        read_as = str(x.dtype), data.scale, data.n_classes, data.target, data.permuted, weighted
        return self._objective.name, structure, shapes, read_as, self._reported(task)

    def _reported(self, task: TrainingTask) -> tuple[str, ...]:
        """Return what the head is asked to report for the trial's metric."""
        return self._objective.on_request.get(task.metric, ())

    def _validate(self, chosen: Sequence[int]) -> dict[int, dict[str, float]]:
        """Return the metrics of these lanes, of training and of the validation pictures."""
        found, scores = self._lanes.metrics(), self._lanes.evaluate()
        metrics = {}
        for i in chosen:
            metrics[i] = {name: float(values[i]) for name, values in found.items()}
            own = evaluate.metrics(
                self._program.network.head,
                scores[i],
                self._data.y_validation,
                self._data.validation_weights,
            )
            metrics[i] |= {f"val_{name}": value for name, value in own.items()}
        return metrics

    def _result(self, trial: PackedTrial, kept: list[Array]) -> TrainingResult:
        hyperparameters = trial.task.hyperparameters
        objective, data = self._objective, self._data

        def build(weights: list[Array]) -> keras.Model:
            network = build_for_reading(objective, hyperparameters, data)
            tunable_model.set_weights(network, weights)
            return network

        return self._result_of(trial, kept, build)
