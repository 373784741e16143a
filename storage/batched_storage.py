"""The storage that knows batches: a thread that has entered one works on that."""

from __future__ import annotations

import copy
import json
import threading
from abc import abstractmethod
from collections.abc import Container, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import sqlalchemy
from optuna.distributions import BaseDistribution
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.trial import FrozenTrial, TrialState

from storage import optuna_internals
from storage.batch import Batch
from storage.rows import STUDY_SYSTEM_ATTRS, STUDY_USER_ATTRS


class BatchingStorage(_CachedStorage):
    """Optuna's cached SQL storage; a thread that has entered a batch works on that instead."""

    def __init__(self, backend: RDBStorage) -> None:
        super().__init__(backend)
        self._entered = threading.local()
        self._known: set[int] = set()  # claimed here, and in the cache as they are written

    def __getstate__(self) -> dict[Any, Any]:
        """Leave out what belongs to a thread."""
        state = super().__getstate__()
        del state["_entered"]
        return state

    def __setstate__(self, state: dict[Any, Any]) -> None:
        """Begin outside of any batch."""
        super().__setstate__(state)
        self._entered = threading.local()

    @abstractmethod
    def transaction(self) -> AbstractContextManager[sqlalchemy.Connection]:
        """Begin a transaction that writes."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[sqlalchemy.Connection]:
        """Begin a transaction that only reads."""

    @abstractmethod
    def read_new(self, study_id: int, known: Container[int]) -> None:
        """Read into the cache what is new of a study, but for trials of `known` that still run."""

    @contextmanager
    def batch(self, study_id: int, *, others: bool = True) -> Iterator[Batch]:
        """Let Optuna's API work in memory, in this thread and for one study.

        Nothing is written before `Batch.write`, which is called after the block; an exception
        discards the batch. Trials that are created or claimed within it are no part of it.

        Optuna's `Trial` remembers which steps it has reported, and reports none twice: repeat
        `Batch.write`, not the block. The database is read at the beginning of the block only.

        Args:
            study_id: The study.
            others: Whether what is new of other workers' trials is read. Samplers and pruners want
                it; reports that no pruner looks at, and endings, do without.

        Raises:
            RuntimeError: This thread is in a batch already.
        """
        if self.entered is not None:
            raise RuntimeError("Expected one batch at a time in a thread. Received: a second one.")
        self.get_study_directions(study_id)  # read once and kept, as is the name
        self.get_study_name_from_id(study_id)
        notes: dict[str, Any] = {}
        if others:
            # Before the trials, since samplers note there which trials have ended.
            notes["system_attrs"] = self._read_study_attrs(study_id, "system_attrs")
            self.read_new(study_id, self._known)
        with self._lock:
            trials = dict(self._studies[study_id].trials)
        batch = Batch(self, study_id, trials, notes)
        self._entered.batch = batch
        try:
            yield batch
            batch._is_whole = True
        finally:
            del self._entered.batch

    @property
    def entered(self) -> Batch | None:
        """The batch in which this thread is."""
        return getattr(self._entered, "batch", None)

    def _of_trial(self, trial_id: int) -> Batch | None:
        batch = self.entered
        return batch if batch is not None and trial_id in batch else None

    def _of_study(self, study_id: int) -> Batch | None:
        batch = self.entered
        return batch if batch is not None and batch.study_id == study_id else None

    def _target(self, trial_id: int) -> Batch | None:
        """Return the batch that takes changes of a trial; None where they are written at once."""
        batch = self._of_trial(trial_id)
        if batch is None:
            self.outdate(trial_id)
        return batch

    def outdate(self, trial_id: int) -> None:
        """Tell that a trial was changed in the database, and the cache has it as it was."""
        self._known.discard(trial_id)

    def _keep(self, study_id: int, trials: list[FrozenTrial], lost: set[int]) -> None:
        """Put trials into the cache as they were written."""
        # Of a trial that was changed beside the batch, the copy in memory is not the whole.
        whole = [trial for trial in trials if optuna_internals.trial_id(trial) in self._known]
        self._known -= lost | {
            optuna_internals.trial_id(trial) for trial in trials if trial.state.is_finished()
        }
        with self._lock:
            if study_id in self._studies:
                self._add_trials_to_cache(study_id, whole)

    def _read_study_attrs(self, study_id: int, kind: str) -> dict[str, Any]:
        table = STUDY_USER_ATTRS if kind == "user_attrs" else STUDY_SYSTEM_ATTRS
        attrs = sqlalchemy.select(table.c.key, table.c.value_json)
        with self.reading() as connection:
            rows = connection.execute(attrs.where(table.c.study_id == study_id))
            return {key: json.loads(text) for key, text in rows}

    # Optuna's interface.

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
        return BaseStorage.get_best_trial(self, study_id)  # of what `get_all_trials` returns

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
        """Set an attribute that samplers and pruners keep with a trial."""
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
        """Return the attributes that samplers keep with a study."""
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
        """Set an attribute that samplers keep with a study."""
        if batch := self._of_study(study_id):
            batch.set_study_attr("system_attrs", key, value)
        else:
            super().set_study_system_attr(study_id, key, value)
