"""Show the executor child's prints line by line: in the worker's log, marked as the child's.

Prints and warnings of a user's function are shown, even of one that is killed. Libraries' messages
about themselves are not: they ask nothing of a person who runs trials.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import warnings
from typing import BinaryIO

LIBRARIES = (
    "absl",
    "jax",
    "jaxlib",
    "keras",
    "matplotlib",
    "numpy",
    "optuna",
    "sklearn",
    "sqlalchemy",
    "tensorflow",
    "objectives",
    "storage",
    "studies",
)
LONGEST_LINE = 4096  # bytes; a longer one is shown in parts
CLOSING = 1.0  # seconds to wait for the last lines: processes it started may hold the pipe
_MARK = "\0trial "  # the child writes it before the lines of a trial
# Not of level F, the last message of a process that dies.
_OF_LIBRARIES = re.compile(
    r"[IWE]\d{4} [\d:.]+ +\d+ \S+:\d+\] "  # XLA and TensorFlow
    r"|\d{4}-\d\d-\d\d [\d:.]+: [IWE] \S+:\d+\] "  # the same in older versions
    r"|WARNING: All log messages before absl::InitializeLog"
    r"|To enable the following instructions: "
    r"|(INFO|WARNING):(absl|tensorflow):"  # Keras and TensorFlow, from Python
)
_REDRAWN = re.compile(r"[\r\b]+")  # a progress bar goes back to draw itself again
logger = logging.getLogger(__name__)


def begin_trial(number: int) -> None:
    """Mark, in the child, all later prints as those of a trial.

    The mark is sent through the same pipe, since the worker may read the lines much later.
    """
    os.write(2, f"\n{_MARK}{number}\n".encode())
    hide_library_warnings()  # changed filters make Python show a warning once again


def hide_library_warnings() -> None:
    """Ignore, in the child, warnings about the code of libraries and of this service."""
    for name in LIBRARIES:
        warnings.filterwarnings("ignore", module=rf"{name}(\.|$)")


class OutputLogger(threading.Thread):
    """Shows the lines of a pipe until no process holds its other end.

    Args:
        pipe: The end to read, which is closed at the end.
        logs: Whether the lines are logged; otherwise they go to this process's standard error.
    """

    def __init__(self, pipe: BinaryIO, *, logs: bool) -> None:
        super().__init__(name="output of the executor", daemon=True)
        self._pipe = pipe
        self._logs = logs
        self._origin = "executor"
        self.start()

    def run(self) -> None:
        """Show line by line."""
        with self._pipe as pipe:
            while line := pipe.readline(LONGEST_LINE):
                self._show(line.decode(errors="replace").rstrip())

    def finish(self) -> None:
        """Wait until the lines of a child that has ended are shown."""
        self.join(CLOSING)

    def _show(self, line: str) -> None:
        if line.startswith(_MARK):
            self._origin = f"trial {line.removeprefix(_MARK)}"
            return
        shown = [part for part in _REDRAWN.split(line) if part.strip()]
        if not shown or _OF_LIBRARIES.match(shown[-1]):
            return
        if self._logs:
            logger.info("[%s] %s", self._origin, shown[-1])
        else:
            sys.stderr.write(f"{shown[-1]}\n")
