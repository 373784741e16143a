"""A copy of a SQLite file that is whole while workers write to it, by SQLite's own backup."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

from storage.errors import InvalidUrlError
from storage.trial_storage import TrialStorage


def backup(storage: TrialStorage, file: Path) -> None:
    """Copy the database to a file.

    A plain copy of a SQLite file lacks what was written last, which lies in another file beside it
    (-wal). This one is as the database was at one moment, and needs no other file.

    Args:
        storage: The storage, in a SQLite file.
        file: The copy to make, which must not exist.

    Raises:
        InvalidUrlError: The storage is on a server.
        FileExistsError: The file exists.
        OSError: The file cannot be written; no part of it is left.
    """
    if storage.engine.dialect.name != "sqlite":
        raise InvalidUrlError(
            "Expected a storage in a SQLite file. Received: one on a server. Use the server's own "
            "tool, such as pg_dump."
        )
    if file.exists():
        raise FileExistsError(f"Expected a file that is not there yet. Received: {str(file)!r}.")
    unfinished = file.with_name(f"{file.name}.unfinished")
    unfinished.unlink(missing_ok=True)  # of a backup that was killed
    try:
        _copy(storage, unfinished)
        os.replace(unfinished, file)
    except sqlite3.OperationalError as error:
        raise OSError(
            f"Expected a file that can be written. Received: {str(file)!r} ({error})."
        ) from None
    finally:
        for ending in ("", "-journal"):
            unfinished.with_name(unfinished.name + ending).unlink(missing_ok=True)


def _copy(storage: TrialStorage, target: Path) -> None:
    with (
        closing(storage.engine.raw_connection()) as pooled,
        closing(sqlite3.connect(target, isolation_level=None)) as copy,
    ):
        original: Any = pooled.driver_connection
        original.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file is all; who writes to it sets it anew
