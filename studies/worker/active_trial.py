"""A claimed trial that trains in a pack: its task for the executor and its reports to Optuna."""

from __future__ import annotations

import time
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field
from typing import Any

from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial

from storage import trial_id
from storage.study_attributes import HISTORY_KEY
from studies.attributes import CODE_SHA256_KEY, LANES_KEY, TRAIN_SECONDS_KEY
from studies.executor.protocol import History, TrialEpoch, TrialTask
from studies.space.parse_space import SEED
from studies.suggest import Prepared, seed_of
from studies.worker.open_studies import OpenStudy


@dataclass(eq=False)
class ActiveTrial:
    """A trial that waits for its place in a pack, or trains.

    Attributes:
        claimed: The trial, as it was claimed.
        trial: Optuna's object for it.
        task: What the executor is asked to train.
        params: Those of its parameters in which all trials of the pack agree.
        structure: What its compiled program depends on.
        history: Each metric, epoch by epoch; None where it was no finite number.
        notes: Attributes to record however the trial ends.
        is_overdue: Whether it was ended because it took too long.
    """

    claimed: FrozenTrial
    trial: Trial
    task: TrialTask
    params: Mapping[str, Any]
    structure: Hashable
    history: History = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    is_overdue: bool = False
    _started: float = field(default_factory=time.perf_counter)
    _reported: int = 0  # epochs

    @property
    def id(self) -> int:
        """The trial's id in the storage, and in the executor."""
        return self.task.id

    def known(self) -> dict[str, Any]:
        """Return the attributes to record where the executor gives no result."""
        return {
            **self.notes,
            HISTORY_KEY: self.history,
            "epochs": max(map(len, self.history.values()), default=0),
            TRAIN_SECONDS_KEY: round(self.seconds, 3),
        }

    @property
    def seconds(self) -> float:
        """How long it has trained, compilation included."""
        return time.perf_counter() - self._started

    def start(self) -> None:
        """Count the time from now on."""
        self._started = time.perf_counter()

    def begin(self, history: History) -> int:
        """Start with the epochs of a checkpoint, if there was one; return their number."""
        self.history = history
        self.notes = {"resumed_after": len(history["loss"])} if history else {}
        return len(history["loss"]) if history else 0

    def restart(self, trial: Trial, reported: int) -> None:
        """Forget all that was not written, since the executor has failed.

        Args:
            trial: Optuna's object for the trial, made anew.
            reported: The last epoch that was written.
        """
        self.trial = trial
        self._reported = reported

    def report(self, epoch: TrialEpoch, metric: str, *, prunes: bool) -> bool:
        """Report an epoch to Optuna; return whether the pruner lets the trial go on.

        Args:
            epoch: The epoch.
            metric: The study's metric.
            prunes: Whether the study's pruner is asked.
        """
        for name, value in epoch.metrics.items():
            self.history.setdefault(name, []).append(value)
        note_lanes(self.notes, epoch)
        is_bad = False
        try:
            # Where seeds are trained one by one, what each comes to stands for an epoch.
            values = self.history[metric] if epoch.seed_values is None else epoch.seed_values
            last = epoch.epoch if epoch.seed_values is None else len(epoch.seed_values)
            # More than one where the trial goes on from a checkpoint. The pruner stores each, to
            # compare others with it; its verdict on the earlier ones is the first attempt's.
            for step in range(self._reported + 1, last + 1):
                value = values[step - 1]
                if value is not None:
                    self.trial.report(value, step)
                is_bad = prunes and self.trial.should_prune()
            self._reported = max(self._reported, last)
            # A trial that has come to its end is whole: the pruner only stores it for others.
            return epoch.ended or not is_bad
        except UpdateFinishedTrialError:
            return False  # ended by somebody else: found again when the batch is written


def note_lanes(notes: dict[str, Any], epoch: TrialEpoch) -> None:
    """Note in how many lanes an epoch was trained, where it was another number before.

    On it depend the last bits of what the epoch comes to.
    """
    noted = notes.setdefault(LANES_KEY, [])
    if not noted or noted[-1][1] != epoch.lanes:
        noted.append([epoch.epoch, epoch.lanes])


def open_trial(study: OpenStudy, claimed: FrozenTrial, prepared: Prepared) -> ActiveTrial:
    """Make a trial ready to train whose parameters are chosen, and record its seed.

    Raises:
        ValueError: The parameters make no setting of the objective.
    """
    definition = study.definition
    seed = seed_of(definition, prepared.trial, prepared.params)
    prepared.trial.set_user_attr(SEED, seed)
    if study.code is not None:
        prepared.trial.set_user_attr(CODE_SHA256_KEY, study.code.sha256)
    settings = definition.setting_at(prepared.params)
    structural = {k: v for k, v in prepared.params.items() if k in definition.structural_factors}
    structure: Hashable = tuple(sorted((k, repr(v)) for k, v in structural.items()))
    if study.code is None:
        structure = definition.hyperparameters(**settings).structure(definition.levels)
    return ActiveTrial(
        claimed=claimed,
        trial=prepared.trial,
        task=TrialTask(
            trial_id(claimed),
            settings,
            seed,
            study.checkpoint(claimed),
            definition.search.n_seeds,
        ),
        params=structural,
        structure=structure,
    )
