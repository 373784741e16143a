"""Worker processes of one study on this machine: started, replaced when killed, and stopped."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from studies.errors import LaunchError
from studies.fleet.gpus import gpus, share_cores
from studies.lookup import file_name
from studies.worker.signals import LAUNCHER_VARIABLE

MAX_RESTARTS = 3  # of one worker that was killed; a fourth kill is no accident


@dataclass
class WorkerProcess:
    """One worker process, and the file that its output goes to."""

    index: int
    process: subprocess.Popen[bytes]
    log: Path
    restarts: int = 0


@dataclass
class WorkerProcesses:
    """The workers of one study. As a context manager it waits for their end.

    Attributes:
        study_name: The study.
        storage_url: Its storage.
        logs: The folder for the output of the workers.
        options: More options of `hpo worker`.
        members: The processes that were started.
        stop_requests: The number of signals that were passed on.
    """

    study_name: str
    storage_url: str
    logs: Path
    options: tuple[str, ...]
    members: list[WorkerProcess] = field(default_factory=list)
    stop_requests: int = 0

    def __enter__(self) -> WorkerProcesses:
        """Return the workers."""
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """Wait until all workers have ended; after an exception, tell them to."""
        if kind is not None:
            self._signal_all(signal.SIGTERM)
        for member in self.members:
            member.process.wait()

    def stopping(self) -> bool:
        """Tell whether the workers were told to stop."""
        return self.stop_requests > 0

    def request_stop(self, _number: signal.Signals) -> None:
        """Pass a signal on: the workers are in sessions of their own, which Ctrl-C cannot reach."""
        self.stop_requests += 1
        self._signal_all(signal.SIGTERM)

    def start(self, n: int) -> None:
        """Start `n` workers, fewer when told to stop meanwhile."""
        for index in range(n):
            if self.stopping():
                return
            log = self.logs / file_name(self.study_name, f"-{os.getpid()}-{index}.log")
            self.members.append(WorkerProcess(index, self._spawn(index, n, log), log))

    def have_ended(self) -> bool:
        """Tell whether all workers have ended, by themselves or by a signal.

        Raises:
            LaunchError: A worker has ended with an error.
        """
        for member in self.members:
            code = member.process.poll()
            if code is not None and code > 0:
                raise LaunchError(_last_error(member.log))
        return all(member.process.poll() is not None for member in self.members)

    def any_killed(self) -> bool:
        """Tell whether a signal has ended a worker."""
        return any((member.process.poll() or 0) < 0 for member in self.members)

    def replace_killed(self) -> None:
        """Start a new worker for each that a signal has ended.

        Raises:
            LaunchError: A worker was killed once more after its last restart.
        """
        for member in self.members:
            code = member.process.poll()
            if code is None or code >= 0:
                continue
            if member.restarts == MAX_RESTARTS:
                name = signal.Signals(-code).name
                raise LaunchError(f"A worker was ended by {name} {MAX_RESTARTS + 1} times.")
            member.restarts += 1
            member.process = self._spawn(member.index, len(self.members), member.log)

    def _spawn(self, index: int, n: int, log: Path) -> subprocess.Popen[bytes]:
        found = gpus()
        env = {
            **os.environ,
            "OPTUNA_STORAGE": self.storage_url,  # not an argument: other users can read those
            LAUNCHER_VARIABLE: str(os.getpid()),
        }
        if found:
            env["CUDA_VISIBLE_DEVICES"] = found[index % len(found)]
        command = [sys.executable, "-P", "-m", "studies", "worker", *self.options]
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*command, "--", self.study_name],  # which may begin with a dash
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=env,
                start_new_session=True,
            )
        if not found:
            share_cores(process.pid, index, n)
        if self.stopping():  # the signal came before this process was in the list of members
            process.send_signal(signal.SIGTERM)
        return process

    def _signal_all(self, number: signal.Signals) -> None:
        for member in self.members:
            if member.process.poll() is None:
                member.process.send_signal(number)


def _last_error(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    errors = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return f"{errors[-1] if errors else 'A worker ended with an error.'} (its log: {log})"
