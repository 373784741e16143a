"""The pull loop: claim a trial, evaluate it in the executor child, record it, go on."""

from __future__ import annotations

import logging
import os
import signal
import socket
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from optuna.trial import FrozenTrial

from storage import TrialStorage, Worker, claim, create_storage, is_claimable, is_running
from studies.create import CREATED_KEY, DEFINITION_KEY, load_study
from studies.definition import StudyDefinition
from studies.evaluation import Evaluation, Outcome
from studies.executor import (
    Executor,
    ExecutorDiedError,
    ExecutorKind,
    ExecutorStoppedError,
    TrialError,
)
from studies.patience import patiently
from studies.pulse import Pulse
from studies.signals import stop_signals

IDLE = 0.5  # seconds between two looks for work
IDLE_BEFORE_CLOSING = 10.0  # seconds without work, after which the child gives its device back
MAX_FAILURES = 5  # in a row: then the fault is not the trials'
MAX_PROGRAMS = 100  # compiled by one child, which is then replaced: compilers keep memory
LAUNCHER_VARIABLE = "HPO_LAUNCHER"  # process id of the parent, with which the worker ends
logger = logging.getLogger(__name__)


class WorkerError(RuntimeError):
    """The worker cannot do its work: the message says why, and the remedy."""


@dataclass(frozen=True)
class WorkerOptions:
    """How a worker works.

    Attributes:
        max_trials: The worker ends after this many; None for no limit.
        wait: Whether it goes on waiting when nothing is left.
        heartbeat: Seconds between two signs of life.
        grace: Seconds of silence after which another worker's trial is taken for lost.
        allow_modules: Packages whose functions studies may name as objectives.
    """

    max_trials: int | None = None
    wait: bool = False
    heartbeat: float = 10.0
    grace: float = 60.0
    allow_modules: Sequence[str] = field(default_factory=tuple)


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
        self._storage_url = storage_url
        self._worker = worker
        self._named = list(study_names)
        self._options = options
        self._pulse = pulse
        self._evaluations: dict[str, Evaluation] = {}
        self._unusable: set[str] = set()
        self._executor: Executor | None = None
        self._prepared: str | None = None
        self._stop_requests = 0
        launcher = os.environ.get(LAUNCHER_VARIABLE)
        self._launcher = int(launcher) if launcher else None
        self._failures = 0
        self._last_work = time.monotonic()

    def request_stop(self, number: signal.Signals) -> None:
        """Stop after the running epoch, or at once when asked again."""
        self._stop_requests += 1
        if self._stop_requests == 1:
            logger.warning("%s: stopping after this epoch", number.name)

    def run(self) -> int:
        """Work until told to stop or done; return the number of trials taken."""
        taken = 0
        while not self._stopping() and taken != self._options.max_trials:
            claimed = patiently(self._claim, self._stopping)
            if claimed is not None:
                taken += 1
                self._evaluate(*claimed)
            elif not self._rest():
                break
        return taken

    def close(self) -> None:
        """End the executor child."""
        if self._executor is not None:
            self._executor.close()
            self._executor = None
            self._prepared = None

    def _stopping(self) -> bool:
        orphaned = self._launcher is not None and os.getppid() != self._launcher
        return self._stop_requests > 0 or orphaned

    def _claim(self) -> tuple[Evaluation, FrozenTrial] | None:
        """Take a trial of the first study that has one."""
        for name in self._studies():
            try:
                evaluation = self._open(name)
                study_id = evaluation.study._study_id
                if not is_claimable(self._storage, study_id):
                    continue
                self._prepare(evaluation)
                claimed = claim(self._storage, study_id)
            except KeyError:
                self._forget(name)
            except (ValueError, TrialError, WorkerError, ExecutorDiedError) as error:
                self._drop(name, str(error))
            except ExecutorStoppedError:
                return None
            else:
                if claimed:
                    return evaluation, claimed[0]
        return None

    def _studies(self) -> list[str]:
        if self._named:
            return [name for name in self._named if name not in self._unusable]
        summaries = self._storage.get_all_studies()
        names = [s.study_name for s in summaries if DEFINITION_KEY in s.user_attrs]
        return [name for name in names if name not in self._unusable]

    def _open(self, name: str) -> Evaluation:
        study_id = self._storage.get_study_id_from_name(name)
        created_at = self._storage.get_study_user_attrs(study_id).get(CREATED_KEY)
        known = self._evaluations.get(name)
        if known is None or known.created_at != created_at:
            self._storage.forget(study_id)  # another study may have had this id
            study, definition = load_study(name, self._storage)
            self._check_allowed(definition)
            self._evaluations[name] = Evaluation(
                self._storage,
                study,
                definition,
                storage_url=self._storage_url,
                worker=self._worker,
                stopping=self._stopping,
            )
            self._pulse.watch(study._study_id)
        return self._evaluations[name]

    def _check_allowed(self, definition: StudyDefinition) -> None:
        """Refuse code that a row of the database names, unless the worker was told to trust it."""
        module = definition.objective.partition(":")[0]
        if definition.is_function and not any(
            module == allowed or module.startswith(f"{allowed}.")
            for allowed in self._options.allow_modules
        ):
            raise WorkerError(
                f"Expected an objective of an allowed package. Received: {definition.objective}. "
                f"Start the worker with --allow-module {module.partition('.')[0]}."
            )

    def _drop(self, name: str, reason: str) -> None:
        """Work on this study no more; when none of those named is left, that is an error."""
        self._unusable.add(name)
        if self._named and self._unusable >= set(self._named):
            raise WorkerError(f"study {name!r}: {reason}")
        logger.warning("study %r is left out: %s", name, reason)

    def _forget(self, name: str) -> None:
        """Take note that a study was deleted; one of the same name may be made again."""
        self._evaluations.pop(name, None)
        self._prepared = None
        if self._named == [name] and not self._options.wait:
            raise WorkerError(f"study {name!r} was deleted")

    def _prepare(self, evaluation: Evaluation) -> None:
        """Have a child of the right kind, with the study's data loaded."""
        definition = evaluation.definition
        if definition.is_function:
            kind = ExecutorKind(None)
        else:
            kind = ExecutorKind(definition.backend, definition.network.cpu_backend)
        executor = self._executor
        if executor and (executor.kind != kind or executor.programs_built > MAX_PROGRAMS):
            self.close()
        if self._executor is None:
            self._executor = Executor(kind, self._must_abort)
        if self._prepared != evaluation.study.study_name:
            evaluation.prepare(self._executor)
            self._prepared = evaluation.study.study_name

    def _must_abort(self) -> bool:
        """Tell whether to give up waiting for the child; a function has no epochs to wait for."""
        has_epochs = self._executor is not None and self._executor.kind.backend is not None
        return self._stop_requests > 1 if has_epochs else self._stopping()

    def _evaluate(self, evaluation: Evaluation, trial: FrozenTrial) -> None:
        assert self._executor is not None
        name = evaluation.study.study_name
        device = self._executor.device
        patiently(
            lambda: self._pulse.begin(name, trial.number, trial._trial_id, device), self._stopping
        )
        outcome = evaluation.run(trial, self._executor)
        self._pulse.rest()
        logger.info("%s: trial %d %s", name, trial.number, outcome.value)
        if not self._executor.is_alive:
            self.close()
        if outcome is Outcome.FAILED:
            self._failures += 1
        elif outcome in (Outcome.COMPLETE, Outcome.PRUNED, Outcome.DIVERGED):
            self._failures = 0
        if self._failures >= MAX_FAILURES:
            raise WorkerError(
                f"{MAX_FAILURES} trials failed in a row, so the worker stops. "
                f"The last one's reason: hpo status {name}"
            )
        self._last_work = time.monotonic()

    def _others_run(self) -> bool:
        """Tell whether other workers have trials that come back if they are lost."""
        return any(
            is_running(self._storage, evaluation.study._study_id)
            for name, evaluation in self._evaluations.items()
            if name not in self._unusable
        )

    def _rest(self) -> bool:
        """Wait a moment; return False when there is nothing to wait for."""
        if not self._options.wait and not patiently(self._others_run, self._stopping):
            return False
        if time.monotonic() - self._last_work > IDLE_BEFORE_CLOSING:
            self.close()
        time.sleep(IDLE)
        return True
