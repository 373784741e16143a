"""A worker's place for one executor child, of the kind that the current study needs."""

from __future__ import annotations

from studies.attributes import DATA_KEY
from studies.executor.client import Executor
from studies.worker.database_retry import RetryingDatabase
from studies.worker.open_studies import OpenStudy
from studies.worker.signals import StopRequests

# Compilers keep memory for programs that were dropped: some 13 MB for a small one, ten times that
# for a large one. No call frees it, so a child that has grown by this many bytes is replaced.
MOST_GROWTH = 512 * 2**20
PROGRAMS_IN_USE = 8  # programs that a child keeps; until it drops one, its memory is in use


class ExecutorSlot:
    """Holds at most one running child, with the data or the function of one study loaded.

    Args:
        database: The storage.
        stop: Ends a wait for the child: after its epoch, or at once.
        pack_size: How many trials to train at once on JAX; None to find the fastest number.
    """

    def __init__(
        self, database: RetryingDatabase, stop: StopRequests, pack_size: int | None
    ) -> None:
        self._database = database
        self._stop = stop
        self._pack_size = pack_size
        self._executor: Executor | None = None
        self._loaded: OpenStudy | None = None

    @property
    def device(self) -> str:
        """What the child trains on; empty where there is no child."""
        return "" if self._executor is None else self._executor.device

    def ensure(self, study: OpenStudy) -> Executor:
        """Return a child for a study, with its data or function loaded; no trial may train in it.

        Raises:
            TrialError: The child cannot start, load the data or find the function.
            ValueError: The data are not those of the study's first trials.
            ExecutorDiedError: The child ended.
            ExecutorStoppedError: The worker was told to stop.
        """
        kind = study.executor_kind(self._pack_size)
        executor = self._executor
        if executor is not None and (
            executor.kind != kind or _has_grown(executor) or not executor.is_alive
        ):
            self.close()
            executor = None
        if executor is None:
            executor = self._executor = Executor(kind, self._must_abort, logs_output=True)
        if self._loaded is not study:  # a study that is made again is another one
            self._prepare(study, executor)
            self._loaded = study
        return executor

    def renew(self, study: OpenStudy) -> Executor:
        """Replace a child that has failed; raises as `ensure`."""
        self.close()
        return self.ensure(study)

    def close_dead(self) -> None:
        """Close the child if it has ended, with the processes that it has left."""
        if self._executor is not None and not self._executor.is_alive:
            self.close()

    def close(self) -> None:
        """End the child, if there is one."""
        if self._executor is not None:
            self._executor.close()
            self._executor = None
            self._loaded = None

    def _prepare(self, study: OpenStudy, executor: Executor) -> None:
        """Load what all trials of a study need, so that what is missing costs none of them."""
        if study.definition.is_function:
            executor.find_function(study.definition.objective)
        else:
            if study.code is not None:
                executor.find_function(study.objective)
            self._load_data(study, executor)

    def _load_data(self, study: OpenStudy, executor: Executor) -> None:
        """Load the data of a study, and compare them with those of its first trials."""
        if study.dataset is None:
            return
        study.data_sha256 = executor.load_data(study.dataset)
        known = self._database.get_attributes(study.study).get(DATA_KEY)
        if known is None:
            self._database.set_attribute(study.study, DATA_KEY, study.data_sha256)
        elif known != study.data_sha256:
            raise ValueError(
                f"Expected the data that the study was begun with, of SHA-256 {known}. "
                f"Received: {study.dataset.name} of SHA-256 {study.data_sha256}. Values "
                "on other data could not be compared: make another study with --name."
            )

    def _must_abort(self) -> bool:
        """Tell whether to give up waiting for the child; a function has no epochs to wait for."""
        has_epochs = self._executor is not None and self._executor.kind.backend is not None
        return self._stop.aborting() if has_epochs else self._stop.stopping()


def _has_grown(executor: Executor) -> bool:
    return executor.programs_built > PROGRAMS_IN_USE and executor.growth > MOST_GROWTH
