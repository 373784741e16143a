"""Show what trials print while `hpo run` works: lines of its workers' logs, above the display."""

from __future__ import annotations

import os
import re
from pathlib import Path

import optuna
from rich.console import Console
from rich.text import Text

from studies.attributes import ARTIFACTS_KEY

_OF_TRIAL = re.compile(r"\S+ \S+ (\[trial \d+\] .*)")  # after the time of the log


class OutputFollower:
    """Reads on in the logs of the workers that this process has started.

    Args:
        study: Their study.
        console: Where the lines go.
    """

    def __init__(self, study: optuna.Study, console: Console) -> None:
        self._logs = Path(study.user_attrs[ARTIFACTS_KEY]) / "logs"
        self._console = console
        # In containers an earlier run often had the same process id, and so the same files.
        self._read = {log: log.stat().st_size for log in self._files()}  # bytes of each

    def show(self) -> None:
        """Print the lines that trials have printed since the last call."""
        for log in self._files():
            with log.open("rb") as file:
                file.seek(self._read.get(log, 0))
                whole, end, _ = file.read().rpartition(b"\n")
            self._read[log] = self._read.get(log, 0) + len(whole) + len(end)
            for line in whole.decode(errors="replace").splitlines():
                if found := _OF_TRIAL.fullmatch(line):
                    self._console.print(Text(found[1]), soft_wrap=True)

    def _files(self) -> list[Path]:
        return sorted(self._logs.glob(f"*-{os.getpid()}-*.log"))
