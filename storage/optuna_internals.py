"""The one place in `storage` that knows private names of Optuna.

A new Optuna version may move any of them; tests/test_storage_optuna_internals.py lists them all
and tells which one moved.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy
from optuna.storages import BaseStorage, RDBStorage
from optuna.storages._cached_storage import _CachedStorage, _StudyInfo
from optuna.storages._rdb import models
from optuna.storages._rdb import storage as rdb
from optuna.trial import FrozenTrial, Trial

# Optuna creates its tables from these definitions, and publishes them nowhere else.
TABLES: sqlalchemy.MetaData = models.BaseModel.metadata

# A value is stored as a number and a kind, since SQL knows neither NaN nor infinity.
value_to_stored = models.TrialValueModel.value_to_stored_repr
stored_to_value = models.TrialValueModel.stored_repr_to_value
intermediate_to_stored = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr
stored_to_intermediate = models.TrialIntermediateValueModel.stored_repr_to_intermediate_value


REVISIONS = "alembic_version"  # any program that uses Alembic has a table of this name
_REVISION = re.compile(r'^(revision|down_revision) = "(.+)"$', re.MULTILINE)
_VERSIONS = rdb._VersionManager.__name__
_opening = threading.Lock()


def open_rdb_storage(
    kind: type[RDBStorage], url: str, engine_options: dict[str, Any]
) -> RDBStorage:
    """Open Optuna's SQL storage, whose tables are there, without loading Alembic where it can.

    Alembic, with all dialects of SQLAlchemy, is a quarter of the start of each command and child,
    and all that Optuna wants of it is whether two versions are equal, and one of them written.

    Raises:
        RuntimeError: The tables have the schema of another version of Optuna.
    """
    # Optuna has no other way in. A storage that another thread opens meanwhile behaves the same.
    with _opening:
        setattr(rdb, _VERSIONS, _QuickVersions)
        try:
            return kind(url, engine_options, skip_table_creation=True)
        finally:
            setattr(rdb, _VERSIONS, _QuickVersions.__base__)


class _QuickVersions(rdb._VersionManager):
    """Optuna's check of the version of its tables; it is done without Alembic for the newest."""

    def _init_version_info_model(self) -> None:
        with self.engine.connect() as connection:
            found = connection.exec_driver_sql("SELECT 1 FROM version_info").first()
        if found is None:  # by the ORM, whose first query costs as much as all else
            super()._init_version_info_model()

    def _init_alembic(self) -> None:
        if self._revision() is not None:
            return
        newest = newest_revision()
        if newest is None or not self._is_alembic_supported():
            super()._init_alembic()
        else:
            self._mark_as(newest)

    def _mark_as(self, revision: str) -> None:
        """Write the version of new tables, in the table that Alembic would make."""
        number = sqlalchemy.Column("version_num", sqlalchemy.String(32), nullable=False)
        key = sqlalchemy.PrimaryKeyConstraint("version_num", name=f"{REVISIONS}_pkc")
        table = sqlalchemy.Table(REVISIONS, sqlalchemy.MetaData(), number, key)
        with self.engine.begin() as connection:
            table.create(connection, checkfirst=True)
            connection.execute(table.insert().values(version_num=revision))

    def check_table_schema_compatibility(self) -> None:
        """Raise RuntimeError where this Optuna cannot work with the tables."""
        newest = newest_revision()
        if newest is None or self._revision() != newest:
            super().check_table_schema_compatibility()

    def _revision(self) -> str | None:
        if not sqlalchemy.inspect(self.engine).has_table(REVISIONS):
            return None
        with self.engine.connect() as connection:
            found = connection.exec_driver_sql(f"SELECT version_num FROM {REVISIONS}")
            revision: str | None = found.scalar()
            return revision


@cache
def newest_revision() -> str | None:
    """Return the newest version of the tables that this Optuna has; None where it is not clear."""
    files = (Path(rdb.__file__).parent / "alembic" / "versions").glob("*.py")
    found = [dict(_REVISION.findall(file.read_text(encoding="utf-8"))) for file in files]
    names = {each.get("revision") for each in found} - {each.get("down_revision") for each in found}
    return names.pop() if len(names) == 1 else None


def study_id(study: optuna.Study) -> int:
    """Return the id of a study in its storage: without it no SQL can be written."""
    return study._study_id


def trial_id(trial: FrozenTrial | Trial) -> int:
    """Return the id of a trial in its storage: without it no SQL can be written."""
    return trial._trial_id


def base_storage(study: optuna.Study) -> BaseStorage:
    """Return the storage of a study, of any class: Optuna has no public way from one to it."""
    return study._storage


class StudyCache:
    """The cached trials of one study, while the cache is locked. Made by `lock_cache`."""

    def __init__(self, storage: CachedStorage, study_id: int) -> None:
        self._storage = storage
        self._study_id = study_id
        self._info = storage._studies.setdefault(study_id, _StudyInfo())

    @property
    def trials(self) -> dict[int, FrozenTrial]:
        """A copy of the cached trials, by number."""
        return dict(self._info.trials)

    @property
    def frontier(self) -> int:
        """The id up to which all trials are finished and cached."""
        return self._info.last_finished_trial_id

    @frontier.setter
    def frontier(self, trial_id: int) -> None:
        self._info.last_finished_trial_id = trial_id

    def has_finished(self, trial_id: int) -> bool:
        """Tell whether a trial is cached as finished: it is then never read again."""
        return self._storage._get_cached_trial(trial_id) is not None

    def add(self, trials: Sequence[FrozenTrial]) -> None:
        """Cache trials; Optuna refuses to set parameters of a trial that is not cached."""
        self._storage._add_trials_to_cache(self._study_id, list(trials))


class CachedStorage(_CachedStorage):
    """Optuna's cached SQL storage, with its private parts under public names.

    It is the class that Optuna itself makes of the URL of a database, and the only one that does
    not read each finished trial at each call; Optuna has no public way to its cache.
    """

    @property
    def engine(self) -> sqlalchemy.Engine:
        """The SQLAlchemy engine, for statements on Optuna's tables."""
        return self._backend.engine

    @contextmanager
    def lock_cache(self, study_id: int) -> Iterator[StudyCache]:
        """Lock the cache, and yield the part of it that holds a study."""
        with self._lock:
            yield StudyCache(self, study_id)

    def is_cached(self, study_id: int) -> bool:
        """Tell whether the cache holds anything of a study."""
        return study_id in self._studies

    def cached_number(self, trial_id: int) -> int | None:
        """Return the number of a cached trial, None where the trial is not cached."""
        found = self._trial_id_to_study_id_and_number.get(trial_id)
        return None if found is None else found[1]

    def drop_cached(self, study_id: int) -> list[int]:
        """Empty the cache of a study, and return the ids of the trials that it held."""
        with self._lock:
            numbers = self._studies.pop(study_id, _StudyInfo()).trials
            ids = [self._study_id_and_number_to_trial_id.pop((study_id, n)) for n in numbers]
            for trial_id in ids:
                self._trial_id_to_study_id_and_number.pop(trial_id, None)
        return ids

    def read_new(self, study_id: int, known: Container[int]) -> None:
        """Read into the cache what changed in a study since the last call.

        Args:
            study_id: The study.
            known: RUNNING trials that the cache holds already and that need not be read; Optuna's
                way, which this is, reads them all the same.
        """
        super()._read_trials_from_remote_storage(study_id)

    def _read_trials_from_remote_storage(self, study_id: int) -> None:
        self.read_new(study_id, known=())
