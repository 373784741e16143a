"""Wait for a database that is away for a while, instead of losing the trial that is at hand."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TypeVar

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import InterfaceError, InternalError, OperationalError

FIRST_PAUSE = 0.5  # seconds; doubled at each attempt
LONGEST_PAUSE = 30.0  # seconds
POLL = 0.2  # seconds between two looks at whether the worker was told to stop
PATIENCE = 600.0  # seconds in all: a restart of a server, not its end
AWAY = (OperationalError, InterfaceError, InternalError, StorageInternalError)  # raised of one
READ_ONLY = "25006"  # SQLSTATE of a server that another has taken over from
T = TypeVar("T")
logger = logging.getLogger(__name__)


def patiently(action: Callable[[], T], stopping: Callable[[], bool]) -> T:
    """Do something with the database, again and again while it does not answer.

    Args:
        action: What to do; doing it twice must be the same as doing it once.
        stopping: Whether the worker was told to stop, and should wait no longer.

    Returns:
        What `action` returns.

    Raises:
        OperationalError: The database did not answer for ten minutes, or until told to stop.
        StorageInternalError: The same, in Optuna's words.
    """
    pause, until = FIRST_PAUSE, time.monotonic() + PATIENCE
    while True:
        try:
            return action()
        except AWAY as error:
            if stopping() or time.monotonic() > until or not _is_passing(error):
                raise
            logger.warning("the database does not answer, trying again in %g s", pause)
        _sleep(pause, stopping)
        pause = min(2 * pause, LONGEST_PAUSE)


def _sleep(seconds: float, stopping: Callable[[], bool]) -> None:
    """Sleep until it is time or `stopping`: a signal does not cut Python's own sleep short."""
    until = time.monotonic() + seconds
    while not stopping() and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, POLL))


def _is_passing(error: Exception) -> bool:
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    if isinstance(cause, InternalError):
        return getattr(cause.orig, "sqlstate", None) == READ_ONLY
    return isinstance(cause, OperationalError | InterfaceError)
