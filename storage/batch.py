"""Many trials at once: Optuna's own API works in memory, and one transaction writes all of it.

Through Optuna a trial of 5 parameters and 3 reports is 68 statements and 17 commits. Within a batch
what is new of a study is read once; suggestions, reports, prunings and endings then read and change
the copy in memory, as does what samplers and pruners note in attributes.
"""

from __future__ import annotations

import json
from collections.abc import Container, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from optuna.distributions import BaseDistribution, check_distribution_compatibility
from optuna.exceptions import UpdateFinishedTrialError
from optuna.trial import FrozenTrial, TrialState

from storage import optuna_internals
from storage.read_trials import local_time
from storage.rows import utc_now
from storage.write_batch import Changes, StudyChanges, write_changes

if TYPE_CHECKING:
    from storage.batched_storage import BatchingStorage

ENDED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)
_PARTS = ("params", "distributions", "user_attrs", "system_attrs", "intermediate_values")


class Batch:
    """A study in memory, and what was changed there. Made by `TrialStorage.batch`."""

    def __init__(
        self,
        storage: BatchingStorage,
        study_id: int,
        trials: dict[int, FrozenTrial],
        study_attrs: dict[str, dict[str, Any]],
    ) -> None:
        self.study_id = study_id
        self._storage = storage
        self._trials = trials  # by number, in any order
        self._changes: dict[int, Changes] = {}
        self._study_changes = StudyChanges()
        self._study_attrs = study_attrs  # kind -> as read, with what was changed
        self._distributions: dict[str, BaseDistribution] = {}
        self._is_whole = False

    def write(self) -> set[int]:
        """Write everything in one transaction, after the `with` block.

        It may be called again after it raised, whether or not the database had taken it.

        Returns:
            The ids of those trials changed here that were no longer RUNNING: they had ended
            elsewhere, or were deleted. Of these nothing is written.

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
        found = self._find(trial_id)
        if found is None:
            raise KeyError(f"There is no trial with id {trial_id} in this batch.")
        if found.state.is_finished():
            return found
        return _changed(found, {part: dict(getattr(found, part)) for part in _PARTS})

    def get_all_trials(self, states: Container[TrialState] | None) -> list[FrozenTrial]:
        """Return the trials in the order of their numbers, not copied."""
        if states is not None and not any(state in states for state in ENDED):
            # TPE asks for what runs at each suggestion, among thousands that ended.
            return [t for n in self._unfinished if (t := self._trials[n]).state in states]
        trials = list(self._in_order.values())
        return trials if states is None else [t for t in trials if t.state in states]

    @cached_property
    def _in_order(self) -> dict[int, FrozenTrial]:
        """The trials; what replaces one of them takes its place."""
        self._trials = {number: self._trials[number] for number in sorted(self._trials)}
        return self._trials

    @cached_property
    def _unfinished(self) -> list[int]:
        """The numbers of the trials that had not ended when this was first asked."""
        return [n for n, trial in self._in_order.items() if not trial.state.is_finished()]

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

    def _find(self, trial_id: int) -> FrozenTrial | None:
        _, number = self._storage._trial_id_to_study_id_and_number.get(trial_id, (-1, -1))
        found = self._trials.get(number)
        return found if found is not None and optuna_internals.trial_id(found) == trial_id else None

    def _running(self, trial_id: int) -> FrozenTrial:
        found = self._find(trial_id)
        assert found is not None  # the storage asks whether a trial is in the batch
        if found.state.is_finished():
            raise UpdateFinishedTrialError(
                f"Trial#{found.number} has already finished and can not be updated."
            )
        return found

    def _replace(self, trial: FrozenTrial, new: Mapping[str, Any]) -> None:
        """Put a changed copy in the place of a trial: lists given out before stay as they were."""
        self._trials[trial.number] = _changed(trial, new)

    def _changes_of(self, trial_id: int) -> Changes:
        return self._changes.setdefault(trial_id, Changes())

    def _distribution(self, name: str, default: BaseDistribution) -> BaseDistribution:
        """Return the distribution that the first trial with this parameter has."""
        if name not in self._distributions:
            others = (
                t.distributions[name] for t in self._in_order.values() if name in t.distributions
            )
            self._distributions[name] = next(others, default)
        return self._distributions[name]


def _changed(trial: FrozenTrial, new: Mapping[str, Any]) -> FrozenTrial:
    changed = FrozenTrial.__new__(FrozenTrial)  # a third of the time of `copy.copy`
    changed.__dict__.update(trial.__dict__)
    for attribute, value in new.items():
        setattr(changed, attribute, value)
    return changed
