"""The storage with batches: a thread that has entered a batch works on its copy in memory."""

from __future__ import annotations

import copy
import threading
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage, RDBStorage
from optuna.trial import FrozenTrial, TrialState

from storage.batch import Batch
from storage.database import DatabaseStorage
from storage.optuna_internals import trial_id as id_of
from storage.read_trials import WHOLE, Parts
from storage.study_attributes import AttributeKind, read_study_attributes


class BatchedStorage(DatabaseStorage):
    """A storage in which a thread that has entered a batch works on that instead."""

    def __init__(self, backend: RDBStorage, *, writes: bool) -> None:
        super().__init__(backend, writes=writes)
        self._entered = threading.local()
        # Trials claimed here whose cached copies are as new as the database.
        self._known: set[int] = set()
        self._parts: dict[int, Parts] = {}  # of the trials of a study, WHOLE where it is missing

    def __getstate__(self) -> dict[Any, Any]:
        """Leave out the state of threads."""
        state = super().__getstate__()
        del state["_entered"]
        return state

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Begin outside any batch."""
        super().__setstate__(state)
        self._entered = threading.local()

    @contextmanager
    def batch(self, study_id: int, *, others: bool = True) -> Iterator[Batch]:
        """Let Optuna's API work in memory, in this thread and for one study.

        Nothing is written before `Batch.write`, which the caller calls after the block; an
        exception discards the batch. Trials created or claimed within the block are not part of it.

        Optuna's `Trial` remembers which steps it has reported, and reports none twice: repeat
        `Batch.write`, not the block. The database is read at the beginning of the block only.

        Args:
            study_id: The study.
            others: Whether the changes of other workers' trials are read. Samplers and pruners need
                them; reports without a pruner, and endings, do not.

        Raises:
            RuntimeError: This thread is in a batch already.
        """
        if self.entered is not None:
            raise RuntimeError("Expected one batch at a time in a thread. Received: a second one.")
        self.get_study_directions(study_id)  # fill Optuna's cache now: a batch does not read later
        self.get_study_name_from_id(study_id)
        attrs: dict[AttributeKind, dict[str, Any]] = {}
        if others:
            # Before the trials: samplers store there which trials have ended.
            attrs["system_attrs"] = read_study_attributes(self, study_id, "system_attrs")
            self.read_new(study_id, self._known)
        with self.lock_cache(study_id) as cache:
            trials = cache.trials
        batch = Batch(self, study_id, trials, attrs, partial(self._cache_written, study_id))
        self._entered.batch = batch
        try:
            yield batch
            batch.complete()
        finally:
            del self._entered.batch

    def read_less(self, study_id: int, parts: Parts) -> None:
        """Read, and keep in memory, from now on only parts of the trials that others execute.

        Samplers and pruners need a part of each trial only, and a worker has no other use for
        thousands of histories. Trials that are claimed here are whole until they have ended.

        Args:
            study_id: The study.
            parts: What its sampler and its pruner need.
        """
        self._parts[study_id] = parts

    def parts_of(self, study_id: int) -> Parts:
        """Return what is read of the trials of a study."""
        return self._parts.get(study_id, WHOLE)

    @property
    def entered(self) -> Batch | None:
        """The batch that this thread has entered."""
        return getattr(self._entered, "batch", None)

    def _of_trial(self, trial_id: int) -> Batch | None:
        batch = self.entered
        return batch if batch is not None and trial_id in batch else None

    def _of_study(self, study_id: int) -> Batch | None:
        batch = self.entered
        return batch if batch is not None and batch.study_id == study_id else None

    def _target(self, trial_id: int) -> Batch | None:
        """Return the batch that takes the changes of a trial, None to write them at once."""
        batch = self._of_trial(trial_id)
        if batch is None:
            self.outdate(trial_id)
        return batch

    def outdate(self, trial_id: int) -> None:
        """Mark a cached trial as older than the database, so that it is read again."""
        self._known.discard(trial_id)

    def _cache_written(self, study_id: int, trials: Sequence[FrozenTrial], lost: set[int]) -> None:
        # The copy of a trial that was also changed outside the batch lacks those changes.
        parts = self.parts_of(study_id)
        whole = [
            parts.of(trial) if trial.state.is_finished() else trial
            for trial in trials
            if id_of(trial) in self._known
        ]
        self._known -= lost | {id_of(trial) for trial in trials if trial.state.is_finished()}
        if self.is_cached(study_id):
            with self.lock_cache(study_id) as cache:
                cache.add(whole)

    # Optuna's interface: a batch takes the call if it has the trial or the study.

    def get_study_id_from_name(self, study_name: str) -> int:
        """Return the id of a study; Hyperband asks for it at every suggestion and report."""
        batch = self.entered
        if batch is not None and self.get_study_name_from_id(batch.study_id) == study_name:
            return batch.study_id
        return super().get_study_id_from_name(study_name)

    def get_all_trials(
        self,
        study_id: int,
        deepcopy: bool = True,
        states: Container[TrialState] | None = None,
    ) -> list[FrozenTrial]:
        """Return the trials of a study."""
        batch = self._of_study(study_id)
        if batch is None:
            return super().get_all_trials(study_id, deepcopy, states)
        trials = batch.get_all_trials(states)
        return copy.deepcopy(trials) if deepcopy else trials

    def get_best_trial(self, study_id: int) -> FrozenTrial:
        """Return the best trial of a study."""
        if self._of_study(study_id) is None:
            return super().get_best_trial(study_id)
        return BaseStorage.get_best_trial(self, study_id)  # from the trials of the batch

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return a trial."""
        batch = self._of_trial(trial_id)
        return super().get_trial(trial_id) if batch is None else batch.get_trial(trial_id)

    def set_trial_param(
        self,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
    ) -> None:
        """Set a parameter of a trial."""
        if batch := self._target(trial_id):
            batch.set_trial_param(trial_id, param_name, param_value_internal, distribution)
        else:
            super().set_trial_param(trial_id, param_name, param_value_internal, distribution)

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None = None
    ) -> bool:
        """Set the state of a trial, and its values."""
        if batch := self._target(trial_id):
            return batch.set_trial_state_values(trial_id, state, values)
        return super().set_trial_state_values(trial_id, state, values)

    def set_trial_intermediate_value(
        self, trial_id: int, step: int, intermediate_value: float
    ) -> None:
        """Report a value of a trial."""
        if batch := self._target(trial_id):
            batch.set_trial_intermediate_value(trial_id, step, intermediate_value)
        else:
            super().set_trial_intermediate_value(trial_id, step, intermediate_value)

    def set_trial_user_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set a user attribute of a trial."""
        if batch := self._target(trial_id):
            batch.set_trial_attr(trial_id, "user_attrs", key, value)
        else:
            super().set_trial_user_attr(trial_id, key, value)

    def set_trial_system_attr(self, trial_id: int, key: str, value: Any) -> None:
        """Set a system attribute of a trial, where samplers and pruners keep their state."""
        if batch := self._target(trial_id):
            batch.set_trial_attr(trial_id, "system_attrs", key, value)
        else:
            super().set_trial_system_attr(trial_id, key, value)

    def get_study_user_attrs(self, study_id: int) -> dict[str, Any]:
        """Return the user attributes of a study."""
        if batch := self._of_study(study_id):
            return batch.get_study_attrs("user_attrs")
        return super().get_study_user_attrs(study_id)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Return the system attributes of a study, where samplers keep their state."""
        if batch := self._of_study(study_id):
            return batch.get_study_attrs("system_attrs")
        return super().get_study_system_attrs(study_id)

    def set_study_user_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set a user attribute of a study."""
        if batch := self._of_study(study_id):
            batch.set_study_attr("user_attrs", key, value)
        else:
            super().set_study_user_attr(study_id, key, value)

    def set_study_system_attr(self, study_id: int, key: str, value: Any) -> None:
        """Set a system attribute of a study."""
        if batch := self._of_study(study_id):
            batch.set_study_attr("system_attrs", key, value)
        else:
            super().set_study_system_attr(study_id, key, value)
