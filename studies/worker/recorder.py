"""One study as a worker sees it: what its trials have in common, and how each is recorded."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from uuid import uuid4

import optuna
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from objectives.data.sources import source_of
from storage import (
    TrialStorage,
    artifact_store,
    drop_artifacts,
    get_budget,
    in_order,
    keep_artifacts,
    kept_artifacts,
    requeue,
    study_id,
    trial_id,
)
from studies.attributes import ARTIFACTS_KEY, CREATED_KEY, DATA_KEY
from studies.definition.study import StudyDefinition
from studies.executor.client import (
    Executor,
    ExecutorDiedError,
    ExecutorStoppedError,
    Message,
    TrialError,
)
from studies.versions import installed_versions
from studies.worker.checkpoints import checkpoint_file
from studies.worker.database_retry import AWAY, patiently

TOLD_TO_STOP = "its worker was told to stop"
logger = logging.getLogger(__name__)


class Outcome(Enum):
    """How a claimed trial ended here."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    DIVERGED = "diverged"  # FAIL: the loss was no longer a number, which is a result
    FAILED = "failed"  # FAIL: by an exception or a crash
    LOST = "ended elsewhere"
    REQUEUED = "queued again"


_STATES = {
    Outcome.COMPLETE: TrialState.COMPLETE,
    Outcome.PRUNED: TrialState.PRUNED,
    Outcome.DIVERGED: TrialState.FAIL,
    Outcome.FAILED: TrialState.FAIL,
}


@dataclass(frozen=True)
class Ending:
    """How a trial has ended, to be recorded.

    Attributes:
        claimed: The trial, as it was claimed.
        outcome: COMPLETE, PRUNED, DIVERGED or FAILED.
        value: Its value where it is COMPLETE.
        attributes: What to record with it.
    """

    claimed: FrozenTrial
    outcome: Outcome
    value: float | None = None
    attributes: Mapping[str, Any] = field(default_factory=dict)


class Evaluation:
    """What a worker knows of a study that it works on.

    Args:
        storage: The storage.
        study: The study.
        definition: Its definition.
        storage_url: For a user's own function, which opens the storage itself.
        worker: The name of the worker, recorded with the trial.
        stopping: Whether the worker was told to stop.
        aborting: Whether it was told to stop at once.

    Attributes:
        created_at: When the study was made, which tells it from another of its name.
        max_lanes: How many trials may train at once, once that is known.
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
        aborting: Callable[[], bool],
    ) -> None:
        self.study = study
        self.study_id = study_id(study)
        self.definition = definition
        self.storage = storage
        self.stopping = stopping
        self._aborting = aborting
        self._artifacts = Path(study.user_attrs[ARTIFACTS_KEY])
        self.created_at: str = study.user_attrs[CREATED_KEY]
        self._storage_url = storage_url
        self._worker = worker
        self.max_lanes: int | None = None
        self._data_sha256: str | None = None
        self._has_kept = False  # a network, since others were last removed

    def prepare(self, executor: Executor) -> None:
        """Load the data set in the child, before a trial is claimed.

        Raises:
            TrialError: The data set is not there.
            ValueError: It is not that of the study's first trials.
        """
        if self.definition.dataset is not None:
            options = self.definition.data.model_dump()
            self._data_sha256 = executor.prepare(self.definition.dataset, options)
            known = self.study.user_attrs.get(DATA_KEY)
            if known is None:
                self.study.set_user_attr(DATA_KEY, self._data_sha256)
            elif known != self._data_sha256:
                raise ValueError(
                    f"Expected the data that the study was begun with, of SHA-256 {known}. "
                    f"Received: {self.definition.dataset} of SHA-256 {self._data_sha256}. Values "
                    "on other data could not be compared: make another study with --name."
                )

    def request(self, tasks: list[Message]) -> Message:
        """Return what the executor is asked to train."""
        return {
            **self._subject,
            "levels": self.definition.levels,
            "metric": self.definition.metric,
            "maximize": self.definition.direction == "maximize",
            "tasks": tasks,
        }

    @property
    def _subject(self) -> Message:
        return {
            "objective": self.definition.objective,
            "dataset": self.definition.dataset,
            "data": self.definition.data.model_dump(),
        }

    def lanes(self, executor: Executor) -> int:
        """Return how many trials to train at once."""
        if self.definition.is_function:
            return 1
        limits = (executor.wanted, self.max_lanes, self.definition.most_alike)
        return min(limit for limit in limits if limit is not None)

    def checkpoint(self, trial: FrozenTrial) -> Path:
        """Return where the checkpoint of a trial and of its retries is, if it has one."""
        return checkpoint_file(self._artifacts, self.created_at, trial)

    @contextmanager
    def batch(self, *, others: bool = True) -> Iterator[set[int]]:
        """Let Optuna work on the study in memory, and write it all when the context ends.

        Args:
            others: Whether what is new of other workers' trials is read.

        Yields:
            A set that holds, after the end, the ids of the trials that had ended elsewhere.
        """
        lost: set[int] = set()
        with ExitStack() as stack:
            batch = patiently(
                lambda: stack.enter_context(self.storage.batch(self.study_id, others=others)),
                self.stopping,
            )
            yield lost
        lost |= patiently(batch.write, self.stopping)

    def call_function(self, claimed: FrozenTrial, executor: Executor) -> Outcome:
        """Evaluate a claimed trial by the user's own function, and record what came of it."""
        started = time.perf_counter()
        self.storage.outdate(trial_id(claimed))  # the function writes to it by itself
        request = {
            "function": self.definition.objective,
            "storage": self._storage_url,
            "study": self.study.study_name,
            "created_at": self.created_at,
            "trial_id": trial_id(claimed),
        }
        try:
            result = executor.call_function(request)
        except ExecutorStoppedError:
            return self.requeue(claimed)
        except ExecutorDiedError as error:
            # A signal to the whole group, as schedulers send it, may reach the child too.
            if self.stopping():
                return self.requeue(claimed)
            ending = failure(claimed, error)
        except TrialError as error:
            # The function talks to the database by itself, and does not wait for it.
            if error.kind in {each.__name__ for each in AWAY}:
                return self._requeue_lost(claimed, str(error))
            ending = failure(claimed, error)
        else:
            seconds = {"train_seconds": round(time.perf_counter() - started, 3)}
            ending = ending_of(claimed, result, seconds)
        (outcome,) = self.tell([ending], executor)
        return outcome

    def tell(self, endings: Sequence[Ending], executor: Executor) -> list[Outcome]:
        """Record how trials have ended; return the outcome of each, which may be LOST."""
        provenance = self._provenance(executor)
        with self.batch(others=self.definition.is_function) as lost:
            for ending in endings:
                claimed_id = trial_id(ending.claimed)
                if self.is_running(claimed_id):
                    for key, value in {**ending.attributes, **provenance}.items():
                        self.storage.set_trial_user_attr(claimed_id, key, value)
                    state = _STATES[ending.outcome]
                    self.study.tell(ending.claimed.number, ending.value, state=state)
                else:
                    lost.add(claimed_id)
        if self._has_kept:
            self._drop_networks()
            self._has_kept = False
        return [
            Outcome.LOST if trial_id(ending.claimed) in lost else ending.outcome
            for ending in endings
        ]

    def is_running(self, trial_id: int) -> bool:
        """Tell whether a trial is RUNNING still, or has ended elsewhere or was deleted."""
        try:
            return self.storage.get_trial(trial_id).state is TrialState.RUNNING
        except KeyError:
            return False

    def keep_best(self, endings: Sequence[Ending], executor: Executor) -> set[int]:
        """Keep the networks of those trials that are about to end among the best.

        Args:
            endings: Trials that the child has just taken out.
            executor: The child.

        Returns:
            The ids of trials that have ended elsewhere meanwhile.
        """
        valued = {trial_id(e.claimed): (e.value, e) for e in endings if e.value is not None}
        if not valued or not self.definition.keep:
            return set()
        gone: set[int] = set()
        kept = patiently(lambda: kept_artifacts(self.storage, self.study_id), self.stopping)
        new = [(value, claimed_id) for claimed_id, (value, _) in valued.items()]
        ranked = in_order(self.storage, self.study_id, [*kept, *new])[: self.definition.keep]
        for rank, (_, claimed_id) in enumerate(ranked):
            if claimed_id in valued:
                try:
                    self._keep(valued[claimed_id][1].claimed, executor, is_best=rank == 0)
                except UpdateFinishedTrialError:
                    gone.add(claimed_id)
        return gone

    def _keep(self, claimed: FrozenTrial, executor: Executor, *, is_best: bool) -> None:
        """Keep the network of a trial, and its figures."""
        try:
            with TemporaryDirectory(prefix="hpo-") as folder:
                file = Path(folder) / f"trial-{claimed.number}.keras"
                executor.save(trial_id(claimed), file)
                store = artifact_store(self._artifacts)
                drawn = self._drawn(claimed, executor, folder, is_best=is_best)
                files = {str(uuid4()): each for each in (file, *drawn)}
                patiently(
                    lambda: keep_artifacts(self.storage, store, claimed, files), self.stopping
                )
                self._has_kept = True
        except (OSError, TrialError, ExecutorDiedError) as error:
            # A full disk, here or in the child, or a folder that this machine does not have, must
            # not cost the result.
            logger.warning("the network of trial %d is not kept: %s", claimed.number, error)

    def _drop_networks(self) -> None:
        """Remove the networks that others have pushed out from among the best."""
        keep, of_study = self.definition.keep, self.study_id
        try:
            store = artifact_store(self._artifacts)
            patiently(lambda: drop_artifacts(self.storage, store, of_study, keep), self.stopping)
        except OSError as error:
            logger.warning("networks that are not among the best are still kept: %s", error)

    def _drawn(
        self, claimed: FrozenTrial, executor: Executor, folder: str, *, is_best: bool
    ) -> list[Path]:
        """Draw figures of a trial, and show those of the best one on the study's page."""
        try:
            told = executor.draw({"folder": folder, **self._subject})
        except TrialError as error:
            logger.warning("no figures of trial %d: %s", claimed.number, error)
            return []
        if told["plots"] and is_best:
            self._show(told["plots"])
        return [Path(file) for file in told["figures"]]

    def _show(self, plots: Mapping[str, str]) -> None:
        import plotly.io
        from optuna_dashboard import save_plotly_graph_object

        # The dashboard keeps a plot in many attributes, and fails to read half of them.
        with self.batch(others=False):
            for name, text in plots.items():
                figure = plotly.io.from_json(text)
                save_plotly_graph_object(self.study, figure, graph_object_id=name)

    def requeue(
        self,
        claimed: FrozenTrial,
        reason: str = "its worker was told to stop",
        *,
        lost: bool = False,
    ) -> Outcome:
        """Queue a trial again.

        Args:
            claimed: The trial.
            reason: Why.
            lost: Whether that may befall each retry, so that there are no more than a few.
        """
        retry = patiently(lambda: requeue(self.storage, claimed, reason, lost=lost), self._aborting)
        return Outcome.LOST if retry is None else Outcome.REQUEUED

    def is_there(self) -> bool:
        """Tell whether the study has not been deleted."""
        try:
            patiently(lambda: get_budget(self.storage, self.study_id), self.stopping)
        except KeyError:
            return False
        return True

    def _requeue_lost(self, claimed: FrozenTrial, reason: str) -> Outcome:
        """Queue a trial again that the database has failed, though not for ever."""
        if not patiently(lambda: self.is_running(trial_id(claimed)), self.stopping):
            return Outcome.LOST
        retry = patiently(lambda: requeue(self.storage, claimed, reason, lost=True), self.stopping)
        return Outcome.FAILED if retry is None else Outcome.REQUEUED

    def _provenance(self, executor: Executor) -> dict[str, Any]:
        """Return where and with what the trials ran."""
        dataset = self.definition.dataset
        found = {
            "backend": executor.backend,
            "device": executor.device,
            "data_sha256": self._data_sha256,
            **(source_of(dataset).provenance if dataset is not None else {}),
        }
        known = {key: value for key, value in found.items() if value}
        return {**known, "worker": self._worker, "versions": installed_versions()}


def ending_of(
    claimed: FrozenTrial, result: Mapping[str, Any], more: Mapping[str, Any] | None = None
) -> Ending:
    """Return the ending of a trial that came to a result, as the executor tells it."""
    attributes = {**(more or {}), **result["attributes"]}
    if result["stopped"] == "by_report":
        return Ending(claimed, Outcome.PRUNED, None, attributes)
    if result["value"] is None:
        attributes.setdefault("fail_reason", "the value is not a finite number")
        return Ending(claimed, Outcome.DIVERGED, None, attributes)
    return Ending(claimed, Outcome.COMPLETE, result["value"], attributes)


def failure(
    claimed: FrozenTrial, error: Exception, attributes: Mapping[str, Any] | None = None
) -> Ending:
    """Return the ending of a trial that an exception or a crash has ended."""
    reason = {"fail_reason": str(error) or type(error).__name__}
    if isinstance(error, TrialError):
        reason = {"fail_reason": f"{error.kind}: {error}", "traceback": error.traceback}
    return Ending(claimed, Outcome.FAILED, None, {**reason, **(attributes or {})})
