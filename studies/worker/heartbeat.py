"""A worker's thread of its own: its heartbeat, and its look for trials whose worker was lost.

It runs beside training, however long an epoch takes, and outlives a database that is away for a
while: Optuna's own heartbeat thread ends at the first error, and the trial is then taken for lost.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import replace

from storage import (
    TrialStorage,
    Worker,
    beat,
    forget_worker,
    record_worker,
    requeue_stale,
)

logger = logging.getLogger(__name__)


class Pulse:
    """Beats while it is entered as a context.

    Args:
        storage: The storage.
        worker: Who beats.
        interval: Seconds between two heartbeats.
        grace: Seconds of silence after which another worker's trial is requeued.
    """

    def __init__(
        self, storage: TrialStorage, worker: Worker, *, interval: float, grace: float
    ) -> None:
        self._storage = storage
        self._worker = worker
        self._interval = interval
        self._grace = grace
        self._trial_ids: list[int] = []
        self._last_beat = time.time()  # not monotonic: it must count while a laptop sleeps
        # The others' heartbeats may be old as well, as after an outage that ends now.
        self._lenient_until = self._last_beat + grace
        self._watched: frozenset[int] = frozenset()
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Pulse:
        """Record the worker and begin to beat."""
        record_worker(self._storage, self._worker)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop beating and remove the worker from those seen."""
        self._ended.set()
        self._thread.join()
        try:
            forget_worker(self._storage, self._worker.name)
        except Exception as error:  # must not hide why the worker ends
            logger.warning("the worker is still listed: %s", type(error).__name__)

    def watch(self, study_ids: Collection[int]) -> None:
        """Look after the trials of these studies, and of no others, from now on."""
        self._watched = frozenset(study_ids)

    def begin(self, study_name: str, trials: Mapping[int, int], device: str) -> None:
        """Say what the worker does from now on, and beat for its trials.

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
        record_worker(self._storage, self._worker)

    def rest(self) -> None:
        """Say that the worker has no trial."""
        self._trial_ids = []
        self._worker = replace(self._worker, study_name=None, trial_numbers=())

    def _run(self) -> None:
        while not self._ended.wait(self._interval):
            try:
                self._beat()
            except Exception as error:  # whatever it is, the next beat may succeed
                logger.warning("heartbeat failed, trying on: %s", type(error).__name__)

    def _beat(self) -> None:
        trial_ids = self._trial_ids
        if trial_ids:
            beat(self._storage, trial_ids)
        record_worker(self._storage, self._worker)
        now = time.time()
        # The last beat of others may be an interval before this one's, and their next one after it.
        long = max(1.5 * self._interval, self._grace - 2 * self._interval)
        if now - self._last_beat > long:
            # The database, or this machine, was away: the others' heartbeats are old as well, and
            # they get the time to beat again.
            self._lenient_until = now + self._grace
        self._last_beat = now
        if now < self._lenient_until:
            return
        for number in requeue_stale(self._storage, list(self._watched), self._grace):
            logger.warning("trial %d has lost its worker", number)
