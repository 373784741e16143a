"""One claimed trial on its way through a pack: what the executor is asked, what Optuna is told."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial

from storage import storage_of, trial_id
from studies.executor.client import Message
from studies.space.parse_space import SEED
from studies.suggest import Prepared, seed_of
from studies.worker.recorder import Evaluation


@dataclass(eq=False)
class Lane:
    """A trial that waits for its place in a pack, or trains.

    Attributes:
        claimed: The trial, as it was claimed.
        trial: Optuna's object for it.
        settings: Its hyperparameters.
        seed: The seed to train with.
        params: Its parameters in which the pack's trials agree.
        structure: What its compiled program depends on.
        file: Where its checkpoint is, if it has one.
        history: Each metric, epoch by epoch; None where it was no finite number.
        notes: Attributes to record however the trial ends.
    """

    claimed: FrozenTrial
    trial: Trial
    settings: Mapping[str, Any]
    seed: int
    params: Mapping[str, Any]
    structure: Hashable
    file: Path
    history: dict[str, list[float | None]] = field(default_factory=dict)
    notes: Message = field(default_factory=dict)
    _started: float = field(default_factory=time.perf_counter)
    _reported: int = 0  # epochs

    @property
    def id(self) -> int:
        """The trial's id in the storage, and in the executor."""
        return trial_id(self.claimed)

    @property
    def task(self) -> Message:
        """What the executor is asked to train."""
        return {
            "id": self.id,
            "hyperparameters": self.settings,
            "seed": self.seed,
            "checkpoint": str(self.file),
        }

    def known(self) -> Message:
        """Return what is known of the trial where no result comes any more."""
        return {
            **self.notes,
            "history": self.history,
            "epochs": max(map(len, self.history.values()), default=0),
            "train_seconds": round(time.perf_counter() - self._started, 3),
        }

    def begin(self, history: dict[str, list[float | None]]) -> None:
        """Take note of the epochs that the trial has behind it."""
        self.history = history
        self.notes = {"resumed_after": len(history["loss"])} if history else {}
        self._started = time.perf_counter()

    def start_anew(self, study: optuna.Study) -> None:
        """Forget what was not written, since the executor has failed."""
        self.trial = Trial(study, self.id)
        steps = storage_of(study).get_trial(self.id).intermediate_values
        self._reported = max(steps, default=0)

    def report(self, told: Message, metric: str, *, prunes: bool) -> bool:
        """Report an epoch to Optuna; return whether the pruner leaves the trial alone.

        Args:
            told: What the executor tells of the epoch.
            metric: The study's metric.
            prunes: Whether the study's pruner is asked.
        """
        for name, value in told["metrics"].items():
            self.history.setdefault(name, []).append(value)
        is_bad = False
        try:
            # More than one where the trial goes on from a checkpoint. The pruner takes note of
            # each, to compare others with; its verdict on those is that of the first attempt.
            for epoch in range(self._reported + 1, told["epoch"] + 1):
                value = self.history[metric][epoch - 1]
                if value is not None:
                    self.trial.report(value, epoch)
                is_bad = prunes and self.trial.should_prune()
            self._reported = max(self._reported, told["epoch"])
            # One that has come to its end is whole: of it the pruner only takes note for others.
            return told["ended"] or not is_bad
        except UpdateFinishedTrialError:
            return False  # ended by somebody else: found again when the batch is written


def open_lane(evaluation: Evaluation, claimed: FrozenTrial, prepared: Prepared) -> Lane:
    """Make the lane of a trial whose parameters are chosen, and record its seed.

    Raises:
        ValueError: The parameters make no setting of the objective.
    """
    definition = evaluation.definition
    seed = seed_of(definition, prepared.trial, prepared.params)
    prepared.trial.set_user_attr(SEED, seed)
    settings = definition.factors.resolve(prepared.params)
    settings.pop(SEED, None)
    structure = definition.network.hyperparameters(**settings).structure(definition.levels)
    return Lane(
        claimed=claimed,
        trial=prepared.trial,
        settings=settings,
        seed=seed,
        params={k: v for k, v in prepared.params.items() if k in definition.structural_factors},
        structure=structure,
        file=evaluation.checkpoint(claimed),
    )
