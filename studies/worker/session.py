"""The parts of a worker that all its studies share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from studies.worker.claims import Claims
from studies.worker.database_retry import RetryingDatabase
from studies.worker.executor_slot import ExecutorSlot
from studies.worker.heartbeat import Heartbeat
from studies.worker.log import WorkerLog
from studies.worker.open_studies import OpenStudy
from studies.worker.signals import StopRequests


@dataclass(frozen=True)
class Session:
    """The parts of a worker.

    Attributes:
        name: The name of the worker.
        storage_url: For a user's function, which opens the storage itself.
        log: Its log.
        stop: Whether it was told to stop.
        database: The storage.
        slot: Its executor child.
        claims: Takes trials.
        heartbeat: Keeps them alive.
        save_every: Seconds of training that the loss of the worker may cost.
    """

    name: str
    storage_url: str
    log: WorkerLog
    stop: StopRequests
    database: RetryingDatabase
    slot: ExecutorSlot
    claims: Claims
    heartbeat: Heartbeat
    save_every: float

    def begin(self, study: OpenStudy, trials: Mapping[int, int]) -> None:
        """Show that the worker works on these trials (id -> number), and keep them alive."""
        self.log.begin(study.name, trials.values())
        self.heartbeat.begin(study.id, study.name, trials, self.slot.device)

    def rest(self) -> None:
        """Show that the worker has no trial."""
        self.log.begin(None)
        self.heartbeat.rest()
