"""Many trials at once: Optuna's own API works in memory, and one transaction writes all of it.

Through Optuna a trial of 5 parameters and 3 reports is 68 statements and 17 commits. Within a batch
what is new of a study is read once; suggestions, reports, prunings and endings then read and change
the copy in memory, as does what samplers and pruners note in attributes.
"""

from __future__ import annotations

import copy
import json
import threading
from abc import abstractmethod
from bisect import bisect_left
from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import sqlalchemy
from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._cached_storage import _CachedStorage
from optuna.trial import FrozenTrial, TrialState

from storage.batch_rows import Changes, StudyChanges, write_changes
from storage.trial_reading import local_time
from storage.trial_rows import utc_now

_PARTS = ("params", "distributions", "user_attrs", "system_attrs", "intermediate_values")


class Batch:
    """A study in memory, and what was changed there. Made by `TrialStorage.batch`."""

    def __init__(
        self,
        storage: BatchingStorage,
        study_id: int,
        trials: list[FrozenTrial],
        study_attrs: dict[str, dict[str, Any]],
    ) -> None:
        self.study_id = study_id
        self._storage = storage
        self._trials = trials  # in the order of their numbers
        self._numbers = [trial.number for trial in trials]
        self._changes: dict[int, Changes] = {}
        self._study_changes = StudyChanges()
        self._study_attrs = study_attrs  # kind -> as read, with what was changed
        self._distributions: dict[str, BaseDistribution] = {}
        self._is_whole = False

    def write(self) -> set[int]:
        """Write everything in one transaction, after the `with` block.

        It may be called again after it raised, whether or not the database had taken it.

        Returns:
            The ids of the trials that were no longer RUNNING: they had ended elsewhere, or were
            deleted. Of these nothing is written.

        Raises:
            RuntimeError: The `with` block has not ended, or ended with an exception.
        """
        if not self._is_whole:
            raise RuntimeError(
                "Expected a batch whose `with` block has ended. "
                "Received: one that is open, or that an exception ended."
            )
        with self._storage.transaction() as connection:
            lost = write_changes(connection, self.study_id, self._changes, self._study_changes)
        written = [trial for i in self._changes if i not in lost and (trial := self._find(i))]
        self._storage._keep(self.study_id, written, lost)
        return lost

    def take_back(self, trial_id: int) -> None:
        """Forget the parameters that this batch has set, so that others can be suggested."""
        trial, changes = self._running(trial_id), self._changes_of(trial_id)
        kept = {
            part: {k: v for k, v in getattr(trial, part).items() if k not in changes.params}
            for part in ("params", "distributions")
        }
        self._replace(trial, kept)
        changes.params = {}

    def __contains__(self, trial_id: int) -> bool:
        """Tell whether changes of a trial go to this batch: one that waits is nobody's yet."""
        trial = self._find(trial_id)
        return trial is not None and trial.state is not TrialState.WAITING

    def get_trial(self, trial_id: int) -> FrozenTrial:
        """Return a trial; one that runs is copied, since Optuna's `Trial` changes what it gets."""
        found = self._trials[self._position(trial_id)]
        if found.state.is_finished():
            return found
        return _changed(found, {part: dict(getattr(found, part)) for part in _PARTS})

    def get_all_trials(self, states: Container[TrialState] | None) -> list[FrozenTrial]:
        """Return the trials in the order of their numbers, not copied."""
        if states is None:
            return list(self._trials)
        return [trial for trial in self._trials if trial.state in states]

    def set_trial_param(
        self, trial_id: int, name: str, internal: float, distribution: BaseDistribution
    ) -> None:
        """Set a parameter, as `BaseStorage` does.

        Raises:
            ValueError: Other trials have another kind of distribution for this name.
        """
        trial = self._running(trial_id)
        check_distribution_compatibility(self._distribution(name, distribution), distribution)
        value = distribution.to_external_repr(internal)
        params = trial.params | {name: value}
        distributions = trial.distributions | {name: distribution}
        self._replace(trial, {"params": params, "distributions": distributions})
        self._changes_of(trial_id).params[name] = internal, distribution

    def set_trial_intermediate_value(self, trial_id: int, step: int, value: float) -> None:
        """Report a value, as `BaseStorage` does."""
        trial = self._running(trial_id)
        values = trial.intermediate_values | {step: value}
        self._replace(trial, {"intermediate_values": values})
        self._changes_of(trial_id).intermediate_values[step] = value

    def set_trial_attr(self, trial_id: int, kind: str, key: str, value: Any) -> None:
        """Set an attribute; `kind` is `user_attrs` or `system_attrs`."""
        trial, text = self._running(trial_id), json.dumps(value)
        # As it will be read: JSON makes lists of tuples.
        self._replace(trial, {kind: getattr(trial, kind) | {key: json.loads(text)}})
        getattr(self._changes_of(trial_id), kind)[key] = text

    def set_trial_state_values(
        self, trial_id: int, state: TrialState, values: Sequence[float] | None
    ) -> bool:
        """End a trial, as `BaseStorage` does."""
        trial = self._running(trial_id)
        if not state.is_finished():
            return False
        changes = self._changes_of(trial_id)
        changes.state, changes.ended_at, changes.values = state, utc_now(), tuple(values or ())
        end = {"state": state, "datetime_complete": local_time(changes.ended_at)}
        self._replace(trial, end if values is None else {**end, "values": list(values)})
        return True

    def get_study_attrs(self, kind: str) -> dict[str, Any]:
        """Return the attributes of the study; `kind` is `user_attrs` or `system_attrs`."""
        if kind not in self._study_attrs:
            self._study_attrs[kind] = self._storage._read_study_attrs(self.study_id, kind)
        return dict(self._study_attrs[kind])

    def set_study_attr(self, kind: str, key: str, value: Any) -> None:
        """Set an attribute of the study; `kind` is `user_attrs` or `system_attrs`."""
        text = json.dumps(value)
        self.get_study_attrs(kind)
        self._study_attrs[kind][key] = json.loads(text)
        getattr(self._study_changes, kind)[key] = text

    def _position(self, trial_id: int) -> int:
        _, number = self._storage._trial_id_to_study_id_and_number[trial_id]
        return bisect_left(self._numbers, number)

    def _find(self, trial_id: int) -> FrozenTrial | None:
        known = self._storage._trial_id_to_study_id_and_number.get(trial_id)
        if known is None or known[0] != self.study_id:
            return None
        position = self._position(trial_id)
        found = self._trials[position] if position < len(self._trials) else None
        return found if found is not None and found._trial_id == trial_id else None

    def _running(self, trial_id: int) -> FrozenTrial:
        found = self._trials[self._position(trial_id)]
        if found.state.is_finished():
            raise UpdateFinishedTrialError(
                f"Trial#{found.number} has already finished and can not be updated."
            )
        return found

    def _replace(self, trial: FrozenTrial, new: Mapping[str, Any]) -> None:
        """Put a changed copy in the place of a trial: lists given out before stay as they were."""
        self._trials[bisect_left(self._numbers, trial.number)] = _changed(trial, new)

    def _changes_of(self, trial_id: int) -> Changes:
        return self._changes.setdefault(trial_id, Changes())

    def _distribution(self, name: str, default: BaseDistribution) -> BaseDistribution:
        """Return the distribution that the first trial with this parameter has."""
        if name not in self._distributions:
            others = (t.distributions[name] for t in self._trials if name in t.distributions)
            self._distributions[name] = next(others, default)
        return self._distributions[name]


def _changed(trial: FrozenTrial, new: Mapping[str, Any]) -> FrozenTrial:
    changed = copy.copy(trial)
    for attribute, value in new.items():
        setattr(changed, attribute, value)
    return changed


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
            trials = self._studies[study_id].trials
            in_order = [trials[number] for number in sorted(trials)]
        batch = Batch(self, study_id, in_order, notes)
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
        self._known -= lost | {trial._trial_id for trial in trials if trial.state.is_finished()}
        with self._lock:
            if study_id in self._studies:
                self._add_trials_to_cache(study_id, trials)

    def _read_study_attrs(self, study_id: int, kind: str) -> dict[str, Any]:
        if kind == "user_attrs":
            return super().get_study_user_attrs(study_id)
        return super().get_study_system_attrs(study_id)

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
        batch = self._of_study(study_id)
        kind = "user_attrs"
        return batch.get_study_attrs(kind) if batch else self._read_study_attrs(study_id, kind)

    def get_study_system_attrs(self, study_id: int) -> dict[str, Any]:
        """Return the attributes that samplers keep with a study."""
        batch = self._of_study(study_id)
        kind = "system_attrs"
        return batch.get_study_attrs(kind) if batch else self._read_study_attrs(study_id, kind)

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
