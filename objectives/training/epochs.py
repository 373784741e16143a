"""One trial's course through its epochs: its metrics so far, its best epoch, and why it ended."""

import copy
import math
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from objectives.hyperparameters import Hyperparameters

Stopped = Literal["finished", "early_stopping", "by_report", "diverged"]


@dataclass
class Course:
    """The epochs of one trial.

    Attributes:
        hyperparameters: The trial's setting.
        metric: The metric that chooses the best epoch and stops early.
        maximize: Whether more of it is better.
        n_epochs: The number of epochs to train.
        epoch: Epochs completed.
        history: Each metric, epoch by epoch.
        best_epoch: The epoch with the best metric, from 1; 0 while there is none.
        stopped: Why training ended, None while it goes on.
    """

    hyperparameters: Hyperparameters
    metric: str
    maximize: bool
    n_epochs: int
    epoch: int = 0
    history: dict[str, list[float]] = field(default_factory=dict)
    best_epoch: int = 0
    stopped: Stopped | None = None
    _reference_epoch: int = 0

    def record(self, metrics: dict[str, float]) -> None:
        """Take the metrics of one more epoch, and end where that was the last one."""
        self.epoch += 1
        for name, number in metrics.items():
            self.history.setdefault(name, []).append(number)
        if not all(map(math.isfinite, (metrics["loss"], metrics["val_loss"]))):
            self.stopped = "diverged"  # it would never be a number again
            return
        if self._improves_on(self.best_epoch, 0.0):
            self.best_epoch = self.epoch
        if self._improves_on(self._reference_epoch, self.hyperparameters.early_stopping_min_delta):
            self._reference_epoch = self.epoch
        patience = self.hyperparameters.early_stopping_patience
        if patience is not None and self.epoch - self._reference_epoch >= patience:
            self.stopped = "early_stopping"
        elif self.epoch == self.n_epochs:
            self.stopped = "finished"

    def keeps(self) -> bool:
        """Tell whether the weights of the epoch recorded last are the ones to keep so far."""
        return not self.hyperparameters.restore_best_weights or self.best_epoch == self.epoch

    def value(self) -> float | None:
        """Return the metric with the weights that are kept; None where training diverged."""
        if self.stopped == "diverged":
            return None
        kept = self.best_epoch if self.hyperparameters.restore_best_weights else self.epoch
        return self.history[self.metric][kept - 1]

    def state(self) -> dict[str, Any]:
        """Return what `resume` needs, as JSON says it."""
        names = ("epoch", "history", "best_epoch", "_reference_epoch")
        return {name: value for name, value in asdict(self).items() if name in names}

    def resume(self, state: dict[str, Any]) -> None:
        """Go on where another course of the same trial was."""
        for name, value in copy.deepcopy(state).items():
            setattr(self, name, value)

    def _improves_on(self, epoch: int, least: float) -> bool:
        if epoch == 0:
            return True
        scores = self.history[self.metric]
        gain = scores[-1] - scores[epoch - 1]
        return (gain if self.maximize else -gain) > least
