"""The storage that `create_storage` returns: a worker may leave the waiting trials unread."""

from __future__ import annotations

from collections.abc import Container

import optuna
import sqlalchemy
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial, TrialState

from storage.batched_storage import BatchedStorage
from storage.optuna_internals import base_storage
from storage.read_trials import read_trials
from storage.rows import STARTED, UNFINISHED
from storage.tables import TRIALS


class TrialStorage(BatchedStorage):
    """Optuna's cached SQL storage, with batches, transactions and a view without waiting trials.

    Args:
        backend: The SQL storage to work on.
        sees_waiting: Whether waiting trials are read. Samplers and pruners need started trials
            only, but Optuna reads every unfinished row for them on each call: 10,000 waiting rows
            make one suggestion take 2 s. Workers therefore open the storage with False, and the
            cost of a trial does not grow with the number of waiting ones.
        writes: Whether a SQLite transaction takes the write lock when it begins.
    """

    def __init__(self, backend: RDBStorage, *, sees_waiting: bool, writes: bool) -> None:
        super().__init__(backend, writes=writes)
        self._sees_waiting = sees_waiting

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """Read as Optuna does, but without the write lock: 20,000 trials held it for 6 s."""
        with self.without_write_lock():
            return super().get_all_trials(study_id, deepcopy, states)

    def forget(self, study_id: int) -> None:
        """Drop a study from the cache: it was deleted, or finished trials of it have changed.

        A new study may get the id of a deleted one: SQLite files that Optuna made give ids out
        again.
        """
        for trial_id in self.drop_cached(study_id):
            self.outdate(trial_id)
        self._parts.pop(study_id, None)

    def adopt(self, study_id: int, trial_ids: list[int]) -> list[FrozenTrial]:
        """Read claimed trials into the cache: Optuna writes to no others.

        Args:
            study_id: The study of the trials.
            trial_ids: The trials, all of this study.

        Returns:
            The trials, in the order given.
        """
        with self.reading() as connection:
            trials = read_trials(connection, study_id, trial_ids)
        with self.lock_cache(study_id) as cache:
            cache.add(trials)
        self._known.update(trial_ids)
        return trials

    def read_new(self, study_id: int, known: Container[int]) -> None:
        """Read the trials that changed since the last call, except RUNNING ones in `known`."""
        if self._sees_waiting:
            with self.without_write_lock():
                super().read_new(study_id, known)
            return
        if not self.is_cached(study_id):
            with self.without_write_lock():
                self.get_study_name_from_id(study_id)  # raises KeyError if there is no such study
        with self.lock_cache(study_id) as cache:
            # Only trials after the frontier can have changed. Optuna's own bookkeeping assumes
            # that all trials before the last finished one are cached, which is false in a queue:
            # a trial that waited while later ones finished would never be read.
            started, frontier = self._started_after(study_id, cache.frontier)
            unread = [
                i
                for i, state in started
                if not cache.has_finished(i) and not (state is TrialState.RUNNING and i in known)
            ]
            if unread:
                with self.reading() as connection:
                    cache.add(read_trials(connection, study_id, unread, self.parts_of(study_id)))
            cache.frontier = frontier

    def _started_after(
        self, study_id: int, frontier: int
    ) -> tuple[list[tuple[int, TrialState]], int]:
        """Return the started trials after `frontier`, and the frontier for the next call."""
        of_study = (TRIALS.c.study_id == study_id) & (TRIALS.c.trial_id > frontier)
        first_unfinished = sqlalchemy.select(sqlalchemy.func.min(TRIALS.c.trial_id)).where(
            of_study, TRIALS.c.state.in_(UNFINISHED)
        )
        # One statement sees one moment. With two, a trial created and started between them would
        # lie before the new frontier, and never be read again.
        started = sqlalchemy.select(
            TRIALS.c.trial_id, TRIALS.c.state, first_unfinished.scalar_subquery()
        ).where(of_study, TRIALS.c.state.in_(STARTED))
        with self.reading() as connection:
            rows = sorted(connection.execute(started).all(), key=lambda row: row.trial_id)
        done = [i for i, _, first in rows if first is None or i < first]
        return [(i, state) for i, state, _ in rows], done[-1] if done else frontier


def storage_of(study: optuna.Study) -> TrialStorage:
    """Return the storage of a study.

    Raises:
        TypeError: The study was not opened through `storage.create_storage`.
    """
    found = base_storage(study)
    if not isinstance(found, TrialStorage):
        raise TypeError(
            "Expected a study in a storage that create_storage has opened. "
            f"Received: study={study.study_name!r} in a {type(found).__name__}. "
            "Load it with studies.load_study."
        )
    return found
