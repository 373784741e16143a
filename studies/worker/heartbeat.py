"""A worker's thread that keeps its trials alive, and queues again those of workers that were lost.

It runs beside training, however long an epoch takes, and survives an outage of the database:
Optuna's own heartbeat thread ends at the first error, and the trial is then taken for lost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from storage import Worker, beat, forget_worker, record_worker, requeue_stale
from studies.worker.database_retry import RetryingDatabase
from studies.worker.log import WorkerLog


class Heartbeat:
    """Beats while it is entered as a context.

    Args:
        database: The storage.
        worker: The worker that beats.
        log: The worker's log.
        interval: Seconds between two heartbeats.
        grace: Seconds of silence after which another worker's trial is queued again.
        clock: The time in seconds, which must go on while a laptop sleeps.
    """

    def __init__(
        self,
        database: RetryingDatabase,
        worker: Worker,
        log: WorkerLog,
        *,
        interval: float,
        grace: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._database = database
        self._storage = database.storage  # the thread does not wait: its next beat tries again
        self._worker = worker
        self._log = log
        self._interval = interval
        self._grace = grace
        self._clock = clock
        self._trial_ids: list[int] = []
        self._last_beat = clock()
        # The others' heartbeats may be old as well, as after an outage that ends now.
        self._lenient_until = self._last_beat + grace
        self._watched: Mapping[int, str] = {}
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Heartbeat:
        """Record the worker and begin to beat."""
        self._database.record_worker(self._worker)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop beating and remove the worker from those seen."""
        self._ended.set()
        self._thread.join()
        try:
            forget_worker(self._storage, self._worker.name)
        except Exception as error:  # must not hide why the worker ends
            self._log.warning("the worker is still listed: %s", type(error).__name__)

    def watch(self, studies: Mapping[int, str]) -> None:
        """Queue lost trials of these studies again, and of no others: id -> name."""
        self._watched = studies

    def begin(self, study_name: str, trials: Mapping[int, int], device: str) -> None:
        """Record the trials that the worker has from now on, and beat for them.

        Args:
            study_name: Their study.
            trials: The number of each by its id.
            device: What they train on.
        """
        self._trial_ids = list(trials)
        self._worker = replace(
            self._worker,
            study_name=study_name,
            trial_numbers=tuple(trials.values()),
            device=device,
        )
        self._database.record_worker(self._worker)

    def rest(self) -> None:
        """Record, with the next beat, that the worker has no trial."""
        self._trial_ids = []
        self._worker = replace(self._worker, study_name=None, trial_numbers=())

    def beat(self) -> None:
        """Beat once, and search for lost trials."""
        trial_ids = self._trial_ids
        if trial_ids:
            beat(self._storage, trial_ids)
        record_worker(self._storage, self._worker)
        now = self._clock()
        # The last beat of others may be an interval before this one's, and their next one after it.
        long = max(1.5 * self._interval, self._grace - 2 * self._interval)
        if now - self._last_beat > long:
            # The database, or this machine, was away: the others' heartbeats are old as well, and
            # they get the time to beat again.
            self._lenient_until = now + self._grace
        self._last_beat = now
        if now >= self._lenient_until:
            self._requeue_lost()

    def _requeue_lost(self) -> None:
        watched = self._watched
        for study_id, number in requeue_stale(self._storage, list(watched), self._grace):
            self._log.warning(
                "queued again: its worker was lost, no heartbeat for %g s",
                self._grace,
                study=watched[study_id],
                trial=number,
            )

    def _run(self) -> None:
        while not self._ended.wait(self._interval):
            try:
                self.beat()
            except Exception as error:  # whatever it is, the next beat may succeed
                self._log.warning("heartbeat failed, trying on: %s", type(error).__name__)
