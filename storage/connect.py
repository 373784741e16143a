"""Open a storage by its URL, and create its tables.

`create_storage` returns an Optuna storage (it passes Optuna's own `StorageTestCase`) on Optuna's
own tables, so that `optuna-dashboard URL` and `optuna trials` read it with nothing extra. This
package adds one index and one table (tables.py).
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path
from urllib.parse import quote

import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import RDBStorage
from sqlalchemy import exc

from storage.database import engine_options, sqlite_path
from storage.errors import (
    DatabaseNotFoundError,
    DatabaseUnreachableError,
    InvalidUrlError,
    SchemaError,
)
from storage.optuna_internals import open_rdb_storage
from storage.outages import PatientStorage, cause_of, is_outage
from storage.study_reader import StudyReader
from storage.tables import (
    check_tables,
    create_additions,
    create_optuna_tables,
    has_optuna_tables,
)
from storage.trial_storage import TrialStorage

DRIVERS = ("sqlite", "sqlite+pysqlite", "postgresql+psycopg")
# Words in the error of a driver as it connects: waiting mends none of these faults.
NEEDS_A_PERSON = (
    "authentication failed",
    "certificate",
    "does not exist",
    "does not support ssl",
    "invalid sslmode",
    "no password supplied",
    "not permitted to log in",
    "permission denied",
    "pg_hba.conf",
    "readonly database",
    "unable to open database file",
    "unrecognized configuration parameter",
)
OPEN_ATTEMPTS = 10  # several processes may create the tables of a new storage at once


def create_storage(
    url: str, *, waiting: bool = True, writes: bool = True, patient: bool = False
) -> TrialStorage:
    """Open the storage at `url`, and create its tables where it is new.

    Args:
        url: A SQLAlchemy URL, `sqlite:///hpo.db` or `postgresql+psycopg://user@host/database`.
        waiting: Whether waiting trials are read, as Optuna does. A worker passes False.
        writes: Whether SQLite transactions take the write lock when they begin. Programs that
            mostly read (status, export, the dashboard) pass False: they never make workers wait,
            and create no file and no table.
        patient: Whether Optuna's methods wait for a database that is away, once it is open.

    Returns:
        An Optuna storage.

    Raises:
        InvalidUrlError: `url` is not the URL of a database that this package can open.
        DatabaseNotFoundError: There is no such SQLite file, or it has no tables of Optuna, and
            `writes` is False.
        DatabaseUnreachableError: The database does not answer, or refuses the connection.
        SchemaError: The tables were made by an Optuna version with another schema, or the database
            is another program's.
    """
    parsed = _parse(url)
    if not writes and parsed.get_backend_name() == "sqlite":
        _check_exists(parsed)
        parsed = _for_reading(parsed)
    elif parsed.get_backend_name() == "sqlite":
        _check_writable(parsed)
    for attempt in range(1, OPEN_ATTEMPTS + 1):
        try:
            return _open(parsed, waiting=waiting, writes=writes, patient=patient)
        except (exc.DBAPIError, StorageInternalError) as error:
            if attempt == OPEN_ATTEMPTS or not _is_creation_race(error):
                # `from None`: the chain of a driver's errors may hold the password.
                raise _unreachable(url, error) from None
            time.sleep(random.uniform(0.05, 0.5))
    raise AssertionError("unreachable: the last attempt returns or raises")


def _open(url: sqlalchemy.URL, *, waiting: bool, writes: bool, patient: bool) -> TrialStorage:
    # The tables first, by an engine of their own: Optuna's needs them in its constructor.
    engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool, **engine_options(url))
    check_tables(engine)
    if writes:
        create_optuna_tables(engine)
    elif not has_optuna_tables(engine):
        raise _not_there(url)
    kind = PatientStorage if patient else TrialStorage
    storage = kind(_backend(url), sees_waiting=waiting, writes=writes)
    if writes:
        create_additions(storage.engine)
    return storage


def _backend(url: sqlalchemy.URL) -> RDBStorage:
    # RDBStorage formats the URL as a template; SQLAlchemy writes braces as %7B and %7D.
    template = url.render_as_string(hide_password=False)
    try:
        return open_rdb_storage(StudyReader, template, engine_options(url))
    except RuntimeError as error:
        raise SchemaError(str(error)) from error


def check_exists(url: str) -> None:
    """Check that a SQLite file is a storage; a server is not asked.

    Raises:
        InvalidUrlError: `url` is not the URL of a database that this package can open.
        DatabaseNotFoundError: There is no such SQLite file, or it has no tables of Optuna.
    """
    if _parse(url).get_backend_name() == "sqlite":
        create_storage(url, writes=False).engine.dispose()


def masked_url(url: str) -> str:
    """Return `url` with its password replaced by `***`, to print or to log.

    Raises:
        InvalidUrlError: `url` is not the URL of a database that this package can open.
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
        # Outside `except`, and without the text: a mistyped URL and the errors about it may hold a
        # password.
        raise InvalidUrlError(f"{expected} Received: {problem}.")
    if parsed.get_backend_name() == "sqlite":
        _check_sqlite(parsed)
    elif parsed.drivername == "postgresql":
        return parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in DRIVERS:
        raise InvalidUrlError(f"{expected} Received: scheme={parsed.drivername!r}.")
    return parsed


def _check_sqlite(url: sqlalchemy.URL) -> None:
    memory = ":memory:" in str(url.database) or url.query.get("mode") == "memory"
    if memory or not url.database:
        raise InvalidUrlError(
            "Expected a file, since workers are processes of their own. "
            "Received: an in-memory SQLite database. Use sqlite:///hpo.db."
        )
    folder = Path(str(url.database)).absolute().parent
    if not folder.is_dir():
        raise InvalidUrlError(f"Expected an existing folder. Received: {str(folder)!r}. Create it.")


def _check_exists(url: sqlalchemy.URL) -> None:
    if not sqlite_path(url).exists():
        raise _not_there(url)


def _check_writable(url: sqlalchemy.URL) -> None:
    # SQLite would open it to read, and a worker would take its first refusal for an outage.
    path = sqlite_path(url)
    if path.exists() and not os.access(path, os.W_OK):
        refused = PermissionError("no right to write to the file")
        raise _unreachable(url.render_as_string(hide_password=False), refused)


def _not_there(url: sqlalchemy.URL) -> DatabaseNotFoundError:
    return DatabaseNotFoundError(
        "Expected a storage that is there. "
        f"Received: {masked_url(url.render_as_string(hide_password=False))}. "
        "Give another with --storage; the first study that is created makes one."
    )


def _for_reading(url: sqlalchemy.URL) -> sqlalchemy.URL:
    """Return a URL by which a SQLite file can be read in a folder where no file can be made.

    In its write-ahead mode SQLite needs two files beside the database, even to read it, and makes
    them where they are missing. Where it may not, a missing file also means that nobody writes:
    SQLite is told that the database does not change.
    """
    path = sqlite_path(url)
    ahead = [path.with_name(f"{path.name}{ending}") for ending in ("-wal", "-shm")]
    if os.access(path.parent, os.W_OK) or any(map(Path.exists, ahead)):
        return url
    return url.set(
        database=f"file:{quote(str(path))}", query={**url.query, "immutable": "1", "uri": "true"}
    )


def _is_creation_race(error: Exception) -> bool:
    text = str(error).lower()
    return any(sign in text for sign in ("already exists", "unique", "duplicate", "locked"))


def _unreachable(url: str, error: Exception) -> DatabaseUnreachableError:
    cause = cause_of(error)
    unreachable = DatabaseUnreachableError(
        f"Expected a database that answers. Received: storage={masked_url(url)} ({cause}). "
        "Check the URL, the server and the rights."
    )
    unreachable.cause = cause
    unreachable.may_pass = is_outage(error) and not any(
        sign in cause.lower() for sign in NEEDS_A_PERSON
    )
    return unreachable
