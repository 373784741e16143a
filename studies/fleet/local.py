"""Many workers on this machine: one process a GPU, restarted when one is killed."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import optuna

from objectives.clock.dataset import Progress
from objectives.data import archives, datasets
from storage import is_claimable, is_running, storage_of, study_id
from studies.attributes import ARTIFACTS_KEY
from studies.create import create_study
from studies.definition.files import load_definition
from studies.definition.study import StudyDefinition
from studies.errors import LaunchError, TrialError
from studies.executor.client import Executor
from studies.executor.protocol import DatasetSpec, ExecutorKind
from studies.worker.database_retry import wait_for_database
from studies.worker.signals import LAUNCHER_VARIABLE, stop_signals

POLL = 0.5  # seconds between two looks at the workers
MAX_RESTARTS = 3  # of one worker that was killed; then the fault is not chance
Tick = Callable[[], None]


def run(
    definition: StudyDefinition | str | Path,
    storage: str,
    *,
    workers: int | None = None,
    artifacts: str | Path | None = None,
    allow_modules: Sequence[str] = (),
) -> optuna.Study:
    """Make a study or go on with it, and work on it here until it is done.

    Args:
        definition: A definition, a name of the catalogue, or the path of a TOML file.
        storage: The URL of the storage.
        workers: Number of worker processes; by default one a GPU, or one where there is none.
        artifacts: The folder for trained networks.
        allow_modules: Packages whose functions the study may name as its objective.

    Returns:
        The study.

    Raises:
        LaunchError: A worker could not do its work.
    """
    if not isinstance(definition, StudyDefinition):
        definition = load_definition(definition)
    study = create_study(definition, storage, artifacts=artifacts)
    fetch_data(definition)
    allowed = tuple(f"--allow-module={module}" for module in allow_modules)
    work_here(study, storage, workers, options=allowed)
    return study


def work_here(
    study: optuna.Study,
    storage_url: str,
    workers: int | None = None,
    *,
    options: tuple[str, ...] = (),
    on_tick: Tick = lambda: None,
) -> bool:
    """Run worker processes on this machine until the study is done.

    A first SIGINT or SIGTERM stops the workers after their epoch, a second one at once.

    Args:
        study: The study.
        storage_url: Its storage.
        workers: Number of processes; None for one a GPU, or one where there is none.
        options: More options of `hpo worker`.
        on_tick: Called twice a second, to show progress.

    Returns:
        Whether the study is done; False after a signal.

    Raises:
        LaunchError: A worker could not do its work.
    """
    storage = storage_of(study)
    logs = Path(study.user_attrs[ARTIFACTS_KEY]) / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    crew = _Crew(study.study_name, storage_url, logs, options)

    def is_open() -> bool:
        return not crew.stopping() and (
            # In this order a trial that is queued again meanwhile is not overlooked.
            is_running(storage, study_id(study)) or is_claimable(storage, study_id(study))
        )

    with stop_signals(crew.request_stop), crew:
        crew.start(workers or max(1, len(gpus())))
        while True:
            if wait_for_database(is_open, crew.stopping):
                crew.replace_killed()
            if crew.has_ended() and not (crew.has_lost() and is_open()):
                break
            wait_for_database(on_tick, crew.stopping)
            time.sleep(POLL)
    on_tick()
    return not crew.stopping()


def fetch_data(definition: StudyDefinition, progress: Progress | None = None) -> None:
    """Download or render a study's data set, where it has to be, in front of who waits for it.

    Args:
        definition: The study.
        progress: Told while clocks are rendered.

    Raises:
        LaunchError: It is nowhere and cannot be downloaded.
        ValueError: The name is neither known nor that of a file.
    """
    name = definition.dataset
    if name is None:
        return
    if datasets.labels(name) == "minute":
        return datasets.prepare(name, definition.data, progress)
    if name == "digits" or archives.find(name) is not None:
        return
    executor = Executor(ExecutorKind("auto"), should_abort=lambda: False)
    try:
        executor.load_data(DatasetSpec(name, definition.data.model_dump()))
    except TrialError as error:
        raise LaunchError(str(error)) from None
    finally:
        executor.close()


def gpus() -> list[str]:
    """Return the ids of the NVIDIA GPUs that this process may use."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [gpu for gpu in visible.split(",") if gpu.strip()]
    if shutil.which("nvidia-smi") is None:
        return []
    query = ["nvidia-smi", "--query-gpu=index", "--format=csv,noheader"]
    listed = subprocess.run(query, capture_output=True, text=True, check=False)
    return listed.stdout.split() if listed.returncode == 0 else []


@dataclass
class _Member:
    """One worker process, and the file that holds its words."""

    index: int
    process: subprocess.Popen[bytes]
    log: Path
    restarts: int = 0


@dataclass
class _Crew:
    study_name: str
    storage_url: str
    logs: Path
    options: tuple[str, ...]
    members: list[_Member] = field(default_factory=list)
    stop_requests: int = 0

    def __enter__(self) -> _Crew:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            self._signal_all(signal.SIGTERM)
        for member in self.members:
            member.process.wait()

    def stopping(self) -> bool:
        return self.stop_requests > 0

    def request_stop(self, _number: signal.Signals) -> None:
        """Pass a signal on; the workers are in groups of their own."""
        self.stop_requests += 1
        self._signal_all(signal.SIGTERM)

    def start(self, n: int) -> None:
        for index in range(n):
            if self.stopping():
                return
            log = self.logs / f"{self.study_name.replace(os.sep, '-')}-{os.getpid()}-{index}.log"
            self.members.append(_Member(index, self._spawn(index, n, log), log))

    def has_ended(self) -> bool:
        """Tell whether all workers have ended in order.

        Raises:
            LaunchError: One has not, and has not been killed.
        """
        for member in self.members:
            code = member.process.poll()
            if code is not None and code > 0:
                raise LaunchError(_last_word(member.log))
        return all(member.process.poll() is not None for member in self.members)

    def has_lost(self) -> bool:
        """Tell whether a signal has ended a worker."""
        return any((member.process.poll() or 0) < 0 for member in self.members)

    def replace_killed(self) -> None:
        """Start a worker in the place of each that a signal ended."""
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
            "OPTUNA_STORAGE": self.storage_url,  # not on the command line, which others can read
            LAUNCHER_VARIABLE: str(os.getpid()),
        }
        if found:
            env["CUDA_VISIBLE_DEVICES"] = found[index % len(found)]
        words: IO[bytes]
        with log.open("ab") as words:
            process = subprocess.Popen(
                [sys.executable, "-P", "-m", "studies", "worker", self.study_name, *self.options],
                stdin=subprocess.DEVNULL,
                stdout=words,
                stderr=words,
                env=env,
                start_new_session=True,
            )
        if not found:
            _give_cores(process.pid, index, n)
        if self.stopping():  # the signal came before there was anybody to pass it on to
            process.send_signal(signal.SIGTERM)
        return process

    def _signal_all(self, number: signal.Signals) -> None:
        for member in self.members:
            if member.process.poll() is None:
                member.process.send_signal(number)


def _give_cores(pid: int, index: int, n: int) -> None:
    """Give a worker its share of the cores: thread pools that share them all slow each other."""
    if not hasattr(os, "sched_setaffinity"):
        return  # only Linux can
    cores = sorted(os.sched_getaffinity(0))
    if n <= len(cores):
        os.sched_setaffinity(pid, cores[index::n])


def _last_word(log: Path) -> str:
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    said = [line.removeprefix("error: ") for line in lines if line.startswith("error: ")]
    return f"{said[-1] if said else 'A worker ended with an error.'} (its log: {log})"
