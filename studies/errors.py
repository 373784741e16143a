"""The errors of this service: all that a caller may want to catch, under one base.

Each is a built-in error too, so that code which catches `ValueError` or `KeyError` goes on working.
"""

from __future__ import annotations


class HpoError(Exception):
    """The base of all errors that this service raises on purpose."""

    def __str__(self) -> str:
        """Return the message; a `KeyError` would show it in quotes."""
        return str(self.args[0]) if self.args else type(self).__name__


class DefinitionError(HpoError, ValueError):
    """A line of a study's definition breaks a rule; the message begins with the line's key."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}")


class TakenNameError(HpoError, ValueError):
    """Another study has this name."""


class StudyNotFoundError(HpoError, KeyError):
    """There is no such study in the storage, or it was not made by this service."""


class LaunchError(HpoError, RuntimeError):
    """A worker process could not do its work; the message is its last error."""


class WorkerError(HpoError, RuntimeError):
    """The worker cannot do its work: the message says why, and the remedy."""
