"""A study keeps the defaults of its objective: trials made later mean the same as its first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from objectives.clock.hyperparameters import ClockHyperparameters
from storage import TrialStorage
from studies import create_study, load_study
from studies.create import find_or_create_study
from studies.definition.study import StudyDefinition, parse_definition

OF_BEFORE: dict[str, Any] = {
    "name": "s",
    "objective": "clock",
    "dataset": "clock",
    "metric": "val_common_sense_error",
    "search": {"design": "grid"},
    "space": {"head": ["classification", "both_hands"], "label": {"a": {"n_classes": 24}, "b": {}}},
}


def settings(definition: StudyDefinition) -> list[ClockHyperparameters]:
    points = definition.factors.walk(lambda factor: factor.levels())
    return [ClockHyperparameters(**definition.factors.resolve(point)) for point in points]


def forget(storage: TrialStorage, value: str | None) -> None:
    """Give a study other stored defaults, or those of an earlier version: none."""
    with storage.transaction() as connection:
        sql = "DELETE FROM study_user_attributes WHERE key = 'defaults'"
        if value is not None:
            sql = f"UPDATE study_user_attributes SET value_json = '{value}' WHERE key = 'defaults'"
        assert connection.exec_driver_sql(sql).rowcount == 1


@pytest.mark.parametrize(
    ("stored", "classes", "normalizes", "widths"),
    [
        ("new", {24, 72}, {True, False}, (256,)),  # by the head
        (None, {24, 720}, {False}, (256,)),
        ('{"n_classes": 12, "hidden_units": [8, 8], "gone": 3}', {24, 12}, {True, False}, (8, 8)),
        ('{"n_classes": 72, "batch_normalization": true}', {24, 72}, {True}, (256,)),
    ],
)
def test_a_study_goes_on_with_the_defaults_that_it_was_made_with(
    sqlite_storage: TrialStorage,
    tmp_path: Path,
    stored: str | None,
    classes: set[int],
    normalizes: set[bool],
    widths: tuple[int, ...],
) -> None:
    study = create_study(parse_definition(OF_BEFORE), sqlite_storage, artifacts=tmp_path)
    assert study.user_attrs["defaults"]["n_classes"] == 72
    assert study.user_attrs["defaults"]["batch_normalization"] is None
    if stored != "new":
        forget(sqlite_storage, stored)
    by_name = find_or_create_study("s", sqlite_storage, overrides={}, artifacts=tmp_path)
    by_file = create_study(parse_definition(OF_BEFORE), sqlite_storage, artifacts=tmp_path)
    assert len(by_name.get_trials()) == len(by_file.get_trials()) == 4
    found = settings(load_study("s", sqlite_storage)[1])
    assert {each.n_classes for each in found} == classes
    assert {each.batch_normalization for each in found} == normalizes
    assert {each.hidden_units for each in found} == {widths}


def test_what_is_valid_with_the_earlier_defaults_stays_so(
    sqlite_storage: TrialStorage, tmp_path: Path
) -> None:
    space = {"dense_normalization": [True, False]}  # needs batch_normalization = false
    table = OF_BEFORE | {"space": space, "fixed": {"batch_normalization": False}}
    study = create_study(parse_definition(table), sqlite_storage, artifacts=tmp_path)
    forget(sqlite_storage, None)
    stored = study.user_attrs["definition"]
    study.set_user_attr("definition", stored | {"fixed": {}})
    find_or_create_study("s", sqlite_storage, overrides={}, artifacts=tmp_path)
    found = settings(load_study("s", sqlite_storage)[1])
    assert [each.dense_normalization for each in found] == [True, False]
    assert {each.batch_normalization for each in found} == {False}
