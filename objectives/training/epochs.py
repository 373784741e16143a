"""A trial's progress through its epochs: its metrics, its best epoch, and why it ended."""

import copy
import math
from dataclasses import dataclass, field
from typing import Any, Literal

from objectives.errors import unknown_name
from objectives.own.directions import direction_of
from objectives.training.schedule import learning_rate_factor
from objectives.training_hyperparameters import TrainingHyperparameters

WATCHED = ("loss", "val_loss")
"""A trial diverges where one of them, or its own metric, is not finite. A network with its own step
may lack them."""
PLATEAU_MIN_DELTA = 1e-4
"""The least change that ends a plateau: Keras's default in ReduceLROnPlateau."""
Stopped = Literal["finished", "early_stopping", "by_report", "diverged"]


@dataclass
class Epochs:
    """The epochs of a trial.

    Attributes:
        hyperparameters: The trial's setting.
        metric: The metric that chooses the best epoch, and stops early unless the setting names
            another.
        maximize: Whether a higher metric is better.
        n_epochs: The number of epochs to train.
        completed: The number of epochs completed.
        history: Each metric, epoch by epoch.
        best: The epoch with the best metric, from 1; 0 before the first.
        stopped: Why training ended; None while it goes on.
    """

    hyperparameters: TrainingHyperparameters
    metric: str
    maximize: bool
    n_epochs: int
    completed: int = 0
    history: dict[str, list[float]] = field(default_factory=dict)
    best: int = 0
    stopped: Stopped | None = None
    _reference: int = 0
    """The last epoch whose improvement was large enough to reset early stopping."""
    _plateau_best: float | None = None
    _plateau_wait: int = 0
    _plateau_factor: float = 1.0

    def record(self, metrics: dict[str, float]) -> None:
        """Record the metrics of one more epoch, and decide whether it was the last one.

        Raises:
            UnknownNameError: A metric that is asked for is not among them.
        """
        stops_by = self.hyperparameters.early_stopping_metric or self.metric
        plateau_by = self.hyperparameters.plateau_metric or self.metric
        for name in (self.metric, stops_by, plateau_by):
            if name not in metrics:
                raise unknown_name("a metric that the network reports", name, metrics)
        self.completed += 1
        for name, number in metrics.items():
            self.history.setdefault(name, []).append(number)
        watched = (*WATCHED, self.metric, stops_by, plateau_by)
        if not all(math.isfinite(metrics.get(name, 0.0)) for name in watched):
            self.stopped = "diverged"  # no later loss would be finite
            return
        if self._improves_on(self.metric, self.best, 0.0):
            self.best = self.completed
        least = self.hyperparameters.early_stopping_min_delta
        if self._improves_on(stops_by, self._reference, least):
            self._reference = self.completed
        self._reduce_on_plateau(plateau_by, metrics[plateau_by])
        most = self.hyperparameters.early_stopping_patience
        if most is not None and self.completed - self._reference >= most:
            self.stopped = "early_stopping"
        elif self.completed == self.n_epochs:
            self.stopped = "finished"

    def end_by_report(self) -> None:
        """End after the last completed epoch, for instance because the trial is pruned."""
        if self.stopped != "diverged":
            self.stopped = "by_report"

    def rate_factor(self) -> float:
        """Return the factor of the first learning rate in the next epoch."""
        factor = learning_rate_factor(self.hyperparameters, self.completed + 1, self.n_epochs)
        return factor * self._plateau_factor

    def keeps(self) -> bool:
        """Tell whether the weights of the last epoch are to be kept in place of earlier ones."""
        return not self.hyperparameters.restore_best_weights or self.best == self.completed

    def value(self) -> float | None:
        """Return the metric of the kept weights; None if training diverged."""
        if self.stopped == "diverged":
            return None
        kept = self.best if self.hyperparameters.restore_best_weights else self.completed
        return self.history[self.metric][kept - 1]

    def state(self) -> dict[str, Any]:
        """Return what `resume` needs, as JSON for a checkpoint."""
        values = {key: getattr(self, name) for key, name in _STATE.items()}
        return copy.deepcopy(values)

    def resume(self, state: dict[str, Any]) -> None:
        """Continue from the `state` of another object for the same trial."""
        for key, value in copy.deepcopy(state).items():
            setattr(self, _STATE[key], value)

    def _is_maximized(self, metric: str) -> bool:
        return self.maximize if metric == self.metric else direction_of(metric) == "maximize"

    def _reduce_on_plateau(self, metric: str, score: float) -> None:
        """Reduce the learning rate as Keras's ReduceLROnPlateau does."""
        patience = self.hyperparameters.plateau_patience
        if patience is None:
            return
        best = self._plateau_best
        is_maximized = self._is_maximized(metric)
        gain = 0.0 if best is None else score - best if is_maximized else best - score
        if best is None or gain > PLATEAU_MIN_DELTA:
            self._plateau_best, self._plateau_wait = score, 0
            return
        self._plateau_wait += 1
        if self._plateau_wait >= patience:
            self._plateau_factor *= self.hyperparameters.plateau_factor
            self._plateau_wait = 0

    def _improves_on(self, metric: str, epoch: int, least: float) -> bool:
        if epoch == 0:
            return True
        scores = self.history[metric]
        gain = scores[-1] - scores[epoch - 1]
        return (gain if self._is_maximized(metric) else -gain) > least


# Keys in a checkpoint -> attributes. Checkpoints of earlier versions have these keys.
_STATE = {
    "epoch": "completed",
    "history": "history",
    "best_epoch": "best",
    "_reference_epoch": "_reference",
    "plateau_best": "_plateau_best",
    "plateau_wait": "_plateau_wait",
    "plateau_factor": "_plateau_factor",
}
