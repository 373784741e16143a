"""Open a storage by its URL: SQLite made safe for many processes, PostgreSQL through psycopg 3.

What comes back is an Optuna storage (it passes Optuna's own `StorageTestCase`) on Optuna's own
tables, so that `optuna-dashboard URL` and `optuna trials` read it with nothing extra. Added are
one index on `trials` and one table, `hpo_workers` (storage/workers.py); a SQLite file that is made
here gives no id of a study or of a trial twice (storage/rows.py).
"""

from __future__ import annotations

import random
import threading
import time
import weakref
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from optuna.storages._cached_storage import _StudyInfo
from optuna.trial import FrozenTrial, TrialState
from sqlalchemy import event, exc

from storage.batched_storage import BatchingStorage
from storage.read_trials import read_trials
from storage.rows import TRIALS
from storage.workers import create_workers_table

DRIVERS = ("sqlite", "sqlite+pysqlite", "postgresql+psycopg")
BUSY_TIMEOUT = 60.0  # seconds that a writer waits for the lock of a SQLite file
# Of a PostgreSQL server that vanishes, the system would tell after two hours: in seconds, but for
# the last, in milliseconds.
LIVELINESS = {
    "connect_timeout": 10,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 60_000,
}
OPEN_ATTEMPTS = 10  # several processes may create the tables of a new storage at once
STARTED = (TrialState.RUNNING, TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
UNFINISHED = (TrialState.WAITING, TrialState.RUNNING)

# The claim looks for the first waiting trial, the status counts by state, and a worker reads what
# started since it last looked: each is a range of this index, however many trials there are.
QUEUE_INDEX = sqlalchemy.Index(
    "hpo_trials_by_state", TRIALS.c.study_id, TRIALS.c.state, TRIALS.c.trial_id
)


class TrialStorage(BatchingStorage):
    """Optuna's cached SQL storage, with transactions of our own beside it.

    Args:
        backend: The SQL storage to work on.
        sees_waiting: Whether trials that still wait are read. Samplers and pruners look at
            started trials only, but Optuna reads every unfinished row for them on each call:
            10,000 waiting rows make one suggestion take 2 s. Workers therefore open the storage
            with False, and a trial costs the same however many wait.
        writes: Whether a SQLite transaction takes the write lock when it begins.
    """

    def __init__(self, backend: RDBStorage, *, sees_waiting: bool, writes: bool) -> None:
        super().__init__(backend)
        self._sees_waiting = sees_waiting
        self._writes = writes
        self._listen()

    def __getstate__(self) -> dict[Any, Any]:
        """Leave the engine's listeners out, as Optuna leaves out the engine."""
        state = super().__getstate__()
        del state["_transactions"]
        return state

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Listen to the engine that Optuna made anew."""
        super().__setstate__(state)
        self._listen()

    def _listen(self) -> None:
        self._transactions = _Transactions(self.engine, writes=self._writes)
        # Whoever opened a storage by its URL has nothing to close: its connections end with it.
        weakref.finalize(self, self.engine.dispose)

    @property
    def engine(self) -> sqlalchemy.Engine:
        """The SQLAlchemy engine, for statements on Optuna's tables."""
        return self._backend.engine

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

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """Read as Optuna does, but without the write lock: 20,000 trials held it for 6 s."""
        with self._transactions.plain():
            return super().get_all_trials(study_id, deepcopy, states)

    def forget(self, study_id: int) -> None:
        """Drop what the cache holds of a study.

        Optuna's own SQLite files give the ids of deleted studies out again.
        """
        with self._lock:
            study = self._studies.pop(study_id, _StudyInfo())
            for number in study.trials:
                trial_id = self._study_id_and_number_to_trial_id.pop((study_id, number))
                self._trial_id_to_study_id_and_number.pop(trial_id, None)
                self.outdate(trial_id)

    def adopt(self, study_id: int, trial_ids: list[int]) -> list[FrozenTrial]:
        """Read claimed trials into the cache, without which Optuna refuses to write to them.

        Args:
            study_id: The study of the trials.
            trial_ids: The trials, all of this study.

        Returns:
            The trials, in the order given.
        """
        with self.reading() as connection:
            trials = read_trials(connection, study_id, trial_ids)
        with self._lock:
            self._studies.setdefault(study_id, _StudyInfo())
            self._add_trials_to_cache(study_id, trials)
        self._known.update(trial_ids)
        return trials

    def _read_trials_from_remote_storage(self, study_id: int) -> None:
        self.read_new(study_id, known=())

    def read_new(self, study_id: int, known: Container[int]) -> None:
        """Read into the cache what is new of a study, but for trials of `known` that still run."""
        if self._sees_waiting:
            with self._transactions.plain():
                super()._read_trials_from_remote_storage(study_id)
            return
        with self._lock:
            study = self._studies.setdefault(study_id, _StudyInfo())
            # All trials up to the frontier are finished and in the cache: only later ones can
            # have changed. Optuna's own bookkeeping assumes that no trial before the last
            # finished one is still to be discovered, which a queue breaks.
            started, frontier = self._started_after(study_id, study.last_finished_trial_id)
            unread = [
                i
                for i, state in started
                if self._get_cached_trial(i) is None
                and not (state is TrialState.RUNNING and i in known)
            ]
            if unread:
                with self.reading() as connection:
                    trials = read_trials(connection, study_id, unread)
                self._add_trials_to_cache(study_id, trials)
            study.last_finished_trial_id = frontier

    def _started_after(
        self, study_id: int, frontier: int
    ) -> tuple[list[tuple[int, TrialState]], int]:
        """Return the started trials after `frontier`, and the frontier for the next call."""
        of_study = (TRIALS.c.study_id == study_id) & (TRIALS.c.trial_id > frontier)
        first_unfinished = sqlalchemy.select(sqlalchemy.func.min(TRIALS.c.trial_id)).where(
            of_study, TRIALS.c.state.in_(UNFINISHED)
        )
        # One statement sees one moment: a trial that is created and starts between two would be
        # taken for finished, and never be read again.
        started = sqlalchemy.select(
            TRIALS.c.trial_id, TRIALS.c.state, first_unfinished.scalar_subquery()
        ).where(of_study, TRIALS.c.state.in_(STARTED))
        with self.reading() as connection:
            rows = sorted(connection.execute(started).all(), key=lambda row: row.trial_id)
        done = [i for i, _, first in rows if first is None or i < first]
        return [(i, state) for i, state, _ in rows], done[-1] if done else frontier


class _Transactions:
    """How a transaction begins, on an engine of SQLite; a no-op elsewhere.

    A deferred transaction of SQLite that reads first and writes later works on what it read before
    another process wrote: 8 workers took 28 to 52 of 120 queued trials twice. `BEGIN IMMEDIATE`
    takes the lock at once; a transaction that only reads needs none.
    """

    def __init__(self, engine: sqlalchemy.Engine, *, writes: bool) -> None:
        self._local = threading.local()
        self._writes = writes
        if engine.dialect.name == "sqlite":
            event.listen(engine, "connect", _set_up_sqlite)
            event.listen(engine, "begin", self._begin)
            engine.dispose()  # connections made before the listeners

    @contextmanager
    def plain(self) -> Iterator[None]:
        """Let transactions of this thread begin without the write lock."""
        outer = getattr(self._local, "plain", False)
        self._local.plain = True
        try:
            yield
        finally:
            self._local.plain = outer

    def _begin(self, connection: sqlalchemy.Connection) -> None:
        plain = not self._writes or getattr(self._local, "plain", False)
        connection.exec_driver_sql("BEGIN" if plain else "BEGIN IMMEDIATE")


def create_storage(url: str, *, waiting: bool = True, writes: bool = True) -> TrialStorage:
    """Open the storage at `url`, and create its tables where it is new.

    Args:
        url: A SQLAlchemy URL, `sqlite:///hpo.db` or `postgresql+psycopg://user@host/database`.
        waiting: Whether waiting trials are read, as Optuna does. A worker says False.
        writes: Whether transactions are begun to write. What mostly reads (status, export, the
            dashboard) says False, never makes workers on a SQLite file wait, and makes no file.

    Returns:
        An Optuna storage.

    Raises:
        ValueError: `url` is no URL of a database that this can open.
        FileNotFoundError: There is no such SQLite file, and `writes` is False.
        ConnectionError: The database does not answer, or refuses.
        RuntimeError: The tables were made by an Optuna version whose schema differs.
    """
    parsed = _parse(url)
    if not writes and parsed.get_backend_name() == "sqlite":
        _check_is_there(parsed)
    options: dict[str, Any] = {"connect_args": {"timeout": BUSY_TIMEOUT}}
    if parsed.get_backend_name() == "postgresql":
        # Heartbeats are compared by the database's clock, in one time zone whatever the client's.
        given = parsed.query.get("options", "")
        own = f"{given if isinstance(given, str) else ' '.join(given)} -c timezone=utc"
        options = {
            "pool_pre_ping": True,
            "connect_args": {
                **{key: value for key, value in LIVELINESS.items() if key not in parsed.query},
                "options": own.strip(),
            },
        }
    for attempt in range(1, OPEN_ATTEMPTS + 1):
        try:
            return _open(parsed, options, waiting=waiting, writes=writes)
        except (exc.DBAPIError, StorageInternalError) as error:
            if attempt == OPEN_ATTEMPTS or not _is_creation_race(error):
                # `from None`: the chain of a driver's errors may hold the password.
                raise ConnectionError(
                    f"Expected a database that answers. Received: storage={masked_url(url)} "
                    f"({_first_line(error)}). Check the URL, the server and the rights."
                ) from None
            time.sleep(random.uniform(0.05, 0.5))
    raise AssertionError("unreachable: the last attempt returns or raises")


def _open(
    url: sqlalchemy.URL, options: dict[str, Any], *, waiting: bool, writes: bool
) -> TrialStorage:
    # RDBStorage formats the URL as a template; SQLAlchemy writes braces as %7B and %7D.
    backend = RDBStorage(url.render_as_string(hide_password=False), dict(options))
    storage = TrialStorage(backend, sees_waiting=waiting, writes=writes)
    QUEUE_INDEX.create(storage.engine, checkfirst=True)
    create_workers_table(storage.engine)
    return storage


def masked_url(url: str) -> str:
    """Return `url` with its password replaced by `***`, to print or to log.

    Raises:
        ValueError: `url` is not a URL.
    """
    parsed = _parse(url)
    secrets = {key: "***" for key in parsed.query if "password" in key.lower()}
    shown = parsed.update_query_dict(secrets).render_as_string(hide_password=True)
    return shown.replace("%2A%2A%2A", "***")


def _parse(url: str) -> sqlalchemy.URL:
    expected = "Expected a URL such as sqlite:///hpo.db or postgresql+psycopg://user@host/database."
    parsed, problem = None, "storage without a scheme"
    try:
        parsed = sqlalchemy.make_url(url)
    except exc.ArgumentError:
        pass
    except ValueError:
        problem = "a port that is no number; an @ in a password is written %40"
    if parsed is not None and "@" in (parsed.host or ""):
        parsed, problem = None, "a host with an @; one in a password is written %40"
    if parsed is None:
        # Outside of `except`, and without the text: a mistyped URL and the errors about it may
        # hold a password.
        raise ValueError(f"{expected} Received: {problem}.")
    if parsed.get_backend_name() == "sqlite":
        _check_sqlite(parsed)
    elif parsed.drivername == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in DRIVERS:
        raise ValueError(f"{expected} Received: scheme={parsed.drivername!r}.")
    return parsed


def _check_sqlite(url: sqlalchemy.URL) -> None:
    memory = ":memory:" in str(url.database) or url.query.get("mode") == "memory"
    if memory or not url.database:
        raise ValueError(
            "Expected a file, since workers are processes of their own. "
            "Received: an in-memory SQLite database. Use sqlite:///hpo.db."
        )
    folder = Path(str(url.database)).absolute().parent
    if not folder.is_dir():
        raise ValueError(f"Expected an existing folder. Received: {str(folder)!r}. Create it.")


def _check_is_there(url: sqlalchemy.URL) -> None:
    if not Path(str(url.database)).exists():
        raise FileNotFoundError(
            f"Expected a storage that is there. Received: {url.render_as_string()}. "
            "Make a study in it first, or give another with --storage."
        )


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    connection.isolation_level = None  # the driver must not begin transactions by itself
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
        connection.execute(f"PRAGMA {pragma}")


def _is_creation_race(error: Exception) -> bool:
    text = str(error).lower()
    return any(sign in text for sign in ("already exists", "unique", "duplicate", "locked"))


def _first_line(error: Exception) -> str:
    cause = error.orig if isinstance(error, exc.DBAPIError) else error.__cause__ or error
    return (str(cause).strip() or type(cause).__name__).splitlines()[0]
