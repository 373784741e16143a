"""Small networks that are trained on a few digits, for tests of training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import objectives
from objectives.data.datasets import Dataset, load
from objectives.data.options import DataOptions
from objectives.hyperparameters import Hyperparameters
from objectives.objective import Objective
from objectives.training.program_cache import ProgramCache
from objectives.training.result import TrainingResult
from objectives.training.train import train

DIGITS = load("digits", DataOptions(train_size=200))
MLP, CNN = objectives.get("mlp"), objectives.get("cnn")
# Batches that leave no smaller one: a second size is a second step to compile.
SMALL: dict[str, Any] = {"hidden_units": [16], "batch_size": 50, "epochs": 3}
PROGRAMS = ProgramCache()  # of tests that ask nothing of programs: each is compiled once for all


def run(
    hyperparameters: Hyperparameters,
    *,
    programs: ProgramCache = PROGRAMS,
    seed: int = 0,
    metric: str = "val_loss",
    maximize: bool = False,
    objective: Objective = MLP,
    stop_after: int = 100,
    data: Dataset = DIGITS,
    levels: Mapping[str, Sequence[Any]] = {},
) -> TrainingResult:
    """Train one trial."""
    return train(
        objective,
        hyperparameters,
        data,
        seed=seed,
        metric=metric,
        maximize=maximize,
        report=lambda epoch, metrics: epoch < stop_after,
        programs=programs,
        levels=levels,
    )
