"""The private names of Optuna that `storage` relies on, each with its signature or its columns.

A failure here means that this version of Optuna moved one: storage/optuna_internals.py is where to
adapt it, and the tests of the storage tell whether its meaning is still the same.
"""

from __future__ import annotations

import inspect
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.storages._cached_storage import _CachedStorage, _StudyInfo
from optuna.storages._rdb import models
from optuna.storages._rdb import storage as storage_module
from optuna.storages._rdb.storage import _VersionManager
from optuna.study import StudyDirection
from optuna.trial import TrialState

from storage import TrialStorage
from storage.optuna_internals import TABLES, newest_revision

# Called: name -> its parameters.
CALLED = {
    "__init__": ["self", "backend"],
    "__getstate__": ["self"],
    "__setstate__": ["self", "state"],
    "_get_cached_trial": ["self", "trial_id"],
    "_add_trials_to_cache": ["self", "study_id", "trials"],
    "get_study_name_from_id": ["self", "study_id"],
    "get_study_directions": ["self", "study_id"],
    "create_new_trial": ["self", "study_id", "template_trial"],
}

# Overridden: name -> its parameters. One that is gone from the base class is never called.
OVERRIDDEN = {
    "__init__": ["self", "backend"],
    "__getstate__": ["self"],
    "__setstate__": ["self", "state"],
    "_read_trials_from_remote_storage": ["self", "study_id"],
    "get_all_trials": ["self", "study_id", "deepcopy", "states"],
    "get_best_trial": ["self", "study_id"],
    "get_study_id_from_name": ["self", "study_name"],
    "get_study_system_attrs": ["self", "study_id"],
    "get_study_user_attrs": ["self", "study_id"],
    "get_trial": ["self", "trial_id"],
    "set_study_system_attr": ["self", "study_id", "key", "value"],
    "set_study_user_attr": ["self", "study_id", "key", "value"],
    "set_trial_intermediate_value": ["self", "trial_id", "step", "intermediate_value"],
    "set_trial_param": [
        "self",
        "trial_id",
        "param_name",
        "param_value_internal",
        "distribution",
    ],
    "set_trial_state_values": ["self", "trial_id", "state", "values"],
    "set_trial_system_attr": ["self", "trial_id", "key", "value"],
    "set_trial_user_attr": ["self", "trial_id", "key", "value"],
}

# Not overridden: a batch has no need to, or reaches them through the methods above.
INHERITED = {
    "check_trial_is_updatable",
    "create_new_study",
    "create_new_trial",
    "delete_study",
    "get_all_studies",
    "get_failed_trial_callback",
    "get_heartbeat_interval",
    "get_heartbeat_stale_trial_callback",
    "get_n_trials",
    "get_study_directions",
    "get_study_name_from_id",
    "get_trial_id_from_study_id_trial_number",
    "get_trial_number_from_id",
    "get_trial_param",
    "get_trial_params",
    "get_trial_system_attrs",
    "get_trial_user_attrs",
    "record_heartbeat",
    "remove_session",
}

ATTRIBUTES = {
    "_backend": RDBStorage,
    "_studies": dict,
    "_trial_id_to_study_id_and_number": dict,
    "_study_id_and_number_to_trial_id": dict,
}

COLUMNS = {
    "studies": {"study_id", "study_name"},
    "study_directions": {"study_direction_id", "direction", "study_id", "objective"},
    "study_user_attributes": {"study_user_attribute_id", "study_id", "key", "value_json"},
    "study_system_attributes": {"study_system_attribute_id", "study_id", "key", "value_json"},
    "trials": {
        "trial_id",
        "number",
        "study_id",
        "state",
        "datetime_start",
        "datetime_complete",
    },
    "trial_user_attributes": {"trial_user_attribute_id", "trial_id", "key", "value_json"},
    "trial_system_attributes": {"trial_system_attribute_id", "trial_id", "key", "value_json"},
    "trial_params": {"param_id", "trial_id", "param_name", "param_value", "distribution_json"},
    "trial_values": {"trial_value_id", "trial_id", "objective", "value", "value_type"},
    "trial_intermediate_values": {
        "trial_intermediate_value_id",
        "trial_id",
        "step",
        "intermediate_value",
        "intermediate_value_type",
    },
    "trial_heartbeats": {"trial_heartbeat_id", "trial_id", "heartbeat"},
    "version_info": {"version_info_id", "schema_version", "library_version"},
}

# The unique columns by which `write_batch` replaces rows.
UNIQUE = {
    "study_user_attributes": {"study_id", "key"},
    "study_system_attributes": {"study_id", "key"},
    "trial_user_attributes": {"trial_id", "key"},
    "trial_system_attributes": {"trial_id", "key"},
    "trial_params": {"trial_id", "param_name"},
    "trial_values": {"trial_id", "objective"},
    "trial_intermediate_values": {"trial_id", "step"},
}


def parameters(function: Any) -> list[str]:
    return list(inspect.signature(function).parameters)


@pytest.mark.parametrize("name", sorted(CALLED.keys() | OVERRIDDEN))
def test_a_method_of_optunas_cached_storage_has_the_known_parameters(name: str) -> None:
    method = getattr(_CachedStorage, name, None)
    assert method is not None, f"Optuna's _CachedStorage has no method {name} any more"
    expected = CALLED.get(name) or OVERRIDDEN[name]
    assert parameters(method) == expected, f"Optuna's _CachedStorage.{name} was changed"


def of_ours(name: str) -> bool:
    """Tell whether a class of ours defines a method."""
    return any(
        name in each.__dict__
        for each in TrialStorage.__mro__
        if each.__module__.startswith("storage.")
    )


def test_every_method_that_is_overridden_is_listed_and_takes_what_optuna_passes() -> None:
    shared = {
        name
        for name in dir(_CachedStorage)
        if of_ours(name) and inspect.isfunction(getattr(TrialStorage, name))
    }
    assert shared == set(OVERRIDDEN)
    for name in OVERRIDDEN.keys() - {"__init__"}:
        assert parameters(getattr(TrialStorage, name)) == OVERRIDDEN[name], name


def test_optunas_storage_has_no_method_that_a_batch_may_have_to_know() -> None:
    public = {name for name in dir(_CachedStorage) if not name.startswith("_")}
    new = public - INHERITED - OVERRIDDEN.keys()
    assert not new, f"decide whether BatchedStorage must override Optuna's new {sorted(new)}"


def test_the_cache_has_its_attributes(tmp_path: Path) -> None:
    backend = RDBStorage(f"sqlite:///{tmp_path}/plain.db")
    cached = _CachedStorage(backend)
    for name, kind in ATTRIBUTES.items():
        assert isinstance(getattr(cached, name, None), kind), f"_CachedStorage.{name} was moved"
    with cached._lock:
        study = _StudyInfo()
    assert (study.trials, study.last_finished_trial_id) == ({}, -1)
    assert backend.engine.url.database == f"{tmp_path}/plain.db"
    backend.engine.dispose()


def test_the_tables_and_their_version_are_created_by_us() -> None:
    taken = inspect.signature(RDBStorage.__init__).parameters
    assert {"url", "engine_kwargs", "skip_table_creation"} <= taken.keys()


def test_optuna_asks_its_manager_of_versions_what_is_answered_without_alembic(
    sqlite_storage: TrialStorage, sqlite_url: str
) -> None:
    manager = _VersionManager
    for method in (
        manager._init_version_info_model,
        manager._init_alembic,
        manager._is_alembic_supported,
        manager.check_table_schema_compatibility,
    ):
        assert list(inspect.signature(method).parameters) == ["self"]
    plain = RDBStorage(sqlite_url)
    assert plain.get_current_version() == plain.get_head_version() == newest_revision()
    plain.engine.dispose()
    assert storage_module._VersionManager is manager, "Optuna's own is left as it was"


@pytest.mark.parametrize(("file", "writes"), [("hpo", True), ("hpo", False), ("new", True)])
def test_a_storage_is_made_and_opened_without_alembic(
    sqlite_storage: TrialStorage, tmp_path: Path, file: str, writes: bool
) -> None:
    code = f"""
import sys, storage
opened = storage.create_storage("sqlite:///{tmp_path}/{file}.db", writes={writes})
print(len(opened.get_all_studies()), *(name for name in sys.modules if name[:7] == "alembic"))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "0\n"


def test_ids_and_storage_hang_at_the_known_attributes() -> None:
    study = optuna.create_study()
    trial = study.ask()
    study.tell(trial, 1.0)
    assert isinstance(study._study_id, int)
    assert isinstance(trial._trial_id, int)
    assert study.trials[0]._trial_id == trial._trial_id
    assert study._storage.get_n_trials(study._study_id) == 1


def test_the_tables_have_the_known_columns() -> None:
    assert models.BaseModel.metadata is TABLES
    found = {table.name: set(table.columns.keys()) for table in TABLES.sorted_tables}
    assert found == COLUMNS, "Optuna's schema was changed"
    for name, columns in UNIQUE.items():
        unique = [
            set(constraint.columns.keys())
            for constraint in TABLES.tables[name].constraints
            if type(constraint).__name__ == "UniqueConstraint"
        ]
        assert unique == [columns], f"rows of Optuna's {name} are unique by other columns"
    for name, column, members in (
        ("trials", "state", TrialState),
        ("study_directions", "direction", StudyDirection),
    ):
        kind: Any = TABLES.tables[name].columns[column].type
        assert kind.enum_class is members
    assert TABLES.tables["trial_heartbeats"].columns["heartbeat"].default is not None


@pytest.mark.parametrize("value", [0.25, -1e300, math.inf, -math.inf])
def test_a_value_is_stored_and_read_by_the_known_functions(value: float) -> None:
    stored = models.TrialValueModel.value_to_stored_repr(value)
    assert models.TrialValueModel.stored_repr_to_value(*stored) == value
    assert set(COLUMNS["trial_values"]) >= {"value", "value_type"}


@pytest.mark.parametrize("value", [0.25, -1e300, math.inf, -math.inf, math.nan])
def test_a_report_is_stored_and_read_by_the_known_functions(value: float) -> None:
    model = models.TrialIntermediateValueModel
    stored = model.intermediate_value_to_stored_repr(value)
    read = model.stored_repr_to_intermediate_value(*stored)
    assert read == value or (math.isnan(read) and math.isnan(value))
