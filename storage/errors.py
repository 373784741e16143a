"""The errors that the storage raises on purpose, under one base.

Each is a built-in error too: code that catches `ValueError` or `KeyError` goes on working.
"""

from __future__ import annotations


class StorageError(Exception):
    """The base of all errors of the storage."""

    def __str__(self) -> str:
        """Return the plain message: `KeyError` alone would put it in quotes."""
        return str(self.args[0]) if self.args else type(self).__name__


class InvalidUrlError(StorageError, ValueError):
    """The text is not the URL of a database that this package can open."""


class DatabaseNotFoundError(StorageError, FileNotFoundError):
    """The SQLite file does not exist, or not any more."""


class DatabaseUnreachableError(StorageError, ConnectionError):
    """The database does not answer, or refuses the connection.

    Attributes:
        cause: What the driver says is wrong.
        may_pass: Whether it may be an outage, rather than a wrong URL or a missing right.
    """

    cause = ""
    may_pass = False


class SchemaError(StorageError, RuntimeError):
    """The tables were made by an Optuna version with another schema, or by another program."""


class StudyGoneError(StorageError, KeyError):
    """The study was deleted, or this service did not make it."""


class ArtifactNotKeptError(StorageError, FileNotFoundError):
    """The file of a trial was never kept, or was deleted for a better trial's."""
