"""Record how the trials of a study ended, and where and with what they ran."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from objectives.data.sources import source_of
from storage import trial_id
from storage.study_attributes import HISTORY_KEY
from studies.executor.client import Executor
from studies.versions import installed_versions
from studies.worker.database_retry import RetryingDatabase
from studies.worker.open_studies import OpenStudy
from studies.worker.outcome import EndedTrial, Outcome

TOLD_TO_STOP = "its worker was told to stop"
STATES = {
    Outcome.COMPLETE: TrialState.COMPLETE,
    Outcome.PRUNED: TrialState.PRUNED,
    Outcome.DIVERGED: TrialState.FAIL,
    Outcome.TIMED_OUT: TrialState.FAIL,
    Outcome.FAILED: TrialState.FAIL,
}


class Recorder:
    """Writes the ends of trials to the database.

    Args:
        database: The storage.
        study: The study of the trials.
        worker: The name of the worker, recorded with each trial.
    """

    def __init__(self, database: RetryingDatabase, study: OpenStudy, worker: str) -> None:
        self._database = database
        self._study = study
        self._worker = worker

    def record(self, ended: Sequence[EndedTrial], executor: Executor) -> list[EndedTrial]:
        """Record how trials have ended; return the same, LOST where they had ended elsewhere."""
        provenance = self._provenance(executor)
        storage = self._database.storage
        if self._study.definition.is_function:  # it has written to its trial by itself
            self._database.adopt(self._study.id, [trial_id(each.claimed) for each in ended])
        with self._database.batch(self._study.id, others=False) as batch:
            for each in ended:
                i = trial_id(each.claimed)
                if not self._database.is_trial_running(i):
                    batch.lost.add(i)
                    continue
                for key, value in {**each.attributes, **provenance}.items():
                    if key == HISTORY_KEY:
                        storage.set_trial_system_attr(i, key, value)
                    else:
                        storage.set_trial_user_attr(i, key, value)
                state = STATES[each.outcome]
                self._study.study.tell(each.claimed.number, each.value, state=state)
        return [
            replace(each, outcome=Outcome.LOST) if trial_id(each.claimed) in batch.lost else each
            for each in ended
        ]

    def requeue(
        self, claimed: FrozenTrial, reason: str = TOLD_TO_STOP, *, lost: bool = False
    ) -> EndedTrial:
        """Queue a trial again.

        Args:
            claimed: The trial, as it was claimed.
            reason: Why.
            lost: Whether the trial may be the cause, so that it is retried a few times only.
        """
        retry = self._database.requeue(claimed, reason, lost=lost)
        outcome = Outcome.LOST if retry is None else Outcome.REQUEUED
        return EndedTrial(claimed, outcome, reason=reason)

    def _provenance(self, executor: Executor) -> dict[str, Any]:
        dataset, sha256 = self._study.definition.dataset, self._study.data_sha256
        return provenance(dataset, sha256, executor.backend, executor.device, self._worker)


def provenance(
    dataset: str | None, sha256: str | None, backend: str | None, device: str, worker: str
) -> dict[str, Any]:
    """Return what is recorded with every trial of where and with what it ran.

    Args:
        dataset: Its data set; None for a function, which has its own.
        sha256: That of its data, if known.
        backend: The library that it was computed with, if any.
        device: What it was computed on.
        worker: The name of the worker.
    """
    found = {
        "backend": backend,
        "device": device,
        "data_sha256": sha256,
        **({} if dataset is None else source_of(dataset).provenance),
    }
    known = {key: value for key, value in found.items() if value}
    return {**known, "worker": worker, "versions": installed_versions()}
