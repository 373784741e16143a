"""The pull loop: claim a trial, evaluate it in the executor child, record it, go on."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from optuna.trial import FrozenTrial

from storage import (
    TrialStorage,
    Worker,
    claim,
    count_claimable,
    create_storage,
    is_claimable,
    trial_id,
    workers_seen,
)
from studies.errors import WorkerError
from studies.executor.client import (
    Executor,
    ExecutorDiedError,
    ExecutorKind,
    ExecutorStoppedError,
    TrialError,
)
from studies.worker.database_retry import patiently
from studies.worker.heartbeat import Pulse
from studies.worker.open_studies import Roster
from studies.worker.pack_runner import Ended, PackRun
from studies.worker.recorder import Evaluation, Outcome
from studies.worker.signals import stop_signals

IDLE = 0.5  # seconds between two looks for work
IDLE_BEFORE_CLOSING = 10.0  # seconds without work, after which the child gives its device back
MAX_FAILURES = 5  # in a row: then the fault is not the trials'
BEATS_BETWEEN_CHECKPOINTS = 3
MAX_PROGRAMS = 100  # compiled by one child, which is then replaced: compilers keep memory
LAUNCHER_VARIABLE = "HPO_LAUNCHER"  # process id of the parent, with which the worker ends
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class WorkerOptions:
    """How a worker works.

    Attributes:
        max_trials: The worker ends after this many; None for no limit.
        wait: Whether it goes on waiting when nothing is left.
        heartbeat: Seconds between two signs of life.
        grace: Seconds of silence after which another worker's trial is taken for lost.
        allow_modules: Packages whose functions studies may name as objectives.
        lanes: How many trials to train at once on JAX; None to find out what is fastest.
    """

    max_trials: int | None = None
    wait: bool = False
    heartbeat: float = 10.0
    grace: float = 60.0
    allow_modules: Sequence[str] = field(default_factory=tuple)
    lanes: int | None = None


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
    storage = create_storage(storage_url, waiting=False)
    host, pid = socket.gethostname(), os.getpid()
    worker = Worker(f"{host}-{pid}-{uuid.uuid4().hex[:4]}", host, pid)
    pulse = Pulse(storage, worker, interval=options.heartbeat, grace=options.grace)
    loop = _Loop(storage, storage_url, worker.name, study_names, options, pulse)
    with pulse, stop_signals(loop.request_stop):
        try:
            return loop.run()
        finally:
            loop.close()


class _Loop:
    def __init__(
        self,
        storage: TrialStorage,
        storage_url: str,
        worker: str,
        study_names: Sequence[str],
        options: WorkerOptions,
        pulse: Pulse,
    ) -> None:
        self._storage = storage
        self._options = options
        self._pulse = pulse
        self._roster = Roster(
            storage,
            study_names,
            options.allow_modules,
            open_evaluation=lambda study, definition: Evaluation(
                storage,
                study,
                definition,
                storage_url=storage_url,
                worker=worker,
                stopping=self._stopping,
                aborting=lambda: self._stop_requests > 1,
            ),
        )
        self._executor: Executor | None = None
        self._prepared: Evaluation | None = None
        self._stop_requests = 0
        launcher = os.environ.get(LAUNCHER_VARIABLE)
        self._launcher = int(launcher) if launcher else None
        self._taken = 0
        self._failures = 0
        self._last_work = time.monotonic()

    def request_stop(self, number: signal.Signals) -> None:
        """Stop after the running epoch, or at once when asked again."""
        self._stop_requests += 1
        if self._stop_requests == 1:
            logger.warning("%s: stopping after this epoch", number.name)

    def run(self) -> int:
        """Work until told to stop or done; return the number of trials taken."""
        while not self._stopping() and self._taken != self._options.max_trials:
            claimed = patiently(self._claim, self._stopping)
            if claimed is not None:
                self._evaluate(*claimed)
            elif not self._rest():
                break
        return self._taken

    def close(self) -> None:
        """End the executor child."""
        if self._executor is not None:
            self._executor.close()
            self._executor = None
            self._prepared = None

    def _stopping(self) -> bool:
        orphaned = self._launcher is not None and os.getppid() != self._launcher
        return self._stop_requests > 0 or orphaned

    def _claim(self) -> tuple[Evaluation, list[FrozenTrial]] | None:
        """Take trials of the first study that has some."""
        for name in self._roster.names():
            try:
                evaluation = self._roster.open(name)
                self._pulse.watch(self._roster.study_ids())
                if not is_claimable(self._storage, evaluation.study_id):
                    continue
                self._prepare(evaluation)
                claimed = self._take(evaluation)
            except KeyError:
                self._prepared = None
                self._roster.forget(name, is_expected=self._options.wait)
            except (ValueError, TrialError, WorkerError, ExecutorDiedError) as error:
                self._roster.drop(name, str(error))
            except ExecutorStoppedError:
                return None
            else:
                if claimed:
                    return evaluation, claimed
        return None

    def _take(
        self, evaluation: Evaluation, n: int | None = None, like: Mapping[str, Any] | None = None
    ) -> list[FrozenTrial]:
        """Claim up to `n` trials that can train side by side, and leave some for other workers.

        Args:
            evaluation: Their study.
            n: How many; None for as many as train at once.
            like: Parameters that they must have.
        """
        assert self._executor is not None
        n = evaluation.lanes(self._executor) if n is None else n
        if self._options.max_trials is not None:
            n = min(n, self._options.max_trials - self._taken)
        if n > 1:
            left = count_claimable(self._storage, evaluation.study_id)
            seen = workers_seen(self._storage)
            workers = sum(worker.silent_for < self._options.grace for worker in seen)
            # Of none left one is asked for: a claim takes out what waits after the timeout.
            n = n if left is None else min(n, max(1, -(-left // max(1, workers))))
        if n < 1:
            return []
        together = evaluation.definition.structural_factors
        claimed = claim(self._storage, evaluation.study_id, n, together=together, like=like)
        self._taken += len(claimed)
        return claimed

    def _prepare(self, evaluation: Evaluation) -> None:
        """Have a child of the right kind, with the study's data loaded."""
        definition = evaluation.definition
        if definition.is_function:
            kind = ExecutorKind(None)
        else:
            cpu_backend = definition.network.cpu_backend
            kind = ExecutorKind(definition.backend, cpu_backend, self._options.lanes)
        executor = self._executor
        if executor and (executor.kind != kind or executor.programs_built > MAX_PROGRAMS):
            self.close()
        if self._executor is None:
            self._executor = Executor(kind, self._must_abort)
        if self._prepared is not evaluation:  # which is another where a study is made again
            evaluation.prepare(self._executor)
            self._prepared = evaluation

    def _must_abort(self) -> bool:
        """Tell whether to give up waiting for the child; a function has no epochs to wait for."""
        has_epochs = self._executor is not None and self._executor.kind.backend is not None
        return self._stop_requests > 1 if has_epochs else self._stopping()

    def _evaluate(self, evaluation: Evaluation, claimed: list[FrozenTrial]) -> None:
        """Bring claimed trials to their ends, or queue them again when told to stop."""
        assert self._executor is not None
        if evaluation.definition.is_function:
            (trial,) = claimed
            self._beat(evaluation, {trial_id(trial): trial.number})
            outcome = evaluation.call_function(trial, self._executor)
            self._account(evaluation, [(trial, outcome)])
        else:
            self._train(evaluation, claimed)
        self._pulse.rest()
        if self._executor is not None and not self._executor.is_alive:
            self.close()
        self._last_work = time.monotonic()

    def _train(self, evaluation: Evaluation, claimed: list[FrozenTrial]) -> None:
        assert self._executor is not None
        run = PackRun(
            evaluation,
            self._executor,
            renew=lambda: self._renewed(evaluation),
            claim=lambda n, like: patiently(
                lambda: self._take(evaluation, n, like), self._stopping
            ),
            beat=lambda trials: self._beat(evaluation, trials),
            save_every=BEATS_BETWEEN_CHECKPOINTS * self._options.heartbeat,
        )
        try:
            self._account(evaluation, run.begin(claimed))
            while run.lanes and not self._stopping():
                self._account(evaluation, run.step())
        except ExecutorStoppedError:
            pass
        except BaseException as error:
            if isinstance(error, KeyError) and not evaluation.is_there():
                return self.close()  # with the trials of a study that was deleted
            with contextlib.suppress(Exception):
                run.abandon(save=False, error=error)
            raise
        self._account(evaluation, run.abandon(save=self._stop_requests < 2))

    def _beat(self, evaluation: Evaluation, trials: Mapping[int, int]) -> None:
        """Show what the worker does, and keep these trials alive."""
        # None where the worker was told to stop while a child was made anew.
        device = "" if self._executor is None else self._executor.device
        name = evaluation.study.study_name
        patiently(lambda: self._pulse.begin(name, trials, device), self._stopping)

    def _renewed(self, evaluation: Evaluation) -> Executor:
        """Return another child in the place of one that has failed."""
        self.close()
        self._prepare(evaluation)
        assert self._executor is not None
        return self._executor

    def _account(self, evaluation: Evaluation, ended: list[Ended]) -> None:
        """Log how trials have ended, and give up after too many failures in a row."""
        name = evaluation.study.study_name
        for trial, outcome in ended:
            logger.info("%s: trial %d %s", name, trial.number, outcome.value)
            if outcome is Outcome.FAILED:
                self._failures += 1
            elif outcome in (Outcome.COMPLETE, Outcome.PRUNED, Outcome.DIVERGED):
                self._failures = 0
            if self._failures >= MAX_FAILURES:
                raise WorkerError(
                    f"{MAX_FAILURES} trials failed in a row, so the worker stops. "
                    f"The last one's reason: hpo status {name}"
                )

    def _rest(self) -> bool:
        """Wait a moment; return False when there is nothing to wait for."""
        if not self._options.wait and not patiently(self._roster.has_more, self._stopping):
            return False
        if time.monotonic() - self._last_work > IDLE_BEFORE_CLOSING:
            self.close()
        time.sleep(IDLE)
        return True
