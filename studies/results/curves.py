"""Learning curves as data: a row for each trial, epoch and metric."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import optuna
import pandas as pd
from optuna.trial import FrozenTrial

from storage import history_of, storage_of
from storage.study_attributes import SEED_KEY, SEED_VALUES_KEY

COLUMNS = {
    "study": "str",
    "trial": "int64",
    "seed": "Int64",
    "epoch": "int64",
    "metric": "str",
    "value": "float64",
}


def curves_of(study: optuna.Study, ids: Sequence[int]) -> pd.DataFrame:
    """Return the learning curves of trials, as a long data frame.

    Args:
        study: Their study.
        ids: The ids of the trials.

    Returns:
        The columns `study`, `trial` (its number), `seed` (missing where the curve is the mean of
        several that trained together), `epoch` from 1, `metric` and `value`. Of a function they are
        what it has reported, `epoch` being its step.
    """
    storage = storage_of(study)
    rows = [row for i in ids for row in _rows(study, storage.get_trial(i))]
    return as_frame(rows)


def as_frame(rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """Return rows as a data frame of learning curves, each column of its type, also if empty."""
    return pd.DataFrame([list(row) for row in rows], columns=list(COLUMNS)).astype(COLUMNS)


def _rows(study: optuna.Study, trial: FrozenTrial) -> Iterator[tuple[Any, ...]]:
    seed = None if SEED_VALUES_KEY in trial.user_attrs else trial.user_attrs.get(SEED_KEY)
    head = study.study_name, trial.number, seed
    history = history_of(trial)
    for metric, values in history.items():
        for epoch, value in enumerate(values, start=1):
            yield (*head, epoch, metric, float("nan") if value is None else value)
    if not history:
        metric = study.metric_names[0] if study.metric_names else "value"
        for step, value in sorted(trial.intermediate_values.items()):
            yield (*head, step, metric, value)
