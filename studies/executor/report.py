"""What the child tells of an exception, and of numbers that JSON cannot say."""

from __future__ import annotations

import math
import traceback
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class ErrorReport:
    """An exception that a request raised in the child.

    Attributes:
        name: The exception's class with its module, as `sqlalchemy.exc.OperationalError`.
        message: Its message.
        traceback: Its traceback, as text.
        raised_by_storage: Whether the service's own storage raised it while a user's function ran,
            for want of an answer of the database and not for what the function asked of it.
        attributes: User attributes to record with the trial whose function raised it.
    """

    name: str
    message: str
    traceback: str
    raised_by_storage: bool = False
    attributes: dict[str, Any] = field(default_factory=dict)


def finite(value: float) -> float | None:
    """Return a number of an answer; None where it is infinite or not a number."""
    return value if math.isfinite(value) else None


def report_error(error: Exception, *, raised_by_storage: bool = False) -> ErrorReport:
    """Describe an exception for the worker."""
    text = "".join(traceback.format_exception(error))
    return ErrorReport(qualified_name(type(error)), str(error), text, raised_by_storage)


def qualified_name(kind: type) -> str:
    """Return the name of a class with its module; many libraries have an `OperationalError`."""
    return f"{kind.__module__}.{kind.__qualname__}"
