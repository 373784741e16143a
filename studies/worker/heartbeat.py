"""A worker's thread: it keeps the worker's trials alive, and queues those of lost workers again.

It runs beside training, however long an epoch takes, and survives an outage of the database:
Optuna's own heartbeat thread ends at the first error, and the trial is then taken for lost.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from functools import partial

from storage import (
    DatabaseNotFoundError,
    Worker,
    beat,
    cause_of,
    correct_beats,
    count_time,
    forget_worker,
    record_worker,
    requeue_stale,
)
from studies.worker.checkpoints import was_given_up
from studies.worker.database_retry import RetryingDatabase
from studies.worker.log import WorkerLog

FIRST_PAUSE = 0.5  # seconds after a failed beat; a database that flaps answers for moments only


def boot_time() -> float:
    """Return seconds by a clock that only goes forward, also while a laptop sleeps."""
    # On macOS, which has no CLOCK_BOOTTIME, this is true of CLOCK_MONOTONIC.
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def after_failures(interval: float) -> Iterator[float]:
    """Yield the seconds to wait after each of the beats that fail one after the other."""
    pause = FIRST_PAUSE
    while pause < interval:
        yield pause
        pause *= 2
    while True:
        yield interval


class Heartbeat:
    """Beats while it is entered as a context.

    Args:
        database: The storage.
        worker: The worker that beats.
        log: The worker's log.
        interval: Seconds between two heartbeats.
        grace: Seconds of silence after which another worker's trial is queued again.
        give_up: Called from the thread once it makes no sense to go on, with the reason.
        clock: The time in seconds, which must go on while a laptop sleeps.

    Attributes:
        failed: How many beats have failed.
    """

    def __init__(
        self,
        database: RetryingDatabase,
        worker: Worker,
        log: WorkerLog,
        *,
        interval: float,
        grace: float,
        give_up: Callable[[Exception], None],
        clock: Callable[[], float] = boot_time,
    ) -> None:
        self._database = database
        self._storage = database.storage  # the thread does not wait: its next beat tries again
        self._worker = worker
        self._log = log
        self._interval = interval
        self._grace = grace
        self._give_up = give_up
        self._clock = clock
        self.failed = 0
        self._trials: tuple[int, list[int]] = (0, [])  # the id of their study, and theirs
        # Since when the worker was not held up, by a clock that stands still while a laptop sleeps.
        self._awake_since = self._last_try = time.monotonic()
        self._last_beat = clock()
        self._last_time: datetime | None = None  # of the last beat, by the database's clock
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
            self._log.warning("the worker is still listed: %s", cause_of(error))

    def watch(self, studies: Mapping[int, str]) -> None:
        """Queue lost trials of these studies again, and of no others: id -> name."""
        self._watched = studies

    def begin(self, study_id: int, study_name: str, trials: Mapping[int, int], device: str) -> None:
        """Record the trials that the worker has from now on, and beat for them.

        Args:
            study_id: Their study.
            study_name: Its name.
            trials: The number of each by its id.
            device: What they train on.
        """
        self._trials = study_id, list(trials)
        self._worker = replace(
            self._worker,
            study_name=study_name,
            trial_numbers=tuple(trials.values()),
            device=device,
        )
        self._database.record_worker(self._worker)

    def rest(self) -> None:
        """Record, with the next beat, that the worker has no trial."""
        self._trials = 0, []
        self._worker = replace(self._worker, study_name=None, trial_numbers=())

    def beat(self) -> None:
        """Beat once, and search for lost trials."""
        study_id, trial_ids = self._trials
        awake_for = self._awake_for()
        if trial_ids:
            beat(self._storage, trial_ids)
            with suppress(KeyError):  # the study was deleted
                count_time(self._storage, study_id, awake_for)
        beaten = record_worker(self._storage, self._worker)
        now = self._clock()
        passed = now - self._last_beat
        if self._last_time is not None:  # the database's clock may be set, forward too
            passed = max(passed, (beaten - self._last_time).total_seconds())
        # Another's last beat may be one interval old at this moment, and its next one as far away.
        if passed > max(1.5 * self._interval, self._grace - 2 * self._interval):
            # The database, or this machine, was away: the others' heartbeats are old as well, and
            # they get the time to beat again.
            self._lenient_until = now + self._grace
        self._last_beat, self._last_time = now, beaten
        correct_beats(self._storage, list(self._watched))
        if now >= self._lenient_until:
            self._requeue_lost()

    def _awake_for(self) -> float:
        """Return for how many seconds the worker has lived without a pause, as by SIGSTOP."""
        now = time.monotonic()
        if now - self._last_try > self._grace:
            self._awake_since = now
        self._last_try = now
        return now - self._awake_since

    def _requeue_lost(self) -> None:
        watched = self._watched
        given_up = partial(was_given_up, self._storage)
        for study_id, number in requeue_stale(self._storage, list(watched), self._grace, given_up):
            self._log.warning(
                "queued again: its worker was lost, no heartbeat for %g s",
                self._grace,
                study=watched[study_id],
                trial=number,
            )

    def _run(self) -> None:
        pause, pauses = self._interval, after_failures(self._interval)
        while not self._ended.wait(pause):
            try:
                self.beat()
            except DatabaseNotFoundError as error:
                self._log.warning("%s", error)
                return self._give_up(error)
            except Exception as error:  # whatever it is, the next beat may succeed
                self.failed += 1
                self._log.warning("heartbeat failed, trying on: %s", cause_of(error))
                pause = next(pauses)
            else:
                pause, pauses = self._interval, after_failures(self._interval)
