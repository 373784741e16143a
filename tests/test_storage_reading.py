"""Programs that only read: they need no right to write, make nothing, and leave others' alone."""

from __future__ import annotations

import ctypes
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy
from commands import COMMAND, hpo
from queues import adaptive, end, new_study

from storage import DatabaseNotFoundError, SchemaError, claim, create_storage, workers_seen

PR_CAPBSET_DROP, CAP_DAC_OVERRIDE = 24, 1
READ = """
import sys
from storage import create_storage
storage = create_storage(sys.argv[1], writes=False)
(study,) = storage.get_all_studies()
print(study.study_name, [trial.state.name for trial in storage.get_all_trials(1)])
"""
OTHERS = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
    "INSERT INTO alembic_version VALUES ('1975ea83b712')",
    "CREATE TABLE customers (id INTEGER)",
)


@pytest.fixture
def closed_folder(tmp_path: Path) -> Iterator[Path]:
    """Return a folder with a storage, in which no program may write in this test."""
    folder = tmp_path / "a b%"
    folder.mkdir()
    storage = create_storage(f"sqlite:///{folder}/hpo.db")
    trials = claim(storage, new_study(storage, adaptive(2), name="s"), 2)
    end(storage, trials[0])
    storage.engine.dispose()
    yield folder
    folder.chmod(0o755)


def without_rights(*command: str) -> subprocess.CompletedProcess[str]:
    """Run a command that obeys the rights of files even where the tests run as root."""

    def obey() -> None:
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0)

    return subprocess.run(
        command, preexec_fn=obey, capture_output=True, text=True, check=False, timeout=300
    )


@pytest.mark.parametrize("in_use", [False, True], ids=["at rest", "in use"])
def test_a_file_in_a_folder_that_is_read_only_can_be_read(
    closed_folder: Path, in_use: bool
) -> None:
    url = f"sqlite:///{closed_folder}/hpo.db".replace("%", "%25")
    storage = create_storage(url)
    if in_use:  # what it has written lies in the file beside
        new_end = storage.get_all_trials(1)[1]
        end(storage, new_end)
    else:
        storage.engine.dispose()
    closed_folder.chmod(0o555)
    found = without_rights(sys.executable, "-c", READ, url)
    assert found.stdout.strip() == f"s ['COMPLETE', '{'COMPLETE' if in_use else 'RUNNING'}']"
    assert without_rights("touch", f"{closed_folder}/x").returncode == 1  # it is read-only


def test_a_worker_ends_at_once_where_it_may_only_read_the_file(closed_folder: Path) -> None:
    url = f"sqlite:///{closed_folder}/hpo.db".replace("%", "%25")
    (closed_folder / "hpo.db").chmod(0o444)
    refused = without_rights(*COMMAND, "worker", "--storage", url)
    assert refused.returncode == 1
    assert "(no right to write to the file)" in refused.stderr, "it tried again for ten minutes"


def tables(url: str) -> set[str]:
    engine = sqlalchemy.create_engine(url)
    found = set(sqlalchemy.inspect(engine).get_table_names())
    engine.dispose()
    return found


def of_others(url: str) -> None:
    engine = sqlalchemy.create_engine(url)
    with engine.begin() as connection:
        for statement in OTHERS:
            connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.mark.parametrize("writes", [False, True], ids=["reading", "writing"])
def test_a_database_of_another_program_is_refused_as_such_and_left_alone(
    storage_url: str, writes: bool
) -> None:
    of_others(storage_url)
    with pytest.raises(SchemaError, match="'1975ea83b712', which another program has written"):
        create_storage(storage_url, writes=writes)
    assert tables(storage_url) == {"alembic_version", "customers"}


def test_a_database_without_studies_is_not_there_for_those_who_read(storage_url: str) -> None:
    engine = sqlalchemy.create_engine(storage_url)
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE TABLE customers (id INTEGER)")
    engine.dispose()
    with pytest.raises(DatabaseNotFoundError, match=r"Give another with --storage"):
        create_storage(storage_url, writes=False)
    assert tables(storage_url) == {"customers"}


def test_reading_adds_nothing_to_what_optuna_has_made(storage_url: str) -> None:
    code = "import sys, optuna; optuna.create_study(storage=sys.argv[1], study_name='s')"
    subprocess.run([sys.executable, "-c", code, storage_url], check=True, timeout=300)
    before = tables(storage_url)
    storage = create_storage(storage_url, writes=False)
    assert [study.study_name for study in storage.get_all_studies()] == ["s"]
    assert workers_seen(storage) == []
    storage.engine.dispose()
    assert tables(storage_url) == before
    assert "hpo_workers" not in before


def test_the_commands_tell_of_an_empty_database_and_of_another_programs(
    sqlite_url: str, tmp_path: Path
) -> None:
    (tmp_path / "hpo.db").touch()
    done = hpo("list", url=sqlite_url, folder=tmp_path)
    assert "There is no storage yet." in done.stdout
    assert (tmp_path / "hpo.db").stat().st_size == 0
    of_others(sqlite_url)
    done = hpo("status", url=sqlite_url, folder=tmp_path)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("error: Expected a database whose table alembic_version is")
