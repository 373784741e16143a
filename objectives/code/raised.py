"""Tell in one line what a user's function has raised, and in which line of it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from traceback import extract_tb
from typing import Any


def raised(function: Callable[..., Any], error: Exception) -> str:
    """Return the error's class and its first line, with the last line of the function's file."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    file = getattr(code, "co_filename", None)
    own = [frame for frame in extract_tb(error.__traceback__) if frame.filename == file]
    place = f" ({Path(own[-1].filename).name}, line {own[-1].lineno})" if own else ""
    reason = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {reason}{place}"
