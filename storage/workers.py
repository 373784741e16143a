"""The list of workers: the machine and device of each, its trials, and its last sign of life.

Optuna does not know workers, so they have a table of our own, `hpo_workers`. It informs people and
decides nothing: whether a trial is lost depends on the heartbeat of the trial (trial_queue.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy
from sqlalchemy.exc import OperationalError, ProgrammingError

from storage.rows import database_time
from storage.tables import WORKERS, has_workers_table
from storage.trial_storage import TrialStorage

FORGOTTEN = timedelta(days=1)  # a worker silent for longer was killed, and does not come back


@dataclass(frozen=True)
class Worker:
    """One worker.

    Attributes:
        name: Unique among all workers: host, process id and a random part.
        host: Name of the machine.
        pid: Process id on that machine.
        device: The device it trains on, such as `cpu` or `NVIDIA H200`; empty before the first
            training.
        study_name: The study of its trials, None while it has no trial.
        trial_numbers: The numbers of the trials that it runs.
        silent_for: Seconds since its last sign of life, by the database's clock.
    """

    name: str
    host: str
    pid: int
    device: str = ""
    study_name: str | None = None
    trial_numbers: tuple[int, ...] = ()
    silent_for: float = 0.0


def record_worker(storage: TrialStorage, worker: Worker) -> datetime:
    """Record the state of a worker, with the present time as its last sign of life.

    The first record of a worker also deletes workers that were silent for more than `FORGOTTEN`.

    Returns:
        The time by the database's clock, in UTC.
    """
    row = {
        "host": worker.host,
        "pid": worker.pid,
        "device": worker.device,
        "study_name": worker.study_name,
        "trial_numbers": list(worker.trial_numbers),
        "seen_at": sqlalchemy.func.current_timestamp(),
    }
    with storage.transaction() as connection:
        now = database_time(connection)
        updated = connection.execute(
            WORKERS.update().where(WORKERS.c.worker == worker.name).values(row)
        )
        if updated.rowcount == 0:
            connection.execute(WORKERS.insert().values({**row, "worker": worker.name}))
            connection.execute(WORKERS.delete().where(WORKERS.c.seen_at < now - FORGOTTEN))
    return now


def forget_worker(storage: TrialStorage, name: str) -> None:
    """Delete the record of a worker that ends normally."""
    with storage.transaction() as connection:
        connection.execute(WORKERS.delete().where(WORKERS.c.worker == name))


def workers_seen(storage: TrialStorage) -> list[Worker]:
    """Return the workers that have not ended normally, the most recently seen first."""
    statement = sqlalchemy.select(WORKERS, sqlalchemy.func.current_timestamp().label("now"))
    try:
        with storage.reading() as connection:
            rows = connection.execute(statement.order_by(WORKERS.c.seen_at.desc())).all()
    except (OperationalError, ProgrammingError):
        if has_workers_table(storage.engine):
            raise
        return []  # programs that only read do not make it
    return [
        Worker(
            name=row.worker,
            host=row.host,
            pid=row.pid,
            device=row.device,
            study_name=row.study_name,
            trial_numbers=tuple(row.trial_numbers),
            silent_for=(row.now.replace(tzinfo=None) - row.seen_at).total_seconds(),
        )
        for row in rows
    ]
