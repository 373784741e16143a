"""Small studies for tests of how a study is made and found again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna

from storage import TrialStorage, get_budget, storage_of, study_id
from studies.create import create_study
from studies.definition.study import StudyDefinition, parse_definition

GRID = {"design": "grid"}
TPE = {"sampler": "tpe", "n_trials": 4}
TOML = """
name = "mine"
objective = "mlp"
dataset = "digits"
[search]
n_trials = 2
[space]
dropout = { low = 0.1, high = 0.5 }
"""


def define(search: dict[str, Any], **lines: Any) -> StudyDefinition:
    """Return a definition of two factors."""
    space = {"hidden_units": [[8], [16, 8]], "batch_size": [16, 32, 64]}
    plain = {"name": "s", "objective": "mlp", "dataset": "digits", "space": space}
    return parse_definition(plain | {"search": search} | lines)


def maker(storage: TrialStorage, artifacts: Path) -> Callable[..., optuna.Study]:
    """Return what makes a study by its search and other lines in a storage."""

    def make(search: dict[str, Any], **lines: Any) -> optuna.Study:
        return create_study(define(search, **lines), storage, artifacts=artifacts)

    return make


def budget(study: optuna.Study) -> int | None:
    """Return the number of trials that a study may have."""
    storage = storage_of(study)
    assert isinstance(storage, TrialStorage)
    return get_budget(storage, study_id(study)).n_trials
