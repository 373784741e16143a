"""The storage as a worker uses it: each method waits for a database that does not answer.

Otherwise the restart of a server would cost every worker the trials that it trains.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.artifacts import FileSystemArtifactStore
from optuna.trial import FrozenTrial, Trial, TrialState

from storage import (
    Plan,
    QueueState,
    TrialStorage,
    Worker,
    awaited_slots,
    claim,
    count_claimable,
    count_time,
    drop_artifacts,
    get_budget,
    is_claimable,
    is_running,
    keep_artifacts,
    queue_round,
    queue_states,
    record_worker,
    requeue,
    study_id,
    unfinished_lineages,
    wait_for_database,
    workers_seen,
    worth_keeping,
)
from studies.attributes import CREATED_KEY, DEFINITION_KEY
from studies.copies import settle
from studies.definition.study import StudyDefinition
from studies.lookup import load_study
from studies.worker.log import WorkerLog
from studies.worker.signals import StopRequests

T = TypeVar("T")


@dataclass(frozen=True)
class BatchEnd:
    """The trials of a batch of which nothing was written.

    Attributes:
        lost: The ids of those that had ended elsewhere.
        taken: The ids of those that run on, and need another point: see `Batch.taken`.
    """

    lost: set[int] = field(default_factory=set)
    taken: set[int] = field(default_factory=set)


class RetryingDatabase:
    """The storage, for everything that a worker reads and writes.

    An outage may interrupt a method at any moment, even after the database has done its part. The
    method is then repeated, so its effect must be the same twice as once. A claim is the exception:
    if its answer is lost, the claimed trials are queued again once their heartbeat is old.

    Args:
        storage: The storage.
        stop: Ends the waiting: of `requeue` when the worker is told to stop twice, of others once.
        log: The worker's log.

    Attributes:
        storage: The storage, for Optuna's objects, which work on a batch in memory.
    """

    def __init__(self, storage: TrialStorage, stop: StopRequests, log: WorkerLog) -> None:
        self.storage = storage
        self._stop = stop
        self._log = log

    def queue_states(self) -> dict[str, QueueState]:
        """Return what waits and runs in each study of this service, marked by when it was made."""
        return self._wait(lambda: queue_states(self.storage, CREATED_KEY, having=DEFINITION_KEY))

    def load_study(self, name: str) -> tuple[optuna.Study, StudyDefinition]:
        """Read a study and its definition anew, since another study may have had its id.

        One that is a copy of another becomes a study of its own.
        """

        def load() -> tuple[optuna.Study, StudyDefinition]:
            self.storage.forget(self.storage.get_study_id_from_name(name))
            study, definition = load_study(name, self.storage)
            settle(study)
            return study, definition

        return self._wait(load)

    def get_attributes(self, study: optuna.Study) -> dict[str, Any]:
        """Return the user attributes of a study."""
        return self._wait(lambda: study.user_attrs)

    def set_attribute(self, study: optuna.Study, key: str, value: Any) -> None:
        """Set a user attribute of a study."""
        self._wait(lambda: study.set_user_attr(key, value))

    def unfinished_lineages(self, study_id: int) -> set[int]:
        """See `storage.unfinished_lineages`."""
        return self._wait(lambda: unfinished_lineages(self.storage, study_id))

    def has_study(self, study_id: int) -> bool:
        """Tell whether a study was not deleted."""
        try:
            self._wait(lambda: get_budget(self.storage, study_id))
        except KeyError:
            return False
        return True

    def is_claimable(self, study_id: int) -> bool:
        """See `storage.is_claimable`."""
        return self._wait(lambda: is_claimable(self.storage, study_id))

    def is_running(self, study_id: int) -> bool:
        """See `storage.is_running`."""
        return self._wait(lambda: is_running(self.storage, study_id))

    def awaits_slots(self, study_id: int) -> bool:
        """Tell whether trials come once those that run have ended: `storage.awaited_slots`."""
        return self._wait(lambda: awaited_slots(self.storage, study_id)) is not None

    def queue_round(self, study_id: int, plan: Plan) -> None:
        """See `storage.queue_round`."""
        self._wait(lambda: queue_round(self.storage, study_id, plan))

    def count_claimable(self, study_id: int) -> int | None:
        """See `storage.count_claimable`."""
        return self._wait(lambda: count_claimable(self.storage, study_id))

    def claim(
        self,
        study_id: int,
        n: int,
        together: Collection[str],
        like: Mapping[str, Any] | None,
        worked_for: float,
    ) -> list[FrozenTrial]:
        """See `storage.claim`."""
        return self._wait(
            lambda: claim(
                self.storage, study_id, n, together=together, like=like, worked_for=worked_for
            )
        )

    def count_time(self, study_id: int, worked_for: float) -> None:
        """See `storage.count_time`."""
        self._wait(lambda: count_time(self.storage, study_id, worked_for))

    def requeue(self, claimed: FrozenTrial, reason: str, *, lost: bool) -> int | None:
        """See `storage.requeue`."""
        return self._wait(
            lambda: requeue(self.storage, claimed, reason, lost=lost), self._stop.aborting
        )

    def is_trial_running(self, trial_id: int) -> bool:
        """Tell whether a trial still runs, and has neither ended elsewhere nor was deleted."""
        try:
            trial = self._wait(lambda: self.storage.get_trial(trial_id))
        except KeyError:
            return False
        return trial.state is TrialState.RUNNING

    def adopt(self, study_id: int, trial_ids: list[int]) -> None:
        """Read claimed trials anew, where another process than the worker has changed them."""
        self._wait(lambda: self.storage.adopt(study_id, trial_ids))

    def reopen_trial(self, study: optuna.Study, trial_id: int) -> tuple[Trial, int]:
        """Return Optuna's object for a trial as it was written, and its last reported epoch."""

        def reopen() -> tuple[Trial, int]:
            trial = Trial(study, trial_id)
            return trial, max(self.storage.get_trial(trial_id).intermediate_values, default=0)

        return self._wait(reopen)

    @contextmanager
    def batch(self, study_id: int, *, others: bool = True) -> Iterator[BatchEnd]:
        """Let Optuna work on a study in memory, and write it all when the context ends.

        Args:
            study_id: The study.
            others: Whether other workers' new trials are read.

        Yields:
            The trials of which nothing was written; empty until the context has ended.
        """
        end = BatchEnd()
        with ExitStack() as stack:
            batch = self._wait(
                lambda: stack.enter_context(self.storage.batch(study_id, others=others))
            )
            yield end
        end.lost.update(self._wait(batch.write))
        end.taken.update(batch.taken)

    def update_study(self, study: optuna.Study, update: Callable[[], None]) -> None:
        """Write all changes that `update` makes to a study's attributes in one transaction."""

        def write() -> None:
            with self.storage.batch(study_id(study), others=False) as batch:
                update()
            batch.write()

        self._wait(write)

    def worth_keeping(self, study_id: int, keep: int, ending: Mapping[int, float]) -> list[int]:
        """See `storage.worth_keeping`."""
        return self._wait(lambda: worth_keeping(self.storage, study_id, keep, ending))

    def keep_artifacts(
        self, store: FileSystemArtifactStore, trial: FrozenTrial, files: Mapping[str, Path]
    ) -> None:
        """See `storage.keep_artifacts`."""
        self._wait(lambda: keep_artifacts(self.storage, store, trial, files))

    def drop_artifacts(self, store: FileSystemArtifactStore, study_id: int, keep: int) -> None:
        """See `storage.drop_artifacts`."""
        self._wait(lambda: drop_artifacts(self.storage, store, study_id, keep))

    def workers_seen(self) -> list[Worker]:
        """See `storage.workers_seen`."""
        return self._wait(lambda: workers_seen(self.storage))

    def record_worker(self, worker: Worker) -> None:
        """See `storage.record_worker`."""
        self._wait(lambda: record_worker(self.storage, worker))

    def _wait(self, action: Callable[[], T], until: Callable[[], bool] | None = None) -> T:
        return wait_for_database(action, until or self._stop.stopping, self._log.warning)
