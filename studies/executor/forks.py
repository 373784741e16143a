"""Forks of a user's function: they end where they would go on as the process that forked them."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def forks_end_here() -> Iterator[None]:
    """End each fork made inside that comes to the end of the block, returning or raising.

    It would serve the worker as a second child of the same pipes, and end trials that it never had.
    """
    owner = os.getpid()
    try:
        yield
    except BaseException as error:
        if os.getpid() != owner:
            _end(error)
        raise
    if os.getpid() != owner:
        _end(None)


def _end(error: BaseException | None) -> None:
    """End this fork as Python ends a program, but leave open what it shares with its origin."""
    if error is None or (isinstance(error, SystemExit) and error.code is None):
        code = 0
    elif isinstance(error, SystemExit) and isinstance(error.code, int):
        code = error.code
    else:
        code = 1
        traceback.print_exception(error)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code & 0xFF)
