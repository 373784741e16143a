"""Eight processes that wait for each other, and then use one database at the same time."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.pool import Pool
from threading import Barrier
from typing import Any

PROCESSES = 8
IMPORTED = ["storage", "studies", "studies.create", "studies.suggest", "psycopg"]
_start: list[Barrier] = []


@contextmanager
def processes() -> Iterator[Pool]:
    """Start the processes without the state of this one, from one that has imported our modules."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(IMPORTED)
    pool = context.Pool(PROCESSES, initializer=_join, initargs=(context.Barrier(PROCESSES),))
    yield pool
    pool.close()
    pool.join()


def at_once(pool: Pool, job: Callable[..., Any], *arguments: Any) -> list[Any]:
    """Run `job(rank, *arguments)` in all processes, and return their results by rank."""
    tasks = [(job, rank, *arguments) for rank in range(PROCESSES)]
    return pool.starmap_async(_run, tasks, chunksize=1).get(timeout=300)


def meet() -> None:
    """Wait in a job until all processes have called this."""
    _start[0].wait(timeout=300)


def _join(barrier: Barrier) -> None:
    _start.append(barrier)


def _run(job: Callable[..., Any], rank: int, *arguments: Any) -> Any:
    return job(rank, *arguments)
