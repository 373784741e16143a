"""What each setting of a study of confirmation came to, seed by seed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from storage import Point, latest_attempts
from storage.study_attributes import FAIL_REASON_KEY, FIXED_PARAMS_KEY, SEED_KEY
from studies.designs.added_seeds import added_seeds
from studies.designs.points import initial_points
from studies.lookup import definition_of

# How the reasons of trials begin whose value, or loss, was no longer a number.
NOT_FINITE = ("Expected a finite ", "the value is not a finite number")
_Key = tuple[frozenset[tuple[str, object]], object]


@dataclass(frozen=True)
class SettingValues:
    """What one setting came to.

    Attributes:
        values: The value of each seed, in their order: NaN where training diverged, None where
            there is no value: it failed otherwise, was pruned, or has not run yet.
        n_ended: How many seeds, the first ones, have ended, with a value or without.
        n_open: How many of its trials wait or run.
        n_failed: How many have failed, but not diverged, or were pruned.
    """

    values: Sequence[float | None]
    n_ended: int
    n_open: int
    n_failed: int

    @property
    def ended(self) -> Sequence[float | None]:
        """The values of the seeds before the first one that waits or runs."""
        return self.values[: self.n_ended]

    @property
    def complete(self) -> list[float]:
        """The finite values."""
        return [value for value in self.values if value is not None and isfinite(value)]

    @property
    def n_diverged(self) -> int:
        """How many seeds have diverged."""
        return sum(value is not None and not isfinite(value) for value in self.values)


def values_of_settings(study: optuna.Study) -> list[SettingValues]:
    """Return what each setting came to, in the order of `search.enqueue`."""
    return [_of_setting(own) for own in _lineages(study)]


def trials_of_settings(study: optuna.Study) -> list[list[FrozenTrial | None]]:
    """Return the last attempt of each seed of each setting, in order; None where there is none."""
    return [_in_order(own) for own in _lineages(study)]


def _lineages(study: optuna.Study) -> list[dict[int, FrozenTrial | None]]:
    """Return for each setting: replicate -> the last attempt, None where its row was deleted."""
    definition = definition_of(study)
    points = initial_points(definition, added_seeds(study.user_attrs))
    trials = study.get_trials(deepcopy=False)
    by_key = {_key_of_trial(trial): trial for trial in latest_attempts(trials)}
    found: dict[object, dict[int, FrozenTrial | None]] = {}
    for point in points:
        key = _key_of_point(point)
        replicate = point.user_attrs[SEED_KEY] - definition.search.seed
        found.setdefault(key[0], {})[replicate] = by_key.get(key)
    return list(found.values())


def _in_order(trials: Mapping[int, FrozenTrial | None]) -> list[FrozenTrial | None]:
    return [trials.get(replicate) for replicate in range(max(trials) + 1)]


def _of_setting(trials: Mapping[int, FrozenTrial | None]) -> SettingValues:
    in_order = _in_order(trials)
    ended = [trial for trial in in_order if trial is not None and trial.state.is_finished()]
    values = [None if trial is None else _value(trial) for trial in in_order]
    n_valued = sum(value is not None for value in values)
    has_ended = [trial is not None and trial.state.is_finished() for trial in in_order]
    n_ended = has_ended.index(False) if False in has_ended else len(has_ended)
    return SettingValues(values, n_ended, len(trials) - len(ended), len(ended) - n_valued)


def _value(trial: FrozenTrial) -> float | None:
    if trial.state is TrialState.COMPLETE:
        return float(trial.value) if trial.value is not None else None
    reason = str(trial.user_attrs.get(FAIL_REASON_KEY))
    is_diverged = trial.state is TrialState.FAIL and reason.startswith(NOT_FINITE)
    return nan if is_diverged else None


def _key_of_point(point: Point) -> _Key:
    return _key(point.fixed_params or point.params, point.user_attrs[SEED_KEY])


def _key_of_trial(trial: FrozenTrial) -> _Key:
    params = trial.system_attrs.get(FIXED_PARAMS_KEY, trial.params)
    return _key(params, trial.user_attrs.get(SEED_KEY))


def _key(params: Mapping[str, Any], seed: object) -> _Key:
    """Return what a point and its trial share; numbers are stored in more digits than are equal."""
    rounded = {n: f"{v:.12g}" if isinstance(v, float) else v for n, v in params.items()}
    return frozenset(rounded.items()), seed
