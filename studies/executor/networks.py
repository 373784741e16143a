"""What the child asks of a kind of networks: built-in ones, and those that a user builds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from studies.executor.protocol import AddTrials, EvaluateHoldout, FiguresDrawn, TrialTask

if TYPE_CHECKING:
    from objectives.data.datasets import Dataset
    from objectives.training.checkpoint import Checkpoint
    from objectives.training.program_cache import ProgramCache
    from objectives.training.result import TrainingResult
    from objectives.training.training_pack import TrainingPack
    from objectives.types import Batch


class Networks(Protocol):
    """The networks of one objective."""

    def pack(self, request: AddTrials, data: Dataset, programs: ProgramCache) -> TrainingPack:
        """Return what trains trials of them."""

    def task(
        self, request: AddTrials, task: TrialTask, data: Dataset, checkpoint: Checkpoint | None
    ) -> Any:
        """Check everything that can be wrong with one trial; return the pack's task for it.

        Raises:
            ValueError: It cannot be trained.
        """

    def attributes(self, task: Any) -> Mapping[str, Any]:
        """Return what is recorded with a trial that has ended, beside its result."""

    def save(self, task: Any, result: TrainingResult, data: Dataset, file: Path) -> list[Path]:
        """Write the trained network of a trial to a `.keras` file; return the files."""

    def draw(self, data: Dataset, folder: Path) -> FiguresDrawn:
        """Draw what the network saved last predicts for the validation pictures."""

    def evaluate(self, request: EvaluateHoldout, test: Batch) -> dict[str, float]:
        """Return the loss and the metrics of a kept network."""
