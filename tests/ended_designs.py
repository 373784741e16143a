"""Studies of a function whose trials have all ended, with values that are known sums."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pandas as pd
from optuna.trial import FrozenTrial, TrialState

from storage import claim, create_storage, study_id
from studies import create_study
from studies.definition.study import parse_definition
from studies.results.effects.effects import Effects

FAILED = None  # what a trial comes to that fails
Value = Callable[[dict[str, Any], int], float | None]  # parameters and seed -> value


def ended(
    url: str,
    folder: Path,
    space: dict[str, Any],
    search: dict[str, Any],
    value: Value,
    **lines: Any,
) -> optuna.Study:
    """Make a study of a function, and end each of its trials with what `value` returns."""
    table = {"name": "s", "objective": "m:f", "direction": "maximize", "space": space}
    definition = parse_definition(table | {"search": search} | lines)
    storage = create_storage(url)
    study = create_study(definition, storage, artifacts=folder / "artifacts")
    for trial in claim(storage, study_id(study), 10_000):
        end(study, trial, value(trial.params, trial.user_attrs["seed"]))
    return study


def end(study: optuna.Study, trial: FrozenTrial, value: float | None) -> None:
    """End a trial with a value, or as failed."""
    if value is FAILED:
        study.tell(trial.number, state=TrialState.FAIL)
    else:
        study.tell(trial.number, value)


def noise(*key: int, size: float = 0.01) -> float:
    """Return a normal number that hangs on a key alone."""
    return float(size * np.random.default_rng(key).normal())


def column(found: Effects, factor: str, name: str) -> list[Any]:
    return list(found.levels[found.levels["factor"] == factor][name])


def found_trials(url: str) -> list[optuna.trial.FrozenTrial]:
    return optuna.load_study(study_name="s", storage=create_storage(url)).trials


def with_seeds(trials: Sequence[FrozenTrial]) -> pd.DataFrame:
    """Return parameters, `point` and `seed` as words and value `y` of the trials that have one."""
    rows = [
        {**t.params, "point": str(t.params), "seed": str(t.user_attrs["seed"]), "y": t.value}
        for t in trials
        if t.state is TrialState.COMPLETE
    ]
    return pd.DataFrame(rows)
