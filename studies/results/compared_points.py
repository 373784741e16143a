"""The point of a study that is compared: its best one, or that with a given setting."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import isfinite
from typing import Any

import optuna
from optuna.trial import FrozenTrial, TrialState

from storage import Parts, best_point, started_trials, storage_of, trial_id
from storage.ranking import ids_in_order
from storage.seeds import mean, spread, values_of_seeds
from storage.study_attributes import SEED_KEY, SEED_VALUES_KEY
from studies.attributes import DEFAULTS_KEY, DEFINITION_KEY
from studies.errors import AnswerError, HpoError, NoCompleteTrialError
from studies.lookup import as_argument, definition_of, find_trial

Setting = dict[str, Any]
DIGITS = 12  # significant ones in which two numbers of a setting agree
READ = Parts(user_attrs=(SEED_KEY, SEED_VALUES_KEY), histories=False, reports=())


@dataclass(frozen=True)
class ComparedPoint:
    """A point with those of its seeds that are complete.

    Attributes:
        trial: The trial of its best seed.
        ids: Its complete trials, the best first.
        values: The value of each complete seed.
        n_missing: How many seeds are not complete.
        params: Its parameters, without a seed.
        seeds: Seed -> value, of those of the complete seeds that are known.
    """

    trial: int
    ids: Sequence[int]
    values: Sequence[float]
    n_missing: int
    params: Setting
    seeds: Mapping[int, float]

    @property
    def value(self) -> float:
        """The mean over its seeds."""
        return mean(self.values)

    @property
    def std(self) -> float | None:
        """The standard deviation over its seeds; None where it has only one."""
        return spread(self.values)


def best_of(study: optuna.Study) -> ComparedPoint:
    """Return the best point of a study.

    Raises:
        NoCompleteTrialError: No trial is complete.
        AnswerError: Its value is infinite.
    """
    best = best_point(study)
    if best is None:
        raise NoCompleteTrialError(
            f"Expected studies with a complete trial. Received: none in {study.study_name}. "
            f"See its progress: hpo status {as_argument(study.study_name)}"
        )
    params = {name: value for name, value in best.trial.params.items() if name != SEED_KEY}
    trials = [storage_of(study).get_trial(i) for i in best.ids]
    found = ComparedPoint(
        best.trial.number, best.ids, best.values, best.n_missing, params, _by_seed(trials)
    )
    if not isfinite(found.value):
        raise AnswerError(
            f"Expected studies whose best value is finite. Received: {study.study_name} with "
            f"{found.value} in trial {found.trial}."
        )
    return found


def setting_of_trial(study: optuna.Study, number: int) -> Setting:
    """Return the whole setting of a complete trial, defaults included, without its seed.

    Raises:
        TrialNotFoundError: There is no such trial.
        AnswerError: It is not complete.
    """
    trial = find_trial(study, number)
    if trial.state is not TrialState.COMPLETE:
        raise AnswerError(
            f"Expected a complete trial. Received: trial={number} of {study.study_name}, "
            f"{trial.state.name.lower()}."
        )
    return settings_in(study)(trial.params)


def with_setting(study: optuna.Study, setting: Setting) -> ComparedPoint | None:
    """Return the point of a study with a setting; None where no trial with it is complete."""
    resolve, wanted = settings_in(study), setting_key(setting)
    found = [t for t in started_trials(study, READ) if setting_key(resolve(t.params)) == wanted]
    complete = {trial_id(t): t for t in found if t.state is TrialState.COMPLETE}
    values = {i: t.value for i, t in complete.items() if t.value is not None}
    if not values:
        return None
    ids = ids_in_order(study.direction, values)
    best = complete[ids[0]]
    params = {name: value for name, value in best.params.items() if name != SEED_KEY}
    seeds = [value for i in ids for value in values_of_seeds(complete[i])]
    n_missing = len({_seed(t) for t in found} - {_seed(t) for t in complete.values()})
    by_seed = _by_seed([complete[i] for i in ids])
    return ComparedPoint(best.number, ids, seeds, n_missing, params, by_seed)


def settings_in(study: optuna.Study) -> Callable[[Mapping[str, Any]], Setting]:
    """Return what makes parameters of a study whole settings."""
    with suppress(HpoError, ValueError, OSError):  # as where its data are not on this machine
        factors = definition_of(study).factors
        known = factors.factors.keys()

        def whole(params: Mapping[str, Any]) -> Setting:
            own = {name: value for name, value in params.items() if name in known}
            return {**factors.defaults, **params, **factors.resolve(own)}

        return lambda params: _without_seed(whole(params))
    stored = study.user_attrs.get(DEFINITION_KEY, {})
    rest = {**study.user_attrs.get(DEFAULTS_KEY, {}), **stored.get("fixed", {})}
    return lambda params: _without_seed({**rest, **params})


def _without_seed(setting: Mapping[str, Any]) -> Setting:
    return {name: value for name, value in setting.items() if name != SEED_KEY}


def setting_key(setting: Setting) -> str:
    """Return what equal settings have in common: lists and tuples are equal, 0.3 and 0.1 * 3."""
    rounded = {name: _rounded(value) for name, value in setting.items()}
    return json.dumps(rounded, sort_keys=True, default=str)


def _rounded(value: Any) -> Any:
    return float(f"{value:.{DIGITS}g}") if type(value) in (int, float) else value


def _by_seed(trials: Sequence[FrozenTrial]) -> dict[int, float]:
    """Return seed -> value; of a seed that was trained twice the first value."""
    found: dict[int, float] = {}
    for trial in sorted(trials, key=lambda trial: trial.number):
        first = trial.params.get(SEED_KEY, trial.user_attrs.get(SEED_KEY))
        if first is not None:  # a mean over several seeds has the first of them
            for i, value in enumerate(values_of_seeds(trial)):
                found.setdefault(int(first) + i, value)
    return found


def _seed(trial: FrozenTrial) -> object:
    return trial.params.get(SEED_KEY, trial.user_attrs.get(SEED_KEY, trial.number))
