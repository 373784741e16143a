"""The pull loop: claim trials, have them trained in the executor child, record them, go on."""

from __future__ import annotations

import contextlib
import os
import socket
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from optuna.trial import FrozenTrial

import objectives
from storage import Worker, create_storage, masked_url, wait_for_database
from studies.errors import ExecutorDiedError, ExecutorStoppedError, TrialError, WorkerError
from studies.executor.client import Executor
from studies.lookup import as_argument
from studies.worker.claims import Claims
from studies.worker.database_retry import RetryingDatabase
from studies.worker.executor_slot import ExecutorSlot
from studies.worker.heartbeat import Heartbeat
from studies.worker.log import WorkerLog
from studies.worker.open_studies import OpenStudies, OpenStudy
from studies.worker.outcome import EndedTrial, Outcome
from studies.worker.pack_runner import PackRunner
from studies.worker.run_function import run_function
from studies.worker.session import Session
from studies.worker.signals import StopRequests, stop_signals

IDLE = 0.5  # seconds between two searches for work, at first
MOST_PAUSES = 3  # of IDLE at most between two searches: a new study begins within two seconds
IDLE_BEFORE_CLOSING = 10.0  # seconds without work, after which the child gives its device back
MAX_FAILURES = 5  # in a row: then the fault is not the trials'
BEATS_BETWEEN_CHECKPOINTS = 3
RESULTS = (Outcome.COMPLETE, Outcome.PRUNED, Outcome.DIVERGED, Outcome.TIMED_OUT)


@dataclass(frozen=True)
class WorkerOptions:
    """How a worker works.

    Attributes:
        max_trials: The worker ends after this many; None for no limit.
        wait: Whether it goes on waiting when nothing is left.
        heartbeat: Seconds between two signs of life.
        grace: Seconds of silence after which another worker's trial is taken for lost.
        allow_modules: Packages and files whose functions studies may name as objectives.
        pack_size: How many trials to train at once on JAX; None to find the fastest number.
        code_folder: A folder with users' files that build networks; None for those that the studies
            name.
    """

    max_trials: int | None = None
    wait: bool = False
    heartbeat: float = 10.0
    grace: float = 60.0
    allow_modules: Sequence[str] = field(default_factory=tuple)
    pack_size: int | None = None
    code_folder: Path | None = None


def work(storage_url: str, study_names: Sequence[str], options: WorkerOptions) -> int:
    """Pull and execute trials until nothing waits and no other worker's trial can come back.

    A first SIGTERM or SIGINT ends the worker after the running epoch, a second one at once; either
    way its trial is queued again.

    Args:
        storage_url: Where the studies are.
        study_names: The studies to work on, in order; all studies when empty.
        options: How to work.

    Returns:
        The number of trials that this worker took.

    Raises:
        WorkerError: Five trials failed in a row, or a named study cannot be worked on here.
        ValueError: The grace is not longer than the heartbeat.
    """
    if options.grace <= options.heartbeat:
        raise ValueError(
            "Expected a grace longer than the heartbeat. "
            f"Received: heartbeat={options.heartbeat:g}, grace={options.grace:g}."
        )
    objectives.admit(options.allow_modules)
    session = open_session(storage_url, options)
    studies = OpenStudies(
        session.database, session.log, study_names, options.allow_modules, options.code_folder
    )
    loop = _Loop(session, studies, wait=options.wait)
    with session.heartbeat, stop_signals(session.stop.add):
        try:
            return loop.run()
        finally:
            session.claims.leave()
            session.slot.close()


def open_session(storage_url: str, options: WorkerOptions) -> Session:
    """Open the storage, and make the parts of a worker; nothing is started yet."""
    host, pid = socket.gethostname(), os.getpid()
    worker = Worker(f"{host}-{pid}-{uuid.uuid4().hex[:4]}", host, pid)
    log = WorkerLog(worker.name)
    stop = StopRequests(log)
    storage = wait_for_database(
        lambda: create_storage(storage_url, waiting=False), stop.stopping, log.warning
    )
    database = RetryingDatabase(storage, stop, log)
    return Session(
        name=worker.name,
        storage_url=storage_url,
        log=log,
        stop=stop,
        database=database,
        slot=ExecutorSlot(database, stop, options.pack_size),
        claims=Claims(database, log, max_trials=options.max_trials, grace=options.grace),
        heartbeat=Heartbeat(
            database,
            worker,
            log,
            interval=options.heartbeat,
            grace=options.grace,
            give_up=stop.abort,
        ),
        save_every=BEATS_BETWEEN_CHECKPOINTS * options.heartbeat,
    )


class _Loop:
    def __init__(self, session: Session, studies: OpenStudies, *, wait: bool) -> None:
        self._session = session
        self._studies = studies
        self._wait = wait
        self._failures = 0
        self._last_work = time.monotonic()
        self._is_idle = False
        self._pauses = 0  # before the last search, which found nothing

    def run(self) -> int:
        """Work until told to stop or done; return the number of trials taken."""
        while not self._session.stop.stopping() and not self._session.claims.is_exhausted:
            claimed = self._claim()
            if claimed is not None:
                self._execute(*claimed)
                continue
            self._session.claims.leave()
            self._tell_that_it_waits()
            if not self._rest():
                self._studies.check_any_left()
                break
        self._session.stop.raise_cause()
        return self._session.claims.taken

    def _claim(self) -> tuple[OpenStudy, Executor, list[FrozenTrial]] | None:
        """Take trials of the first study that has some."""
        names = self._studies.names()
        self._session.heartbeat.watch(self._studies.ids())
        for name in names:
            try:
                if not self._studies.is_claimable(name):
                    continue
                study = self._studies.open(name)
                executor = self._session.slot.ensure(study)
                claimed = self._session.claims.take(study, study.pack_size(executor))
            except KeyError:
                self._studies.forget(name, is_expected=self._wait)
            except (ValueError, TrialError, WorkerError, ExecutorDiedError) as error:
                self._studies.drop(name, str(error))
            except ExecutorStoppedError:
                return None
            else:
                if claimed:
                    return study, executor, claimed
        return None

    def _execute(self, study: OpenStudy, executor: Executor, claimed: list[FrozenTrial]) -> None:
        """Bring claimed trials to their ends, or queue them again when told to stop."""
        if study.definition.is_function:
            (trial,) = claimed
            self._account(study, [run_function(self._session, study, executor, trial)])
        else:
            self._train(study, executor, claimed)
        self._session.rest()
        self._session.slot.close_dead()
        self._last_work = time.monotonic()
        self._is_idle = False
        self._pauses = 0

    def _train(self, study: OpenStudy, executor: Executor, claimed: list[FrozenTrial]) -> None:
        session = self._session
        pack = PackRunner(session, study, executor)
        try:
            self._account(study, pack.begin(claimed))
            while pack.active and not session.stop.stopping():
                self._account(study, pack.step())
        except ExecutorStoppedError:
            pass
        except BaseException as error:
            if isinstance(error, KeyError) and not session.database.has_study(study.id):
                return session.slot.close()  # with the trials of a study that was deleted
            with contextlib.suppress(Exception):
                pack.abandon(save=False, error=error)
            raise
        self._account(study, pack.abandon(save=not session.stop.aborting()))

    def _account(self, study: OpenStudy, ended: list[EndedTrial]) -> None:
        """Log how trials have ended, and give up after too many failures in a row."""
        for each in ended:
            self._session.log.info(
                "%s", each.describe(), study=study.name, trial=each.claimed.number
            )
            if each.outcome is Outcome.FAILED:
                self._failures += 1
            elif each.outcome in RESULTS:
                self._failures = 0
            if self._failures >= MAX_FAILURES:
                raise WorkerError(
                    f"{MAX_FAILURES} trials failed in a row, so the worker stops. "
                    f"The last one's reason: hpo status {as_argument(study.name)}"
                )

    def _tell_that_it_waits(self) -> None:
        """Log once that there is nothing to do, and in which storage: the URL may be mistyped."""
        if self._wait and not self._is_idle:
            self._is_idle = True
            where = masked_url(self._session.storage_url)
            self._session.log.info("waits for trials of %s in %s", self._studies.wanted, where)

    def _rest(self) -> bool:
        """Wait, longer while nothing happens; return False when there is nothing to wait for."""
        if not self._wait and not self._studies.has_more():
            return False
        if time.monotonic() - self._last_work > IDLE_BEFORE_CLOSING:
            self._session.slot.close()
        self._pauses = min(self._pauses + 1, MOST_PAUSES)
        for _ in range(self._pauses):
            if not self._session.stop.stopping():
                time.sleep(IDLE)
        return True
