"""Searches and confirmations whose trials are told here, without a worker: for tests of answers."""

from __future__ import annotations

from collections.abc import Callable
from math import isnan
from typing import Any

import optuna
from optuna.trial import TrialState

from storage import TrialStorage, claim, storage_of, study_id, trial_id
from studies.confirmation.confirm import confirm_by
from studies.confirmation.looks import Wanted
from studies.confirmation.ways import Ways
from studies.create import create_study
from studies.definition.study import parse_definition
from studies.lookup import definition_of
from studies.results.confirmed.confirmation import Confirmation
from studies.suggest import prepare_trial, seed_of

LEVELS = [0.1, 0.5, 0.51, 0.7]
ALLOWED = ["user_objectives"]
Value = Callable[[float, int], float | None]


def searched(
    storage: TrialStorage | str,
    value: Value,
    levels: list[float] = LEVELS,
    n: int = 1_000_000,
    **lines: Any,
) -> optuna.Study:
    """Make a study `s` of one factor, and tell the value of each trial.

    Args:
        storage: The storage, or its URL.
        value: The value of a level with a seed; None fails the trial.
        levels: The levels of the factor `x`.
        n: How many trials are told.
        lines: Other lines of the definition.
    """
    plain = {
        "name": "s",
        "objective": "user_objectives:quick",
        "metric": "score",
        "direction": "maximize",
        "search": {"design": "grid"},
        "space": {"x": levels},
    }
    study = create_study(parse_definition(plain | lines), storage)
    tell(study, value, n)
    return study


def tell(study: optuna.Study, value: Value, n: int = 1_000_000) -> bool:
    """Tell the values of up to `n` waiting trials, as workers would; return whether none waits."""
    storage, definition = storage_of(study), definition_of(study)
    while n and (claimed := claim(storage, study_id(study), min(n, 100))):
        n -= len(claimed)
        told = []
        for each in claimed:
            x, seed = each.params.get("x"), each.user_attrs.get("seed", 0)
            if x is None or "seed" in each.params:  # a sampler's, a network's, or with a seed
                trial, params = prepare_trial(study, definition, each)
                x = next(iter(params.values())) if params else trial.suggest_float("x", 0, 1)
                seed = seed_of(definition, trial, params)
                _end(storage, trial_id(each), value(float(x), seed))  # a sampler learns from it
            else:
                told.append((trial_id(each), value(float(x), seed)))
        with storage.batch(study_id(study), others=False) as batch:
            for own_id, own in told:
                _end(storage, own_id, own)
        assert batch.write() == set()
    return not study.get_trials(deepcopy=False, states=(TrialState.WAITING,))


def _end(storage: TrialStorage, own_id: int, value: float | None) -> None:
    if value is None or isnan(value):
        reason = "a mistake" if value is None else "the value is not a finite number"
        storage.set_trial_user_attr(own_id, "fail_reason", reason)
        storage.set_trial_state_values(own_id, TrialState.FAIL)
    else:
        storage.set_trial_state_values(own_id, TrialState.COMPLETE, [value])


def confirmed(url: str, value: Value, source: str = "s", **wanted: Any) -> Confirmation:
    """Confirm a study whose trials are told here."""
    return confirm_by(
        source, url, Wanted(**wanted), Ways(lambda own: tell(own, value), lambda d: d), ALLOWED
    )
