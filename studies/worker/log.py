"""A worker's log lines: each begins with the worker, and the study and trials that it tells of."""

from __future__ import annotations

import logging
from collections.abc import Iterable

logger = logging.getLogger("studies.worker")


class WorkerLog:
    """Writes `worker=... study=... trial=...` in front of each line.

    Args:
        worker: The name of the worker.
    """

    def __init__(self, worker: str) -> None:
        self._worker = worker
        self._study: str | None = None
        self._trials: tuple[int, ...] = ()

    def begin(self, study: str | None, trials: Iterable[int] = ()) -> None:
        """Set the study and trials of later lines that name none."""
        self._study, self._trials = study, tuple(trials)

    def info(
        self, message: str, *arguments: object, study: str | None = None, trial: int | None = None
    ) -> None:
        """Log an event that is expected."""
        self._log(logging.INFO, message, arguments, study, trial)

    def warning(
        self, message: str, *arguments: object, study: str | None = None, trial: int | None = None
    ) -> None:
        """Log an event that may need a person."""
        self._log(logging.WARNING, message, arguments, study, trial)

    def _log(
        self,
        level: int,
        message: str,
        arguments: tuple[object, ...],
        study: str | None,
        trial: int | None,
    ) -> None:
        trials = self._trials if trial is None else (trial,)
        parts = {
            "worker": self._worker,
            "study": study or self._study,
            "trial": ",".join(map(str, trials)),
        }
        context = " ".join(f"{key}={value}" for key, value in parts.items() if value)
        logger.log(level, f"%s {message}", context, *arguments)
