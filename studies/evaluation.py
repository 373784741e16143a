"""Evaluate one claimed trial in the executor child, and record what came of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, Trial, TrialState

from storage import (
    TrialStorage,
    artifact_store,
    is_among_best,
    keep_artifact,
    record_attributes,
    requeue,
)
from studies.create import ARTIFACTS_KEY, CREATED_KEY, installed_versions
from studies.definition import StudyDefinition
from studies.executor import Executor, ExecutorDiedError, ExecutorStoppedError, TrialError
from studies.patience import patiently
from studies.space_parser import SEED
from studies.trials import prepare_trial, seed_of

logger = logging.getLogger(__name__)


class Outcome(Enum):
    """How a claimed trial ended here."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    DIVERGED = "diverged"  # FAIL: the loss was no longer a number, which is a result
    FAILED = "failed"  # FAIL: by an exception or a crash
    LOST = "ended elsewhere"
    REQUEUED = "queued again"


class Evaluation:
    """Evaluates the trials of one study.

    Args:
        storage: The storage.
        study: The study.
        definition: Its definition.
        storage_url: For a user's own function, which opens the storage itself.
        worker: The name of the worker, recorded with the trial.
        stopping: Whether the worker was told to stop.
    """

    def __init__(
        self,
        storage: TrialStorage,
        study: optuna.Study,
        definition: StudyDefinition,
        *,
        storage_url: str,
        worker: str,
        stopping: Callable[[], bool],
    ) -> None:
        self.study = study
        self.definition = definition
        self._storage = storage
        self._storage_url = storage_url
        self._worker = worker
        self._stopping = stopping
        self._prunes = definition.search.pruner != "none"
        self._artifacts = study.user_attrs[ARTIFACTS_KEY]
        self.created_at: str = study.user_attrs[CREATED_KEY]
        self._data_sha256: str | None = None

    def prepare(self, executor: Executor) -> None:
        """Load the data set in the child, before a trial is claimed.

        Raises:
            TrialError: The data set is not there.
        """
        if self.definition.dataset is not None:
            options = self.definition.data.model_dump()
            self._data_sha256 = executor.prepare(self.definition.dataset, options)

    def run(self, claimed: FrozenTrial, executor: Executor) -> Outcome:
        """Evaluate one claimed trial. Whatever happens to it is recorded with it."""
        try:
            return self._run(claimed, executor)
        except UpdateFinishedTrialError:
            return Outcome.LOST
        except KeyError:
            if self._is_there(claimed):
                raise
            return Outcome.LOST  # its study was deleted

    def _run(self, claimed: FrozenTrial, executor: Executor) -> Outcome:
        started = time.perf_counter()
        try:
            result = self._evaluate(claimed, executor)
        except ExecutorStoppedError:
            return self._requeue(claimed)
        except ExecutorDiedError as error:
            # A signal to the whole group, as schedulers send it, may reach the child too.
            return (
                self._requeue(claimed) if self._stopping() else self._fail(claimed, executor, error)
            )
        except TrialError as error:
            return self._fail(claimed, executor, error)
        if result["stopped"] == "by_report" and self._stopping():
            return self._requeue(claimed)
        attributes = {
            "train_seconds": round(time.perf_counter() - started, 3),
            **result["attributes"],
            **self._provenance(executor),
        }
        if result["stopped"] == "by_report":
            return self._tell(claimed, TrialState.PRUNED, None, attributes)
        if result["value"] is None:
            attributes.setdefault("fail_reason", "the value is not a finite number")
            logger.warning("trial %d failed: %s", claimed.number, attributes["fail_reason"])
            self._tell(claimed, TrialState.FAIL, None, attributes)
            return Outcome.DIVERGED
        self._keep(claimed, executor, result["value"])
        return self._tell(claimed, TrialState.COMPLETE, result["value"], attributes)

    def _evaluate(self, claimed: FrozenTrial, executor: Executor) -> dict[str, Any]:
        if self.definition.is_function:
            return executor.call_function(
                {
                    "function": self.definition.objective,
                    "storage": self._storage_url,
                    "study": self.study.study_name,
                    "created_at": self.created_at,
                    "trial_id": claimed._trial_id,
                }
            )
        trial, params = patiently(
            lambda: prepare_trial(self.study, self.definition, claimed), self._stopping
        )
        seed = seed_of(self.definition, trial, params)
        self._record(claimed, {SEED: seed})
        hyperparameters = self.definition.factors.resolve(params)
        hyperparameters.pop(SEED, None)
        request = {
            "objective": self.definition.objective,
            "hyperparameters": hyperparameters,
            "dataset": self.definition.dataset,
            "data": self.definition.data.model_dump(),
            "seed": seed,
            "metric": self.definition.metric,
            "maximize": self.definition.direction == "maximize",
        }
        return executor.train(request, lambda epoch, m: self._go_on(trial, epoch, m))

    def _go_on(self, trial: Trial, epoch: int, metrics: Mapping[str, Any]) -> bool:
        """Report an epoch; return whether training goes on."""
        value = metrics[self.definition.metric]
        try:
            if value is not None:
                patiently(lambda: trial.report(value, epoch), self._stopping)
            if self._stopping():
                return False
            return not (self._prunes and patiently(trial.should_prune, self._stopping))
        except UpdateFinishedTrialError:
            return False  # ended by somebody else: found again when the trial is told

    def _keep(self, claimed: FrozenTrial, executor: Executor, value: float) -> None:
        keep, study_id = self.definition.keep, self.study._study_id
        if self.definition.is_function or not patiently(
            lambda: is_among_best(self._storage, study_id, value, keep), self._stopping
        ):
            return
        try:
            with TemporaryDirectory(prefix="hpo-") as folder:
                file = Path(folder) / f"trial-{claimed.number}.keras"
                executor.save(file)
                store = artifact_store(self._artifacts)
                patiently(
                    lambda: keep_artifact(self._storage, store, study_id, claimed, file, keep),
                    self._stopping,
                )
        except (OSError, TrialError, ExecutorDiedError) as error:
            # A full disk, here or in the child, or a folder that this machine does not have, must
            # not cost the result.
            logger.warning("the network of trial %d is not kept: %s", claimed.number, error)

    def _fail(self, claimed: FrozenTrial, executor: Executor, error: Exception) -> Outcome:
        attributes: dict[str, Any] = {"fail_reason": str(error) or type(error).__name__}
        if isinstance(error, TrialError):
            reason = {"fail_reason": f"{error.kind}: {error}", "traceback": error.traceback}
            attributes = {**reason, **error.attributes}
        logger.warning("trial %d failed: %s", claimed.number, attributes["fail_reason"])
        return self._tell(
            claimed, TrialState.FAIL, None, {**attributes, **self._provenance(executor)}
        )

    def _tell(
        self,
        claimed: FrozenTrial,
        state: TrialState,
        value: float | None,
        attributes: Mapping[str, Any],
    ) -> Outcome:
        self._record(claimed, attributes)
        try:
            patiently(lambda: self.study.tell(claimed.number, value, state=state), self._stopping)
        except ValueError:
            # Optuna's word for a trial that ended between the two lines above.
            if self._storage.get_trial(claimed._trial_id).state is TrialState.RUNNING:
                raise
            return Outcome.LOST
        ended = {TrialState.COMPLETE: Outcome.COMPLETE, TrialState.PRUNED: Outcome.PRUNED}
        return ended.get(state, Outcome.FAILED)

    def _record(self, claimed: FrozenTrial, attributes: Mapping[str, Any]) -> None:
        patiently(
            lambda: record_attributes(self._storage, claimed._trial_id, attributes),
            self._stopping,
        )

    def _requeue(self, claimed: FrozenTrial) -> Outcome:
        reason = "its worker was told to stop"
        retry = patiently(lambda: requeue(self._storage, claimed, reason), lambda: False)
        return Outcome.LOST if retry is None else Outcome.REQUEUED

    def _is_there(self, claimed: FrozenTrial) -> bool:
        try:
            self._storage.get_trial(claimed._trial_id)
        except KeyError:
            return False
        return True

    def _provenance(self, executor: Executor) -> dict[str, Any]:
        """Return where and with what the trial ran."""
        found = {
            "backend": executor.backend,
            "device": executor.device,
            "data_sha256": self._data_sha256,
        }
        known = {key: value for key, value in found.items() if value}
        return {**known, "worker": self._worker, "versions": installed_versions()}
