"""What every way to train has in common: trials that are trained epoch by epoch in a pack."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from objectives.training.checkpoint import Checkpoint
from objectives.training.epochs import Epochs
from objectives.training.result import TrainingResult


class TrainingTrial(Protocol):
    """A trial in a pack."""

    @property
    def task(self) -> Any:
        """What is trained, of the class that the pack takes."""

    @property
    def epochs(self) -> Epochs:
        """Its epochs so far; `stopped` tells whether it has ended."""

    @property
    def lanes(self) -> int:
        """The number of lanes of the program that has trained its last epoch; 1 before it."""

    def stop(self) -> None:
        """End the trial after the last completed epoch, for instance because it is pruned."""


class TrainingPack(Protocol):
    """Trials that train together, and end each at its own time."""

    @property
    def trials(self) -> Sequence[TrainingTrial]:
        """The trials that are training now."""

    @property
    def wanted(self) -> int:
        """The number of trials to train at once."""

    def add(self, tasks: Sequence[Any]) -> Sequence[TrainingTrial]:
        """Add trials, each at its beginning or at its checkpoint."""

    def train_epoch(self) -> Sequence[tuple[Any, dict[str, float]]]:
        """Train every trial for its next epoch; return each with its metrics."""

    def take_ended(self) -> Sequence[tuple[Any, TrainingResult]]:
        """Take out the trials that have ended; return them with their results."""

    def checkpoint(self, trial: Any) -> Checkpoint:
        """Copy a trial's state, to resume it from there alone or in another pack."""
