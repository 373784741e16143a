"""Searches and transfers whose trials are told here, without a worker: for tests of answers."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.trial import TrialState

from storage import claim, storage_of, study_id
from studies.confirmation.transfer import transfer_by
from studies.create import create_study
from studies.definition.study import parse_definition
from studies.lookup import definition_of
from studies.results.confirmed.transfer import Transfer
from studies.suggest import prepare_trials, seed_of

RATES = [0.001 * (i + 1) for i in range(12)]
Value = Callable[[Mapping[str, Any], int, str], float | None]


def by_rate(params: Mapping[str, Any], seed: int, dataset: str) -> float:
    """Grow with the rate on both data sets, beyond the noise of a seed."""
    return 10 * params["learning_rate"] + 0.001 * random.Random(f"{seed}{dataset}").random()


def reversed_there(params: Mapping[str, Any], seed: int, dataset: str) -> float:
    """Grow with the rate here, and fall there."""
    return by_rate(params, seed, dataset) * (1 if dataset == "digits" else -1)


def noise_there(params: Mapping[str, Any], seed: int, dataset: str) -> float:
    """Grow with the rate here, and be noise there."""
    noise = random.Random(f"{params['learning_rate']}{seed}").random()
    return by_rate(params, seed, dataset) if dataset == "digits" else noise


def small_npz(folder: Path) -> Path:
    """Write a small data set."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (200, 8, 8), dtype=np.uint8)
    labels = np.arange(200) % 10
    path = folder / "other.npz"
    np.savez(path, x_train=images, y_train=labels, x_test=images[:20], y_test=labels[:20])
    return path


def searched(url: str, value: Value = by_rate, **lines: Any) -> optuna.Study:
    """Make a study `s` on the digits, and tell the values of its trials."""
    plain = {
        "name": "s",
        "objective": "mlp",
        "dataset": "digits",
        "search": {"design": "grid"},
        "fixed": {"epochs": 1},
        "space": {"learning_rate": RATES},
    }
    study = create_study(parse_definition(plain | lines), url)
    tell(study, value)
    return study


def tell(study: optuna.Study, value: Value, n: int = 1000) -> bool:
    """Tell the values of up to `n` waiting trials, as workers would; return whether none waits."""
    storage, definition = storage_of(study), definition_of(study)
    dataset = Path(str(definition.dataset)).stem
    at_once = 100 if definition.search.design else 1  # a sampler learns from each
    while n > 0:
        claimed = claim(storage, study_id(study), min(n, at_once))
        if not claimed:
            return True
        n -= len(claimed)
        with storage.batch(study_id(study)) as batch:
            for each in prepare_trials(study, definition, claimed):
                seed = seed_of(definition, each.trial, each.params)
                _end(study, each.trial, value(each.params, seed, dataset))
        assert batch.write() == set()
    return not study.get_trials(deepcopy=False, states=(TrialState.WAITING,))


def _end(study: optuna.Study, trial: optuna.Trial, value: float | None) -> None:
    if value is None:
        trial.set_user_attr("fail_reason", "the value is not a finite number")
        study.tell(trial, state=TrialState.FAIL)
    else:
        study.tell(trial, value)


def transferred(url: str, dataset: Path | str, value: Value = by_rate, **wanted: Any) -> Transfer:
    """Transfer the settings of `s`, whose trials there are told here."""
    return transfer_by(
        "s", url, str(dataset), lambda own: tell(own, value), lambda d: d, [], **wanted
    )
