"""Run a study on this machine: one worker process a GPU, until nothing is left to do."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import optuna

import objectives
from objectives.data.sources import source_of
from objectives.types import Progress
from storage import (
    create_storage,
    is_claimable,
    is_running,
    storage_of,
    study_id,
    wait_for_database,
)
from studies.attributes import ARTIFACTS_KEY
from studies.create import as_stored, create_study
from studies.definition.files import as_definition, lines_named
from studies.definition.study import StudyDefinition
from studies.fleet.gpus import gpus
from studies.fleet.own_code import prepare
from studies.fleet.trials_bar import told_here, trials_bar
from studies.fleet.worker_processes import WorkerProcesses
from studies.origin import with_origin
from studies.worker.signals import stop_signals

POLL = 0.5  # seconds between two checks of the workers


def run(
    definition: StudyDefinition | Mapping[str, Any] | str | Path,
    storage: str,
    *,
    workers: int | None = None,
    artifacts: str | Path | None = None,
    allow_modules: Sequence[str] = (),
) -> optuna.Study:
    """Create a study or go on with it, and work on it here until it is done.

    A bar shows the progress, in a notebook or a terminal, and before it that networks of a user's
    function are examined.

    Args:
        definition: A definition, a dict of its lines, a name of the catalogue, or the path of a
            TOML file.
        storage: The URL of the storage.
        workers: Number of worker processes; by default one a GPU, or one where there is none.
        artifacts: The folder for trained networks.
        allow_modules: Packages whose functions the study may name as its objective, or whose
            registered objectives.

    Returns:
        The study.

    Raises:
        DefinitionError: There is a mistake in the definition, its data or its function.
        WorkerError: Its function is of no package in `allow_modules`.
        LaunchError: A worker could not do its work.
    """
    objectives.admit(allow_modules)
    file = definition if isinstance(definition, str | Path) else ""
    with lines_named(file):  # what shows in the data and the code, too
        checked = as_definition(definition)
        opened = create_storage(storage)
        checked = as_stored(with_origin(checked, opened), opened)
        checked = prepare(checked, allow_modules, waiting=told_here)
        study = create_study(checked, opened, artifacts=artifacts)
        fetch_data(checked)
    allowed = tuple(f"--allow-module={module}" for module in allow_modules)
    with trials_bar(study) as advance:
        work_here(study, storage, workers, options=allowed, on_tick=advance)
    return study


def work_here(
    study: optuna.Study,
    storage_url: str,
    workers: int | None = None,
    *,
    options: tuple[str, ...] = (),
    on_tick: Callable[[], None] = lambda: None,
    on_stop: Callable[[int], None] = lambda n: None,
) -> bool:
    """Run worker processes on this machine until the study is done.

    A first SIGINT or SIGTERM stops the workers after their epoch, a second one at once.

    Args:
        study: The study.
        storage_url: Its storage.
        workers: Number of processes; None for one a GPU, or one where there is none.
        options: More options of `hpo worker`.
        on_tick: Called twice a second, to show progress.
        on_stop: Called when a signal has come, with the number of those so far.

    Returns:
        Whether the study is done; False after a signal.

    Raises:
        LaunchError: A worker could not do its work.
    """
    storage = storage_of(study)
    logs = Path(study.user_attrs[ARTIFACTS_KEY]) / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    processes = WorkerProcesses(study.study_name, storage_url, logs, options)

    def is_open() -> bool:
        return not processes.stopping() and (
            # In this order, since a running trial may be queued again between the two questions. A
            # queued one that starts between them is missed, but then a worker has it.
            is_running(storage, study_id(study)) or is_claimable(storage, study_id(study))
        )

    with stop_signals(processes.request_stop), processes:
        processes.start(workers or max(1, len(gpus())))
        _supervise(processes, is_open, on_tick, on_stop)
    on_tick()
    return not processes.stopping()


def _supervise(
    processes: WorkerProcesses,
    is_open: Callable[[], bool],
    on_tick: Callable[[], None],
    on_stop: Callable[[int], None],
) -> None:
    """Replace killed workers while the study is open, until all workers have ended."""
    told = 0
    while True:
        if processes.stop_requests > told:  # not in the signal's handler, amid another print
            told = processes.stop_requests
            on_stop(told)
        if wait_for_database(is_open, processes.stopping):
            processes.replace_killed()
        if processes.have_ended() and not (processes.any_killed() and is_open()):
            return
        wait_for_database(on_tick, processes.stopping)
        time.sleep(POLL)


def fetch_data(definition: StudyDefinition, progress: Progress | None = None) -> None:
    """Download or render the data set of a study, unless it is on this machine already.

    Done before the workers start, so that the user sees the progress and the errors at once.

    Args:
        definition: The definition of the study.
        progress: Called while clocks are rendered.

    Raises:
        ObjectiveError: The data set is not here, and cannot be made or downloaded.
    """
    if definition.dataset is not None:
        source_of(definition.dataset).prepare(definition.data, progress)
