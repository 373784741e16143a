"""Train one trial: epochs in, metrics and the kept weights out. Knows nothing of studies."""

import math
import random
import time
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import keras

from objectives import optimizers, twin
from objectives.datasets import Dataset
from objectives.hyperparameters import Hyperparameters
from objectives.objective import Objective
from objectives.program import DeviceArrays, Program, ProgramCache
from objectives.schedule import epoch_order, epoch_steps, learning_rate_factor

Metric = Literal["loss", "accuracy", "val_loss", "val_accuracy"]
Stopped = Literal["finished", "early_stopping", "by_report"]
Report = Callable[[int, dict[str, float]], bool]
"""Takes the epochs completed and all metrics; returns whether to go on."""


class NonFiniteLossError(ArithmeticError):
    """The loss is no longer a finite number, and would never be one again.

    Args:
        epoch: The epoch, from 1.
        loss: The loss.
    """

    def __init__(self, epoch: int, loss: float) -> None:
        super().__init__(
            f"Expected a finite loss. Received: loss={loss} in epoch {epoch}. "
            "A smaller learning rate may help."
        )
        self.epoch = epoch
        self.loss = loss


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """What one trial came to.

    Attributes:
        value: The metric with the weights that are kept.
        best_epoch: The epoch with the best metric, from 1.
        last_epoch: The last epoch trained, from 1.
        history: Each metric, epoch by epoch.
        train_seconds: Wall time, compilation included where this trial caused it.
        parameter_count: Numbers in the network's weights, moving averages included.
        stopped: Why training ended.
        weights: The kept weights, layer by layer.
    """

    value: float
    best_epoch: int
    last_epoch: int
    history: dict[str, list[float]]
    train_seconds: float
    parameter_count: int
    stopped: Stopped
    weights: twin.Weights = field(repr=False)
    _build: Callable[[], keras.Model] = field(repr=False)

    def model(self) -> keras.Model:
        """Return the trained network, of stock Keras layers, compiled without any penalty."""
        network = self._build()
        twin.set_weights(network, self.weights)
        return network


def train(
    objective: Objective,
    hyperparameters: Hyperparameters,
    data: Dataset,
    *,
    seed: int,
    metric: Metric,
    maximize: bool,
    report: Report,
    programs: ProgramCache,
) -> TrainingResult:
    """Train one trial in the program of its structure, compiled now if it is the first.

    The result depends on nothing but the arguments: not on the trials before it, nor on whether
    its program was there.

    Args:
        objective: What network to build.
        hyperparameters: The trial's setting.
        data: What to train and validate on.
        seed: Seed of the first weights, the dropout and the order of the pictures; from 0.
        metric: The metric that chooses the best epoch, stops early and is the result's value.
        maximize: Whether more of it is better.
        report: Called after each epoch.
        programs: The programs of this process.

    Raises:
        NonFiniteLossError: The loss became infinite or not a number.
        ValueError: The pictures are too small for the network.
    """
    started = time.perf_counter()
    network, optimizer = _first_state(objective, hyperparameters, data, seed)
    structure = _structure(objective, hyperparameters, data)
    program = programs.get(structure, lambda: Program(network, optimizer))
    program.refill(network, optimizer)
    course = _Course(hyperparameters, metric, maximize)
    arrays = programs.place(data)
    for epoch, metrics in _epochs(program, arrays, hyperparameters, seed):
        course.record(epoch, metrics)
        if course.keeps(epoch):
            kept = twin.weights(program.model, network)
        if not report(epoch, metrics):
            course.stopped = "by_report"
        elif course.is_stuck(epoch):
            course.stopped = "early_stopping"
        if course.stopped != "finished":
            break
    if not hyperparameters.restore_best_weights:
        kept = twin.weights(program.model, network)
    return TrainingResult(
        value=course.value(),
        best_epoch=course.best_epoch,
        last_epoch=epoch,
        history=course.history,
        train_seconds=time.perf_counter() - started,
        parameter_count=network.count_params(),
        stopped=course.stopped,
        weights=kept,
        _build=lambda: _compiled_without_penalty(objective, hyperparameters, data),
    )


class _Course:
    """The metrics so far: which epoch was best, and how long ago the last improvement was."""

    def __init__(self, hyperparameters: Hyperparameters, metric: Metric, maximize: bool) -> None:
        self.history: dict[str, list[float]] = {}
        self.best_epoch = 0
        self.stopped: Stopped = "finished"
        self._hyperparameters = hyperparameters
        self._metric = metric
        self._sign = 1 if maximize else -1
        self._best = self._reference = -math.inf
        self._reference_epoch = 0

    def record(self, epoch: int, metrics: dict[str, float]) -> None:
        for name, number in metrics.items():
            self.history.setdefault(name, []).append(number)
        score = self._sign * metrics[self._metric]
        if score > self._best:
            self._best, self.best_epoch = score, epoch
        if score > self._reference + self._hyperparameters.early_stopping_min_delta:
            self._reference, self._reference_epoch = score, epoch

    def keeps(self, epoch: int) -> bool:
        return self._hyperparameters.restore_best_weights and self.best_epoch == epoch

    def is_stuck(self, epoch: int) -> bool:
        patience = self._hyperparameters.early_stopping_patience
        return patience is not None and epoch - self._reference_epoch >= patience

    def value(self) -> float:
        restored = self._hyperparameters.restore_best_weights
        return self.history[self._metric][self.best_epoch - 1 if restored else -1]


def _epochs(
    program: Program, arrays: DeviceArrays, hyperparameters: Hyperparameters, seed: int
) -> Iterator[tuple[int, dict[str, float]]]:
    """Train epoch by epoch, and yield each one's number, from 1, and its metrics."""
    x, y, x_validation, y_validation = arrays
    batch_size = _batch_size(hyperparameters, len(x))
    steps_of_epochs = epoch_steps(hyperparameters, len(x) // batch_size)
    first_rate = program.learning_rate
    for epoch, steps in enumerate(steps_of_epochs, start=1):
        order = epoch_order(len(x), batch_size, seed, epoch)
        factor = learning_rate_factor(hyperparameters, epoch, len(steps_of_epochs))
        metrics = program.train_epoch(x, y, order, steps, first_rate * factor)
        metrics |= program.evaluate(x_validation, y_validation)
        for loss in (metrics["loss"], metrics["val_loss"]):
            if not math.isfinite(loss):
                raise NonFiniteLossError(epoch, loss)
        yield epoch, metrics


def _first_state(
    objective: Objective, hyperparameters: Hyperparameters, data: Dataset, seed: int
) -> tuple[keras.Model, keras.optimizers.Optimizer]:
    """Build the stock network and optimizer whose state a trial starts from."""
    # Keras draws the seeds of initializers and dropout from here. Its own set_random_seed would
    # import TensorFlow, whatever the backend is.
    random.seed(seed)
    network = _build(objective, hyperparameters, data)
    optimizer = optimizers.create(hyperparameters)
    optimizer.build(network.trainable_variables)
    return network, optimizer


def _build(objective: Objective, hyperparameters: Hyperparameters, data: Dataset) -> keras.Model:
    x = data.x_train
    return objective.build(hyperparameters, x.shape[1:], data.n_classes, str(x.dtype))


def _compiled_without_penalty(
    objective: Objective, hyperparameters: Hyperparameters, data: Dataset
) -> keras.Model:
    network = _build(objective, hyperparameters.model_copy(update={"regularizer": "none"}), data)
    network.compile(
        # It has no state beside its learning rate, so a saved file holds little but the weights.
        optimizer="sgd",
        loss=keras.losses.SparseCategoricalCrossentropy(),
        metrics=[keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
    )
    return network


def _batch_size(hyperparameters: Hyperparameters, n: int) -> int:
    return min(hyperparameters.batch_size, n)


def _structure(objective: Objective, hyperparameters: Hyperparameters, data: Dataset) -> Hashable:
    """Return what a compiled program depends on: the network, and the shapes of the data."""
    shapes = (data.x_train.shape, data.x_validation.shape, str(data.x_train.dtype))
    return objective.name, hyperparameters.structure(), shapes, data.n_classes
