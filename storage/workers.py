"""The workers seen: where each runs, on what device, what it is doing, and its last sign of life.

Optuna has no notion of a worker, so this is a table of our own, `hpo_workers`. It informs people
and decides nothing: which trial is lost is told by the heartbeat of the trial (trial_queue.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import sqlalchemy

from storage.rows import database_time

if TYPE_CHECKING:
    from storage.connect import TrialStorage

WORKERS = sqlalchemy.Table(
    "hpo_workers",
    sqlalchemy.MetaData(),
    sqlalchemy.Column("worker", sqlalchemy.String(512), primary_key=True),
    sqlalchemy.Column("host", sqlalchemy.String(255), nullable=False),
    sqlalchemy.Column("pid", sqlalchemy.Integer, nullable=False),
    sqlalchemy.Column("device", sqlalchemy.String(255), nullable=False),
    sqlalchemy.Column("study_name", sqlalchemy.String(512)),
    sqlalchemy.Column("trial_numbers", sqlalchemy.JSON, nullable=False),
    sqlalchemy.Column(
        "seen_at", sqlalchemy.DateTime, server_default=sqlalchemy.func.current_timestamp()
    ),
)

FORGOTTEN = timedelta(days=1)  # no worker is silent for so long and comes back


@dataclass(frozen=True)
class Worker:
    """One worker.

    Attributes:
        name: Unique among all workers: host, process id and a random part.
        host: Name of the machine.
        pid: Process id on that machine.
        device: What it trains on, such as `cpu` or `NVIDIA H200`; empty until it has trained.
        study_name: The study of its trials, None while it waits for one.
        trial_numbers: The numbers of the trials that it has.
        silent_for: Seconds since its last sign of life, by the database's clock.
    """

    name: str
    host: str
    pid: int
    device: str = ""
    study_name: str | None = None
    trial_numbers: tuple[int, ...] = ()
    silent_for: float = 0.0


def create_workers_table(engine: sqlalchemy.Engine) -> None:
    """Create the table where it is missing, or has other columns than this version's."""
    inspector = sqlalchemy.inspect(engine)
    if inspector.has_table(WORKERS.name):
        columns = {column["name"] for column in inspector.get_columns(WORKERS.name)}
        if columns == set(WORKERS.columns.keys()):
            return
        WORKERS.drop(engine, checkfirst=True)  # it tells of this moment: nothing is lost
    WORKERS.create(engine, checkfirst=True)


def record_worker(storage: TrialStorage, worker: Worker) -> None:
    """Write what `worker` is doing, and that it is alive now.

    A new one takes out those that were killed and have been silent for more than `FORGOTTEN`.
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
        updated = connection.execute(
            WORKERS.update().where(WORKERS.c.worker == worker.name).values(row)
        )
        if updated.rowcount == 0:
            connection.execute(WORKERS.insert().values({**row, "worker": worker.name}))
            before = database_time(connection) - FORGOTTEN
            connection.execute(WORKERS.delete().where(WORKERS.c.seen_at < before))


def forget_worker(storage: TrialStorage, name: str) -> None:
    """Remove a worker that ended in order."""
    with storage.transaction() as connection:
        connection.execute(WORKERS.delete().where(WORKERS.c.worker == name))


def workers_seen(storage: TrialStorage) -> list[Worker]:
    """Return the workers that have not ended in order, the most recently seen first."""
    statement = sqlalchemy.select(WORKERS, sqlalchemy.func.current_timestamp().label("now"))
    with storage.reading() as connection:
        rows = connection.execute(statement.order_by(WORKERS.c.seen_at.desc())).all()
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
