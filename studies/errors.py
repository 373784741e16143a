"""The errors of this service: all that a caller may want to catch, under one base.

Each is a built-in error too, so that code which catches `ValueError` or `KeyError` goes on working.
The errors of `storage` and `objectives` are turned into these at the public functions of `studies`,
see studies/error_translation.py.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from signal import Signals
from typing import Any


class HpoError(Exception):
    """The base of all errors that this service raises on purpose."""

    def __str__(self) -> str:
        """Return the message; a `KeyError` would show it in quotes."""
        return str(self.args[0]) if self.args else type(self).__name__


class DefinitionError(HpoError, ValueError):
    """A line of a study's definition breaks a rule; the message begins with the line's key.

    Args:
        key: The line's key; empty where no key can be read.
        message: The rule, and what was received.
        place: File and line, where they are known.
        others: Mistakes of other lines that were found with it, each a line of the message.
    """

    def __init__(
        self, key: str, message: str, place: str = "", others: Iterable[DefinitionError] = ()
    ) -> None:
        self.key, self.message, self.place, self.others = key, message, place, tuple(others)
        own = ": ".join(filter(None, (place, key, message)))
        super().__init__("\n".join([own, *map(str, self.others)]))

    def each(self) -> list[DefinitionError]:
        """Return the mistakes one by one."""
        return [DefinitionError(self.key, self.message, self.place), *self.others]

    def changed(self, change: Callable[[DefinitionError], DefinitionError]) -> DefinitionError:
        """Return this error with each of its mistakes changed."""
        return together([change(mistake) for mistake in self.each()])


def together(errors: Iterable[DefinitionError]) -> DefinitionError:
    """Return one error of the mistakes of several, each of them once."""
    first, *others = {
        str(mistake): mistake for error in errors for mistake in error.each()
    }.values()
    return DefinitionError(first.key, first.message, first.place, others)


class Mistakes:
    """Collects the mistakes of a definition, so that they are told together."""

    def __init__(self) -> None:
        self._found: list[DefinitionError] = []

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Note a mistake, and go on after the block."""
        try:
            yield
        except DefinitionError as error:
            self._found.append(error)

    def tell(self) -> None:
        """Raise what was noted, if anything was.

        Raises:
            DefinitionError: There are mistakes.
        """
        if self._found:
            raise together(self._found) from None


class CodeError(HpoError, ValueError):
    """A user's code is not there, lacks the function, or is not what its study was made with."""


class TakenNameError(HpoError, ValueError):
    """Another study has this name."""


class StudyNotFoundError(HpoError, KeyError):
    """There is no such study in the storage, or it was not made by this service."""


class DefinitionNotFoundError(HpoError, FileNotFoundError):
    """There is no such study in the catalogue, and no such file."""


class TrialNotFoundError(HpoError, KeyError):
    """The study has no trial with this number."""


class TrialNotFailedError(HpoError, ValueError):
    """The trial has not failed, or was queued again already."""


class NotRepeatableError(HpoError, ValueError):
    """The trial cannot be made again: it has not ended, was not trained, or its data are others."""


class NoCompleteTrialError(HpoError, ValueError):
    """No trial of the study is complete, so that there is no best one."""


class AnswerError(HpoError, ValueError):
    """What is asked of the results of studies has no answer: too few of them, or not finite."""


class NetworkNotKeptError(HpoError, FileNotFoundError):
    """The trained network of a trial was never kept, or deleted for a better trial's."""


class FileFormatError(HpoError, ValueError):
    """The ending of a file's name stands for no format that can be written."""


class FolderError(HpoError, FileNotFoundError):
    """The folder of a file that is to be written is not there, or nobody may write to it."""


class SettingError(HpoError, ValueError):
    """A name or a value with which no network can be trained."""


class DataError(HpoError, ValueError):
    """A data set is not what it should be, or cannot be split as asked."""


class DataNotFoundError(HpoError, FileNotFoundError):
    """A data set has no file here and cannot be downloaded."""


class RenderingError(HpoError, RuntimeError):
    """Clocks could not be rendered, for instance because the disk is full."""


class DatabaseError(HpoError):
    """The base of all errors of the database."""


class DatabaseUrlError(DatabaseError, ValueError):
    """The text is not the URL of a database that this service can open."""


class DatabaseNotFoundError(DatabaseError, FileNotFoundError):
    """The SQLite file does not exist, or not any more."""


class DatabaseConnectionError(DatabaseError, ConnectionError):
    """The database does not answer, or refuses the connection."""


class DatabaseSchemaError(DatabaseError, RuntimeError):
    """The tables were made by an Optuna version with another schema, or by another program."""


class LaunchError(HpoError, RuntimeError):
    """A worker process could not do its work; the message is its last error."""


class WorkerError(HpoError, RuntimeError):
    """The worker cannot do its work: the message says why, and the remedy."""


class ExecutorError(HpoError, RuntimeError):
    """The child process that trains did not do what it was asked."""


class ExecutorDiedError(ExecutorError):
    """The child ended in the middle of a request: a crash, or killed for want of memory.

    Attributes:
        signal: The signal that ended it, if one did.
        exit_code: Its exit code, if it ended by itself.
    """

    def __init__(
        self, message: str, *, signal: Signals | None = None, exit_code: int | None = None
    ) -> None:
        super().__init__(message)
        self.signal = signal
        self.exit_code = exit_code


class ExecutorStoppedError(ExecutorError):
    """The worker was told to stop while it waited for the child."""


class ExecutorTimeoutError(ExecutorError):
    """A trial took longer than its study's `trial_timeout`; the child was ended with it."""


class TrialError(ExecutorError):
    """The request raised an exception in the child.

    Attributes:
        name: The exception's class with its module, as `sqlalchemy.exc.OperationalError`.
        traceback: Its traceback, as text.
        raised_by_storage: Whether the service's own storage raised it, since its database is away.
        attributes: What repeats the trial of a function that raised it: device, hashes of its code.
    """

    def __init__(
        self,
        name: str,
        message: str,
        traceback: str,
        *,
        raised_by_storage: bool = False,
        attributes: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.name = name
        self.traceback = traceback
        self.raised_by_storage = raised_by_storage
        self.attributes = dict(attributes or {})

    @property
    def class_name(self) -> str:
        """The name of the exception's class alone."""
        return self.name.rpartition(".")[2]
