"""Studies beside each other in one table: their best points, or one setting in each of them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
import pandas as pd
from optuna.study import StudyDirection
from optuna.trial import TrialState

from objectives.data.options import DataOptions
from storage import overview, storage_of, study_id
from storage.seeds import mean, spread
from storage.study_attributes import WORKED_KEY
from studies.attributes import DATA_KEY, DEFINITION_KEY
from studies.errors import AnswerError
from studies.results.compared_pairs import data_pairs, pair_notes, pair_table
from studies.results.compared_points import (
    ComparedPoint,
    Setting,
    best_of,
    setting_key,
    setting_of_trial,
    settings_in,
    with_setting,
)
from studies.results.confirmed.fresh_values import fresh_values
from studies.results.curves import as_frame, curves_of
from studies.results.metric_bounds import metric_bounds, within
from studies.results.search_order import how_searched
from studies.statistics.intervals import interval

_Row = dict[str, Any]


@dataclass(frozen=True)
class Comparison:
    """Studies beside each other. None of them is called better: no test of settings is made here.

    Attributes:
        table: A row for each study, as they were given: `study`, `objective`, `dataset`,
            `data_sha256`, `metric`, `direction`, `searched_by`, `n_complete`, `n_pruned`,
            `n_failed`, `n_open` (lineages), `seconds` (of wall time in which workers executed its
            trials). Of the point that is compared `trial`, `value` (the mean over `n_seeds`),
            `std`, `low` and `high` (Student's t interval of 95 %), `n_missing` seeds and `params`;
            all missing where the setting has no complete trial there. `fresh` is the mean over the
            `n_fresh` seeds of its confirmation, in `confirmed_in`, with `fresh_std`. `group` is one
            for studies of the same metric, direction and data, and `rank` that of `value` within
            the group.
        curves: The learning curves of these points: see `studies.results.curves`.
        setting: The setting of all points, defaults included, where it is the same; else None.
        pairs: Of one setting on several data sets, `first` less `second` study over the `n` seeds
            that both have: `difference`, `std`, the ends `low` and `high` of Student's t interval
            at `confidence`, `p` of the exact sign-flip test, `p_adjusted` by Holm, and `differs`.
            Empty where the points are of different settings, or have no two seeds in common.
        confidence: The level of these intervals, by Bonferroni.
        notes: What keeps these values from being compared.
    """

    table: pd.DataFrame
    curves: pd.DataFrame
    setting: Setting | None
    pairs: pd.DataFrame
    confidence: float
    notes: Sequence[str]


def compare(studies: Sequence[optuna.Study], trial: int | None = None) -> Comparison:
    """Return studies beside each other.

    Args:
        studies: At least two studies.
        trial: The number of a trial of the first one, whose setting is looked for in the others, as
            on other data; None for the best point of each.

    Raises:
        AnswerError: Fewer than two studies are given, or one twice; a best value is infinite, or
            the trial is not complete.
        NoCompleteTrialError: A study has no complete trial.
        TrialNotFoundError: The first study has no such trial.
    """
    _check(studies)
    points: list[ComparedPoint | None]
    if trial is None:
        points = [best_of(study) for study in studies]
    else:
        wanted = setting_of_trial(studies[0], trial)
        points = [with_setting(study, wanted) for study in studies]
    rows = [_row(study, point) for study, point in zip(studies, points, strict=True)]
    _rank(studies, rows)
    curves = [
        curves_of(study, point.ids)
        for study, point in zip(studies, points, strict=True)
        if point is not None
    ]
    setting = _common_setting(studies, points)
    is_setting = trial is not None
    names = [study.study_name for study in studies]
    others = data_pairs(rows, [_data_of(row) for row in rows])
    known = others if is_setting or setting else []
    pairs, confidence = pair_table(names, points, known)
    notes = [*_notes(rows, is_setting=is_setting), *pair_notes(names, points, known, pairs)]
    if others and not known:
        notes.append(
            "Their best points are of different settings. --trial takes one setting, and tells how "
            "it differs between data sets over the seeds that both have."
        )
    return Comparison(
        table=_as_table(rows),
        curves=pd.concat([each for each in curves if len(each)] or [as_frame([])]),
        setting=setting,
        pairs=pairs,
        confidence=confidence,
        notes=notes,
    )


def _check(studies: Sequence[optuna.Study]) -> None:
    names = [study.study_name for study in studies]
    twice = [name for name, n in Counter(names).items() if n > 1]
    if len(names) < 2 or twice:
        raise AnswerError(
            "Expected at least two studies, each of them once. Received: "
            f"{', '.join(names) or 'none'}."
        )


def _row(study: optuna.Study, point: ComparedPoint | None) -> _Row:
    stored = study.user_attrs.get(DEFINITION_KEY, {})
    counts = overview(storage_of(study), study_id(study)).lineages_by_state
    value, std = (None, None) if point is None else (point.value, point.std)
    n_seeds = 0 if point is None else len(point.values)
    ends = None if value is None else interval(value, std, n_seeds)
    ends = within(ends, metric_bounds(study))
    return {
        "study": study.study_name,
        "objective": stored.get("objective"),
        "dataset": stored.get("dataset"),
        "data_sha256": study.user_attrs.get(DATA_KEY),
        "metric": study.metric_names[0] if study.metric_names else "value",
        "direction": study.direction.name.lower(),
        "searched_by": how_searched(study),
        "n_complete": counts[TrialState.COMPLETE],
        "n_pruned": counts[TrialState.PRUNED],
        "n_failed": counts[TrialState.FAIL],
        "n_open": counts[TrialState.RUNNING] + counts[TrialState.WAITING],
        "seconds": study.user_attrs.get(WORKED_KEY, {}).get("seconds"),
        "trial": None if point is None else point.trial,
        "value": value,
        "std": std,
        "low": None if ends is None else ends[0],
        "high": None if ends is None else ends[1],
        "n_seeds": n_seeds,
        "n_missing": 0 if point is None else point.n_missing,
        "params": None if point is None else point.params,
        **_fresh(study, point),
        "data": _data_lines(stored),
    }


def _fresh(study: optuna.Study, point: ComparedPoint | None) -> _Row:
    own = None if point is None else fresh_values(study).get(point.trial)
    return {
        "fresh": None if own is None else mean(own.values),
        "fresh_std": None if own is None else spread(own.values),
        "n_fresh": 0 if own is None else len(own.values),
        "confirmed_in": None if own is None else own.study,
    }


def _data_lines(stored: Mapping[str, Any]) -> str:
    """Return the table [data]; what an earlier version did not have yet is as by default."""
    lines = DataOptions().model_dump(mode="json") | stored.get("data", {})
    return json.dumps(lines, sort_keys=True)


def _rank(studies: Sequence[optuna.Study], rows: Sequence[_Row]) -> None:
    """Write the group of each row, and its rank among those of the group; equals have the same."""
    groups: dict[tuple[Any, ...], int] = {}
    for row in rows:
        row["group"] = groups.setdefault(_group_key(row), len(groups) + 1)
    for row, study in zip(rows, studies, strict=True):
        sign = 1 if study.direction is StudyDirection.MAXIMIZE else -1
        others = [each["value"] for each in rows if each["group"] == row["group"]]
        known = [sign * value for value in others if value is not None]
        own = row["value"]
        row["rank"] = None if own is None else 1 + sum(each > sign * own for each in known)


def _group_key(row: _Row) -> tuple[Any, ...]:
    # What a function computes is its own affair: values of two are of two things.
    own = row["objective"] if row["dataset"] is None else None
    return row["metric"], row["direction"], _data_of(row), own


def _data_of(row: _Row) -> tuple[Any, ...]:
    return row["dataset"], row["data"], row["data_sha256"]


def _as_table(rows: Sequence[_Row]) -> pd.DataFrame:
    kinds = {
        **dict.fromkeys(
            ("std", "low", "high", "value", "seconds", "fresh", "fresh_std"), "float64"
        ),
        **dict.fromkeys(("trial", "rank"), "Int64"),
    }
    frame = pd.DataFrame([{k: v for k, v in row.items() if k != "data"} for row in rows])
    return frame.astype(kinds)


def _common_setting(
    studies: Sequence[optuna.Study], points: Sequence[ComparedPoint | None]
) -> Setting | None:
    settings = [
        settings_in(study)(point.params)
        for study, point in zip(studies, points, strict=True)
        if point is not None
    ]
    objectives = {study.user_attrs.get(DEFINITION_KEY, {}).get("objective") for study in studies}
    is_one = len({setting_key(each) for each in settings}) == 1 == len(objectives)
    return settings[0] if is_one and len(settings) > 1 else None


def _notes(rows: Sequence[_Row], *, is_setting: bool) -> list[str]:
    notes = []
    metrics = {(row["metric"], row["direction"]) for row in rows}
    if len(metrics) > 1:
        notes.append("They differ in their metric or direction, and are not ranked across these.")
    if len({row["objective"] for row in rows if row["dataset"] is None}) > 1:
        notes.append("They are of different functions, and are not ranked across these.")
    data = {_data_of(row) for row in rows}
    if len(data) > 1:
        names = Counter(name for name, *_ in data)
        again = ", ".join(str(name) for name, n in names.items() if n > 1)
        words = f" ({again}: other contents, or other lines of [data])" if again else ""
        notes.append(f"They are on different data{words}, and are not ranked across these.")
    lacking = [row["study"] for row in rows if row["value"] is None]
    if is_setting and lacking:
        notes.append(f"This setting has no complete trial in {', '.join(lacking)}.")
    single = [row["study"] for row in rows if row["n_seeds"] == 1]
    if single:
        who = "All values are" if len(single) == len(rows) else f"{', '.join(single)}:"
        notes.append(f"{who} of one seed, which calls nothing better.")
    return notes
