"""The result of a trained trial."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import keras

from objectives.training.epochs import WATCHED, Stopped
from objectives.types import Array


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
    _build: Callable[[list[Array]], keras.Model] = field(repr=False)

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
        return self._build(self.weights)
