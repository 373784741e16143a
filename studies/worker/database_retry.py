"""The storage as a worker uses it: where the database does not answer, each method waits for it.

Otherwise the restart of a server would cost every worker the trials that it trains.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

import optuna
from optuna.artifacts import FileSystemArtifactStore
from optuna.exceptions import StorageInternalError
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError

from storage import (
    QueueState,
    TrialStorage,
    Worker,
    claim,
    count_claimable,
    drop_artifacts,
    get_budget,
    in_order,
    is_claimable,
    is_running,
    keep_artifacts,
    kept_artifacts,
    queue_states,
    record_worker,
    requeue,
    study_id,
    workers_seen,
)
from studies.attributes import CREATED_KEY, DEFINITION_KEY
from studies.definition.study import StudyDefinition
from studies.lookup import load_study
from studies.worker.log import WorkerLog
from studies.worker.signals import StopRequests

FIRST_PAUSE = 0.5  # seconds; doubled at each attempt
LONGEST_PAUSE = 30.0  # seconds
POLL = 0.2  # seconds between two checks whether the worker was told to stop
LONGEST_OUTAGE = 600.0  # seconds: a restart of a server, not its end
AWAY = (OperationalError, InterfaceError, InternalError, StorageInternalError)
READ_ONLY = "25006"  # SQLSTATE of a server that another has taken over from
T = TypeVar("T")
logger = logging.getLogger(__name__)


def wait_for_database(
    action: Callable[[], T],
    stopping: Callable[[], bool],
    warn: Callable[..., None] = logger.warning,
) -> T:
    """Do something with the database, again and again while it does not answer.

    Args:
        action: What to do; doing it twice must be the same as doing it once.
        stopping: Whether to wait no longer.
        warn: Logs that the database does not answer, and when it answers again.

    Returns:
        What `action` returns.

    Raises:
        OperationalError: The database did not answer for ten minutes, or until told to stop.
        StorageInternalError: The same, as Optuna wraps it.
    """
    began, pause, is_away = time.monotonic(), FIRST_PAUSE, False
    while True:
        try:
            result = action()
        except AWAY as error:
            waited = time.monotonic() - began
            if stopping() or waited > LONGEST_OUTAGE or not _is_passing(error):
                raise
            warn("the database does not answer, trying again in %g s", pause)
            is_away = True
        else:
            if is_away:
                warn("the database answers again after %.1f s", time.monotonic() - began)
            return result
        _sleep(pause, stopping)
        pause = min(2 * pause, LONGEST_PAUSE)


class RetryingDatabase:
    """The storage, for everything that a worker reads and writes.

    An outage may interrupt a method at any moment, even when the database has done its part; the
    method is then repeated, so each has the same effect twice as once. Only a claim has not: trials
    claimed without an answer have a heartbeat, and are queued again when it is old.

    Args:
        storage: The storage.
        stop: A method waits until the worker is told to stop, and `requeue` until it is told twice.
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
        """Return a study and its definition, anew: another study may have had its id."""

        def load() -> tuple[optuna.Study, StudyDefinition]:
            self.storage.forget(self.storage.get_study_id_from_name(name))
            return load_study(name, self.storage)

        return self._wait(load)

    def get_attributes(self, study: optuna.Study) -> dict[str, Any]:
        """Return the user attributes of a study."""
        return self._wait(lambda: study.user_attrs)

    def set_attribute(self, study: optuna.Study, key: str, value: Any) -> None:
        """Set a user attribute of a study."""
        self._wait(lambda: study.set_user_attr(key, value))

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

    def count_claimable(self, study_id: int) -> int | None:
        """See `storage.count_claimable`."""
        return self._wait(lambda: count_claimable(self.storage, study_id))

    def claim(
        self, study_id: int, n: int, together: Collection[str], like: Mapping[str, Any] | None
    ) -> list[FrozenTrial]:
        """See `storage.claim`."""
        return self._wait(lambda: claim(self.storage, study_id, n, together=together, like=like))

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
        """Read claimed trials as they are now, which the worker has not changed alone."""
        self._wait(lambda: self.storage.adopt(study_id, trial_ids))

    def reopen_trial(self, study: optuna.Study, trial_id: int) -> tuple[Trial, int]:
        """Return Optuna's object for a trial as it was written, and its last reported epoch."""

        def reopen() -> tuple[Trial, int]:
            trial = Trial(study, trial_id)
            return trial, max(self.storage.get_trial(trial_id).intermediate_values, default=0)

        return self._wait(reopen)

    @contextmanager
    def batch(self, study_id: int, *, others: bool = True) -> Iterator[set[int]]:
        """Let Optuna work on a study in memory, and write it all when the context ends.

        Args:
            study_id: The study.
            others: Whether other workers' new trials are read.

        Yields:
            A set that holds, after the end, the ids of the trials that had ended elsewhere.
        """
        lost: set[int] = set()
        with ExitStack() as stack:
            batch = self._wait(
                lambda: stack.enter_context(self.storage.batch(study_id, others=others))
            )
            yield lost
        lost |= self._wait(batch.write)

    def update_study(self, study: optuna.Study, update: Callable[[], None]) -> None:
        """Write all changes that `update` makes to a study's attributes in one transaction."""

        def write() -> None:
            with self.storage.batch(study_id(study), others=False) as batch:
                update()
            batch.write()

        self._wait(write)

    def best_with(self, study_id: int, new: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
        """Return value and id of the trials whose models are kept, and of new ones, ranked."""

        def rank() -> list[tuple[float, int]]:
            kept = kept_artifacts(self.storage, study_id)
            return in_order(self.storage, study_id, [*kept, *new])

        return self._wait(rank)

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


def _sleep(seconds: float, stopping: Callable[[], bool]) -> None:
    """Sleep until it is time or `stopping`: a signal does not cut Python's own sleep short."""
    until = time.monotonic() + seconds
    while not stopping() and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, POLL))


def _is_passing(error: Exception) -> bool:
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    if isinstance(cause, InternalError):
        return getattr(cause.orig, "sqlstate", None) == READ_ONLY
    return isinstance(cause, OperationalError | InterfaceError)
