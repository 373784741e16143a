"""The networks of the registered objectives, for the child. Importing it imports Keras."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import keras

import objectives
from objectives.data.datasets import Dataset
from objectives.data.encoding import from_json
from objectives.hyperparameters import Hyperparameters
from objectives.training import evaluate
from objectives.training.checkpoint import Checkpoint
from objectives.training.pack import Pack, TrainingTask
from objectives.training.program_cache import ProgramCache
from objectives.training.result import TrainingResult
from objectives.types import Batch
from studies.executor.protocol import AddTrials, EvaluateHoldout, FiguresDrawn, TrialTask


class BuiltInNetworks:
    """The networks of one objective; see `studies.executor.networks.Networks`.

    Args:
        objective: The objective's name.
    """

    def __init__(self, objective: str) -> None:
        self._objective = objectives.get(objective)
        self._saved: tuple[Hyperparameters, keras.Model]  # the network saved last

    def pack(self, request: AddTrials, data: Dataset, programs: ProgramCache) -> Pack:
        """Return a pack; its trials share the programs of this process."""
        return Pack(self._objective, data, programs, request.levels)

    def task(
        self, request: AddTrials, task: TrialTask, data: Dataset, checkpoint: Checkpoint | None
    ) -> TrainingTask:
        """Check the setting, and that the pictures are large enough for the network."""
        hyperparameters = self._objective.hyperparameters(**task.hyperparameters)
        hyperparameters.check_input(data.x_train.shape[1:])
        return TrainingTask(
            hyperparameters, task.seed, request.metric, request.maximize, checkpoint
        )

    def attributes(self, task: TrainingTask) -> Mapping[str, Any]:
        """Return nothing: how they are trained is the same for all."""
        return {}

    def save(
        self, task: TrainingTask, result: TrainingResult, data: Dataset, file: Path
    ) -> list[Path]:
        """Write a stock network, which every Keras loads."""
        self._saved = task.hyperparameters, result.model()
        self._saved[1].save(file)
        return [file]

    def draw(self, data: Dataset, folder: Path) -> FiguresDrawn:
        """Draw what the objective draws; nothing for most."""
        if self._objective.figures is None:
            return FiguresDrawn([], {})
        hyperparameters, network = self._saved
        head = self._objective.head_of(hyperparameters, data.target)
        x, y = data.x_validation, data.y_validation
        _, predicted = evaluate.losses_and_predictions(network, head, x, y).T
        figures = import_module(self._objective.figures)
        return FiguresDrawn(figures.draw(folder, x, y, predicted), figures.plots(x, y, predicted))

    def evaluate(self, request: EvaluateHoldout, test: Batch) -> dict[str, float]:
        """Evaluate the network as it is in its file, by every metric."""
        hyperparameters = self._objective.hyperparameters(**request.hyperparameters)
        target = from_json(request.dataset.encoding).target
        every = self._objective.every_metric()
        head = self._objective.head_of(hyperparameters, target, reported=every)
        network = keras.models.load_model(request.file, compile=False)
        x, y, *weights = test
        scores = evaluate.losses_and_predictions(network, head, x, y)
        return evaluate.metrics(head, scores, y, *weights)
