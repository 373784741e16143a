"""The result of a trained trial."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import keras

from objectives.training.compile_clock import compile_clock
from objectives.training.epochs import WATCHED, Epochs, Stopped
from objectives.types import Array


@dataclass(frozen=True)
class FoldResults:
    """What a trial came to on each fold of the data.

    Attributes:
        values: The metric at the epoch whose mean over the folds is the trial's value.
        best_epochs: The epoch that was the fold's own best one, from 1.
    """

    values: Sequence[float]
    best_epochs: Sequence[int]


@dataclass(frozen=True, eq=False)
class SeedResults:
    """What a trial came to with each of its seeds.

    Attributes:
        values: The value of each, None where it diverged.
        best: The task of the best one, whose network is the trial's.
    """

    values: Sequence[float | None]
    best: Any


@dataclass(frozen=True, eq=False)
class TrainingResult:
    """The result of a trained trial.

    Attributes:
        value: The metric of the kept weights; None if training diverged.
        best_epoch: The epoch with the best metric, from 1.
        last_epoch: The last epoch trained, from 1.
        history: Each metric, epoch by epoch.
        train_seconds: Wall time from its start to its end. It includes compilation if this trial
            caused it, and the trials of a pack share it.
        compile_seconds: How much of that was spent on tracing and compiling programs.
        parameter_count: Numbers in the network's weights, moving averages included.
        stopped: Why training ended.
        weights: The kept weights, layer by layer.
        build: Returns the network with weights.
        folds: What it came to on each fold; None where the data have none.
        seeds: What it came to with each seed; None where it has one.
    """

    value: float | None
    best_epoch: int
    last_epoch: int
    history: dict[str, list[float]]
    train_seconds: float
    compile_seconds: float
    parameter_count: int
    stopped: Stopped
    weights: list[Array] = field(repr=False)
    build: Callable[[list[Array]], keras.Model] = field(repr=False)
    folds: FoldResults | None = None
    seeds: SeedResults | None = None

    def fail_reason(self) -> str | None:
        """Return why the trial has no value, naming what was not finite; None if it has one."""
        if self.stopped != "diverged":
            return None
        last = {name: values[-1] for name, values in self.history.items()}
        names = (*WATCHED, *last)  # the losses first
        name = next(name for name in names if not math.isfinite(last.get(name, 0.0)))
        return (
            f"Expected a finite {name}. Received: {name}={last[name]} in epoch {self.last_epoch}. "
            "A smaller learning rate may help."
        )

    def model(self) -> keras.Model:
        """Return the trained network; of a built-in objective see `build.build_for_reading`."""
        return self.build(self.weights)


def result_of(
    epochs: Epochs,
    *,
    started: float,
    compiled_before: float,
    parameter_count: int,
    weights: list[Array],
    build: Callable[[list[Array]], keras.Model],
) -> TrainingResult:
    """Return the result of a trial that has ended now.

    Args:
        epochs: Its epochs.
        started: When it began, as `time.perf_counter` tells.
        compiled_before: The seconds that this process had compiled until then.
        parameter_count: Numbers in its network's weights.
        weights: The kept weights, layer by layer.
        build: Returns its network with weights.
    """
    assert epochs.stopped is not None
    return TrainingResult(
        value=epochs.value(),
        best_epoch=epochs.best,
        last_epoch=epochs.completed,
        history=epochs.history,
        train_seconds=time.perf_counter() - started,
        compile_seconds=compile_clock.seconds - compiled_before,
        parameter_count=parameter_count,
        stopped=epochs.stopped,
        weights=weights,
        build=build,
    )
