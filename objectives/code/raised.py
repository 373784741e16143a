"""Tell in one line what a user's function has raised, and in which line of it."""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable
from pathlib import Path
from traceback import extract_tb
from types import TracebackType
from typing import Any


class ExitError(Exception):
    """A user's code has called `sys.exit`, which would end the process that called it."""


class ExitsRaised:
    """A context in which `sys.exit` is an error with its words; it still ends a fork made inside.

    No generator: its frames would come before those of the user's code in a traceback.

    Raises:
        ExitError: It was called.
    """

    def __enter__(self) -> None:
        """Note which process this is."""
        self._owner = os.getpid()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Turn what ends this process into an error."""
        if isinstance(error, SystemExit) and os.getpid() == self._owner:
            words = "" if error.code is None else repr(error.code)
            raise ExitError(f"sys.exit({words})").with_traceback(trace) from None


def raised(function: Callable[..., Any], error: Exception) -> str:
    """Return the error's class and its first line, with the last line of the function's file."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    file = getattr(code, "co_filename", None)
    own = [frame for frame in extract_tb(error.__traceback__) if frame.filename == file]
    place = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    reason = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {reason}{place}"
