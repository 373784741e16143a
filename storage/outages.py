"""Wait for a database that does not answer: a restart of a server must cost nobody their trials."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError

from storage.errors import DatabaseUnreachableError
from storage.trial_storage import TrialStorage

FIRST_PAUSE = 0.5  # seconds; doubled at each attempt
LONGEST_PAUSE = 30.0  # seconds
POLL = 0.2  # seconds between two checks whether to wait no longer
LONGEST_OUTAGE = 600.0  # seconds: a restart of a server, not its end
# Classes of errors. An outage is one of these; `is_outage` tells which of their errors are one.
AWAY = (
    OperationalError,
    InterfaceError,
    InternalError,
    StorageInternalError,
    DatabaseUnreachableError,
)
READ_ONLY = "25006"  # SQLSTATE of a server that another has taken over from
T = TypeVar("T")
logger = logging.getLogger(__name__)


def wait_for_database(
    action: Callable[[], T],
    stopping: Callable[[], bool] = lambda: False,
    warn: Callable[..., None] = logger.warning,
) -> T:
    """Do something with the database, again and again while it does not answer.

    Args:
        action: What to do; doing it twice must be the same as doing it once.
        stopping: Whether to wait no longer.
        warn: Logs that the database does not answer, with the cause, and when it answers again.

    Returns:
        What `action` returns.

    Raises:
        OperationalError: The database did not answer for ten minutes, or until told to stop.
        StorageInternalError: The same, as Optuna wraps it.
        DatabaseUnreachableError: The same, where a storage is opened.
    """
    began, pause, is_away = time.monotonic(), FIRST_PAUSE, False
    while True:
        try:
            result = action()
        except AWAY as error:
            waited = time.monotonic() - began
            if stopping() or waited > LONGEST_OUTAGE or not is_outage(error):
                raise
            warn("the database does not answer, trying again in %g s: %s", pause, cause_of(error))
            is_away = True
        else:
            if is_away:
                warn("the database answers again after %.1f s", time.monotonic() - began)
            return result
        _sleep(pause, stopping)
        pause = min(2 * pause, LONGEST_PAUSE)


def is_outage(error: BaseException) -> bool:
    """Tell whether an error may pass by itself; others are the fault of what was asked."""
    cause = error.__cause__ if isinstance(error, StorageInternalError) else error
    if isinstance(cause, DatabaseUnreachableError):
        return cause.may_pass
    if isinstance(cause, InternalError):
        return getattr(cause.orig, "sqlstate", None) == READ_ONLY
    return isinstance(cause, OperationalError | InterfaceError)


def cause_of(error: BaseException) -> str:
    """Return in one line what the database, or its driver, says is wrong."""
    cause: Any = error.__cause__ if isinstance(error, StorageInternalError) else error
    cause = cause.orig if isinstance(cause, DBAPIError) else getattr(cause, "cause", "") or cause
    return next(iter(str(cause).strip().splitlines()), type(cause).__name__)


class PatientStorage(TrialStorage):
    """A storage whose methods wait for the database themselves.

    For the function of a user, whose trial reports by itself: an outage that a worker waits for
    must not fail what it executes.
    """


# Optuna's methods that may be repeated: an outage may come after the work and before the answer,
# so the effect must be the same twice as once.
_REPEATABLE = (
    "get_all_studies",
    "get_all_trials",
    "get_best_trial",
    "get_n_trials",
    "get_study_directions",
    "get_study_id_from_name",
    "get_study_name_from_id",
    "get_study_system_attrs",
    "get_study_user_attrs",
    "get_trial",
    "get_trial_id_from_study_id_trial_number",
    "get_trial_number_from_id",
    "get_trial_param",
    "get_trial_params",
    "get_trial_system_attrs",
    "get_trial_user_attrs",
    "set_study_system_attr",
    "set_study_user_attr",
    "set_trial_intermediate_value",
    "set_trial_param",
    "set_trial_system_attr",
    "set_trial_user_attr",
)


def _patient(method: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(method)
    def wait(*arguments: Any, **named: Any) -> Any:
        return wait_for_database(lambda: method(*arguments, **named))

    return wait


for _name in _REPEATABLE:
    setattr(PatientStorage, _name, _patient(getattr(TrialStorage, _name)))


def _sleep(seconds: float, stopping: Callable[[], bool]) -> None:
    """Sleep until it is time or `stopping`: a signal does not cut Python's own sleep short."""
    until = time.monotonic() + seconds
    while not stopping() and (left := until - time.monotonic()) > 0:
        time.sleep(min(left, POLL))
