"""How many trials a worker claims: as many as train at once, up to its share and its limit."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from optuna.trial import FrozenTrial

from storage import cause_of
from studies.worker.database_retry import RetryingDatabase
from studies.worker.log import WorkerLog
from studies.worker.open_studies import OpenStudy


class Claims:
    """Claims trials, and counts them.

    Args:
        database: The storage.
        log: The worker's log.
        max_trials: How many this worker may claim in all; None for no limit.
        grace: Seconds of silence after which a worker is taken for lost.

    Attributes:
        taken: How many trials were claimed.
    """

    def __init__(
        self, database: RetryingDatabase, log: WorkerLog, *, max_trials: int | None, grace: float
    ) -> None:
        self.taken = 0
        self._database = database
        self._log = log
        self._max_trials = max_trials
        self._grace = grace
        self._stint: tuple[int, float] | None = None  # id of the study worked on, and since when

    @property
    def is_exhausted(self) -> bool:
        """Whether this worker has claimed all that it may."""
        return self.taken == self._max_trials

    def take(
        self, study: OpenStudy, n: int, like: Mapping[str, Any] | None = None
    ) -> list[FrozenTrial]:
        """Claim up to `n` trials that can train side by side, and leave some for other workers.

        Args:
            study: Their study.
            n: How many train at once.
            like: Parameters that they must have.

        Returns:
            None of them where nothing is left, or can be claimed yet.
        """
        if self._max_trials is not None:
            n = min(n, self._max_trials - self.taken)
        if study.plan is not None:
            self._database.queue_round(study.id, study.plan)
        if n > 1:
            left = self._database.count_claimable(study.id)
            seen = self._database.workers_seen()
            workers = sum(worker.silent_for < self._grace for worker in seen)
            n = n if left is None else min(n, -(-left // max(1, workers)))
        if n < 1:
            return []
        if self._stint is not None and self._stint[0] != study.id:
            self.leave()
        worked_for = self._worked_for()
        claimed = self._database.claim(
            study.id, n, study.definition.structural_factors, like, worked_for
        )
        if claimed and self._stint is None:
            self._stint = study.id, time.monotonic()
        self.taken += len(claimed)
        for trial in claimed:
            self._log.info("claimed", study=study.name, trial=trial.number)
        return claimed

    def leave(self) -> None:
        """Count the time spent on the study that the worker leaves: none of its trials is left."""
        if self._stint is None:
            return
        worked_for, (study_id, _) = self._worked_for(), self._stint
        self._stint = None
        try:
            self._database.count_time(study_id, worked_for)
        except KeyError:
            pass  # the study was deleted
        except Exception as error:  # must not hide why the worker ends
            self._log.warning("its last seconds are not counted: %s", cause_of(error))

    def _worked_for(self) -> float:
        # A clock that stands still while a laptop sleeps.
        return 0.0 if self._stint is None else time.monotonic() - self._stint[1]
