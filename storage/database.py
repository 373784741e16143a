"""Connections and transactions: SQLite made safe for many processes, PostgreSQL by psycopg 3."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import sqlalchemy
from optuna.storages import RDBStorage
from sqlalchemy import event

from storage.errors import DatabaseNotFoundError
from storage.optuna_internals import CachedStorage

BUSY_TIMEOUT = 60.0  # seconds that a writer waits for the lock of a SQLite file
# With the system's defaults a client notices after two hours that a PostgreSQL server vanished.
# In seconds, except for the last, which is in milliseconds.
KEEPALIVES = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
OPTIONS = r"-c timezone=utc -c default_transaction_isolation=read\ committed"


class DatabaseStorage(CachedStorage):
    """Optuna's cached SQL storage, with transactions of our own beside it.

    Args:
        backend: The SQL storage to work on.
        writes: Whether a SQLite transaction takes the write lock when it begins.
    """

    def __init__(self, backend: RDBStorage, *, writes: bool) -> None:
        super().__init__(backend)
        self._writes = writes
        self._listen()

    def __getstate__(self) -> dict[Any, Any]:
        """Leave out the engine's listeners, as Optuna leaves out the engine."""
        state = super().__getstate__()
        del state["_transactions"]
        return state

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Listen to the new engine that Optuna made."""
        super().__setstate__(state)
        self._listen()

    def _listen(self) -> None:
        self._transactions = _Transactions(self.engine, writes=self._writes)
        # A caller who opened a storage by its URL has nothing to close.
        weakref.finalize(self, self.engine.dispose)

    @contextmanager
    def transaction(self) -> Iterator[sqlalchemy.Connection]:
        """Begin a transaction that writes: committed at the end, rolled back on an exception."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[sqlalchemy.Connection]:
        """Begin a transaction that only reads and never holds the write lock of SQLite."""
        with self._transactions.plain(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[sqlalchemy.Connection]:
        """Begin a transaction that only reads, and whose statements all see one moment."""
        if self.engine.dialect.name == "sqlite":  # where each transaction does
            with self.reading() as connection:
                yield connection
            return
        with self.engine.connect() as connection:
            connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                yield connection

    @contextmanager
    def without_write_lock(self) -> Iterator[None]:
        """Let the transactions that Optuna begins in this thread do without the write lock."""
        with self._transactions.plain():
            yield


class _Transactions:
    """How a transaction begins on a SQLite engine; a no-op on other databases.

    A deferred transaction of SQLite that reads first and writes later works on what it read before
    another process wrote: 8 workers took 28 to 52 of 120 queued trials twice. `BEGIN IMMEDIATE`
    takes the lock at once; a transaction that only reads needs none.

    Each checks first that the file is still the one that was opened. What is written to a deleted
    file is lost with the last process that has it open, and a new connection would make an empty
    file in its place.
    """

    def __init__(self, engine: sqlalchemy.Engine, *, writes: bool) -> None:
        self._local = threading.local()
        self._writes = writes
        if engine.dialect.name == "sqlite":
            self._path = sqlite_path(engine.url)
            self._file = _identity(self._path)
            event.listen(engine, "do_connect", self._check_file)
            event.listen(engine, "connect", _set_up_sqlite if writes else _set_up_to_read)
            event.listen(engine, "begin", self._begin)
            engine.dispose()  # close the connections made before the listeners

    @contextmanager
    def plain(self) -> Iterator[None]:
        outer = getattr(self._local, "plain", False)
        self._local.plain = True
        try:
            yield
        finally:
            self._local.plain = outer

    def _begin(self, connection: sqlalchemy.Connection) -> None:
        self._check_file()
        plain = not self._writes or getattr(self._local, "plain", False)
        connection.exec_driver_sql("BEGIN" if plain else "BEGIN IMMEDIATE")

    def _check_file(self, *_: object) -> None:
        if _identity(self._path) != self._file:
            raise DatabaseNotFoundError(
                "Expected the SQLite file that this program has opened. Received: "
                f"{str(self._path)!r}, which was deleted or replaced since. What has ended "
                "meanwhile is lost. Put the file back or make the study again, and start anew."
            )


def sqlite_path(url: sqlalchemy.URL) -> Path:
    """Return the path of a SQLite file, whose URL may hold it as SQLite's own `file:` URI."""
    database = str(url.database)
    if not database.startswith("file:"):
        return Path(database).absolute()
    return Path(unquote(database.removeprefix("file:").partition("?")[0])).absolute()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def engine_options(url: sqlalchemy.URL) -> dict[str, Any]:
    """Return the arguments with which `sqlalchemy.create_engine` is to open a database."""
    if url.get_backend_name() != "postgresql":
        return {"connect_args": {"timeout": BUSY_TIMEOUT}}
    # Heartbeats are compared by the database's clock: in one time zone, whatever the client's. A
    # transaction that has waited for a lock must read what the others have written meanwhile.
    given = url.query.get("options", "")
    own = f"{given if isinstance(given, str) else ' '.join(given)} {OPTIONS}"
    missing = {key: value for key, value in KEEPALIVES.items() if key not in url.query}
    return {"pool_pre_ping": True, "connect_args": {**missing, "options": own.strip()}}


def _set_up_to_read(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions by itself


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    _set_up_to_read(connection, _record)
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}")
