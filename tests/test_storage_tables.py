"""Optuna's tables, copied: what this package adds to them shows in its own storages only."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy
from optuna.storages import RDBStorage
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.schema import CreateIndex, CreateTable

from storage import TrialStorage, Worker, create_storage, record_worker, workers_seen
from storage.optuna_internals import TABLES
from storage.tables import QUEUE_INDEX, STUDIES, TRIALS, WORKERS, create_additions

# In a process of its own, since the question is what an import does to a whole process.
PLAIN_BESIDE_OURS = """
import sys
import optuna
if sys.argv[1] != "nothing":
    import storage
    if sys.argv[1] == "created":
        storage.create_storage("sqlite:///ours.db")
optuna.create_study(storage="sqlite:///plain.db", study_name="s")
"""


def parts(sql: str) -> set[str]:
    """Return the columns and constraints of a CREATE statement, whose order does not matter."""
    return {line.strip().rstrip(",") for line in sql.strip().splitlines()}


def schema(file: Path) -> dict[str, set[str]]:
    """Return name -> parts of all tables and indexes of a SQLite file."""
    statement = "SELECT name, sql FROM sqlite_master WHERE sql NOT NULL"
    with closing(sqlite3.connect(file)) as connection:
        return {name: parts(sql) for name, sql in connection.execute(statement)}


def schema_of_plain_study(folder: Path, done: str) -> dict[str, set[str]]:
    """Make a plain study in a process that has done `nothing`, or `imported` or `created` ours."""
    folder.mkdir()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-c", PLAIN_BESIDE_OURS, done]
    subprocess.run(
        command, cwd=folder, env=environment, check=True, capture_output=True, timeout=300
    )
    return schema(folder / "plain.db")


def test_a_plain_study_has_nothing_of_ours_whatever_this_package_did_before(tmp_path: Path) -> None:
    untouched = schema_of_plain_study(tmp_path / "0", "nothing")
    assert "AUTOINCREMENT" not in str(untouched)
    assert not [name for name in untouched if name.startswith("hpo")]
    assert schema_of_plain_study(tmp_path / "1", "imported") == untouched
    assert schema_of_plain_study(tmp_path / "2", "created") == untouched
    ours = schema(tmp_path / "2" / "ours.db")
    added = {"hpo_trials_by_state", "hpo_workers", "sqlite_sequence"}
    assert ours.keys() - untouched.keys() == added
    changed = {name for name in untouched if ours[name] != untouched[name]}
    assert changed == {"studies", "trials"}
    assert all("AUTOINCREMENT" in str(ours[name]) for name in changed)


@pytest.mark.parametrize("dialect", [sqlite.dialect(), postgresql.dialect()], ids=lambda d: d.name)
def test_the_copies_differ_from_optunas_tables_in_two_things_only(
    dialect: sqlalchemy.Dialect,
) -> None:
    for original in TABLES.sorted_tables:
        copied = STUDIES.metadata.tables[original.name]
        expected = parts(str(CreateTable(original).compile(dialect=dialect)))
        if dialect.name == "sqlite" and copied in (STUDIES, TRIALS):
            (key,) = original.primary_key.columns.keys()
            expected -= {f"{key} INTEGER NOT NULL", f"PRIMARY KEY ({key})"}
            expected |= {f"{key} INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT"}
        assert parts(str(CreateTable(copied).compile(dialect=dialect))) == expected
        indexes = {str(CreateIndex(i).compile(dialect=dialect)) for i in copied.indexes}
        known = {str(CreateIndex(i).compile(dialect=dialect)) for i in original.indexes}
        added = str(CreateIndex(QUEUE_INDEX).compile(dialect=dialect))
        assert indexes == (known | {added} if copied is TRIALS else known)


def test_a_database_of_ours_is_complete(storage_url: str) -> None:
    storage = create_storage(storage_url)
    inspector = sqlalchemy.inspect(storage.engine)
    names = set(inspector.get_table_names())
    assert names == {*TABLES.tables, WORKERS.name, "alembic_version"}
    plain = RDBStorage(storage_url)  # which checks the versions that were written
    assert plain.get_current_version() == plain.get_head_version()
    plain.engine.dispose()
    storage.engine.dispose()


@pytest.mark.parametrize("older", [False, True], ids=["none before", "an older one"])
def test_two_workers_that_start_at_once_make_one_table_of_workers(
    storage: TrialStorage, storage_url: str, older: bool
) -> None:
    with storage.transaction() as connection:
        connection.exec_driver_sql("DROP TABLE hpo_workers")
        if older:
            connection.exec_driver_sql("CREATE TABLE hpo_workers (worker VARCHAR(512))")

    def start() -> None:
        other = create_storage(storage_url)
        record_worker(other, Worker("other", "host", 1))
        other.engine.dispose()

    other = threading.Thread(target=start)

    def meanwhile(
        _connection: object, _cursor: object, sql: str, values: object, *_: object
    ) -> None:
        if other.ident is None and "hpo_workers" in f"{sql} {values}":
            other.start()
            other.join(timeout=1)  # for ever, where it waits for this one

    event.listen(storage.engine, "after_cursor_execute", meanwhile)
    create_additions(storage.engine)
    other.join()
    assert [worker.name for worker in workers_seen(storage)] == ["other"]
