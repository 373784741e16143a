"""Opening storages: URLs, passwords that stay secret, locks of SQLite, and Optuna's own tools."""

from __future__ import annotations

import contextlib
import json
import os
import pickle
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

import optuna
import pytest
import sqlalchemy
from optuna.trial import TrialState
from processes import PROCESSES, at_once, meet
from queues import adaptive, new_study

from storage import TrialStorage, claim, create_storage, masked_url, trial_id

PASSWORD = "s3cr{t}%7B%25"


def everything_told(error: BaseException | None) -> str:
    """Return the texts of an error and of all errors in its chain."""
    if error is None:
        return ""
    behind = everything_told(error.__cause__) + everything_told(error.__context__)
    return f"{error!s} {error!r} {behind}"


@contextlib.contextmanager
def raw(storage: TrialStorage) -> Iterator[sqlite3.Connection]:
    """Connect to the file of a storage as another program, without waiting for locks."""
    path = str(storage.engine.url.database)
    with contextlib.closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as connection:
        yield connection


def study_of(storage: TrialStorage) -> int:
    return new_study(storage, adaptive(3), name="s")


# URLs.


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("hpo.db", "storage without a scheme"),
        (f"user:{PASSWORD}@host/db", "storage without a scheme"),
        (f"postgresql://user:a@{PASSWORD}@host/db", "a host with an @"),
        ("postgresql://user:a@b:s3cr1t@host/db", "a port that is no number"),
        (f"mysql://user:{PASSWORD}@host/db", "scheme='mysql'"),
        (f"postgresql+psycopg2://user:{PASSWORD}@host/db", r"scheme='postgresql\+psycopg2'"),
        (f"nonsense://user:{PASSWORD}@host/db", "scheme='nonsense'"),
        ("sqlite://", "an in-memory SQLite database"),
        ("sqlite:///:memory:", "an in-memory SQLite database"),
        ("sqlite:///file::memory:?cache=shared&uri=true", "an in-memory SQLite database"),
        ("sqlite:///file:x?mode=memory&uri=true", "an in-memory SQLite database"),
        ("sqlite:///missing/folder/hpo.db", "Expected an existing folder. Received: .*missing"),
    ],
)
def test_a_url_that_cannot_be_opened_is_a_value_error_without_the_password(
    url: str, told: str
) -> None:
    with pytest.raises(ValueError, match=told) as caught:
        create_storage(url)
    assert "s3cr" not in everything_told(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql://user:{PASSWORD}@127.0.0.1:1/db",
        f"postgresql://127.0.0.1:1/db?user=user&password={PASSWORD}",
    ],
)
def test_a_server_that_does_not_answer_is_a_connection_error_without_the_password(url: str) -> None:
    with pytest.raises(ConnectionError, match=r"postgresql\+psycopg://.*\*\*\*.*refused") as caught:
        create_storage(url)
    assert "s3cr" not in everything_told(caught.value)


def test_a_database_that_is_missing_is_a_connection_error(postgres_url: str) -> None:
    missing = sqlalchemy.make_url(postgres_url).set(database="nobody", password=PASSWORD)
    with pytest.raises(ConnectionError, match='database "nobody" does not exist') as caught:
        create_storage(missing.render_as_string(hide_password=False))
    assert "s3cr" not in everything_told(caught.value)


# In a process of its own, which takes with it the connection that Optuna leaves open.
def test_a_file_that_is_no_database_is_a_connection_error(tmp_path: Path, workers: Pool) -> None:
    (tmp_path / "hpo.db").write_text("no database" * 100)
    with pytest.raises(ConnectionError, match="file is not a database"):
        workers.apply(create_storage, [f"sqlite:///{tmp_path}/hpo.db"])


def test_a_url_is_shown_with_its_password_masked() -> None:
    masked = "postgresql+psycopg://user:***@host/db"
    assert masked_url(f"postgresql://user:{PASSWORD}@host/db") == masked
    query = masked_url(f"postgresql://host/db?password={PASSWORD}&sslpassword={PASSWORD}&user=u")
    assert query == "postgresql+psycopg://host/db?password=***&sslpassword=***&user=u"
    assert masked_url("sqlite:///hpo.db") == "sqlite:///hpo.db"


def test_a_password_may_hold_braces_and_percent_signs(postgres_url: str) -> None:
    url = sqlalchemy.make_url(postgres_url).set(password="p{a}s%s{{/@:")
    storage = create_storage(url.render_as_string(hide_password=False))
    assert storage.engine.url.password == url.password
    assert pickle.loads(pickle.dumps(storage)).engine.url.password == url.password


def test_postgresql_means_psycopg_3(postgres_url: str) -> None:
    storage = create_storage(postgres_url.replace("postgresql+psycopg:", "postgresql:"))
    assert storage.engine.driver == "psycopg"
    assert storage.get_all_studies() == []


# Processes.


def open_and_count_studies(rank: int, url: str) -> int:
    meet()
    return len(create_storage(url).get_all_studies())


# In a process of its own, which takes with it the connection that Optuna leaves open.
def test_tables_of_another_schema_are_refused(
    storage: TrialStorage, storage_url: str, workers: Pool
) -> None:
    with storage.transaction() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'v0.9.0.a'")
    with pytest.raises(RuntimeError, match="version"):
        workers.apply(create_storage, [storage_url])


def test_eight_processes_may_create_one_storage_at_once(storage_url: str, workers: Pool) -> None:
    assert at_once(workers, open_and_count_studies, storage_url) == [0] * PROCESSES
    storage = create_storage(storage_url)
    assert len(claim(storage, study_of(storage), 9)) == 3


def add_twenty(rank: int, url: str) -> None:
    storage = create_storage(url)
    meet()
    for _ in range(20):
        with storage.transaction() as connection:
            count = connection.exec_driver_sql("SELECT number FROM trials").scalar_one()
            connection.exec_driver_sql(f"UPDATE trials SET number = {count + 1}")


def test_what_a_sqlite_transaction_reads_stays_true_until_it_writes(
    sqlite_storage: TrialStorage, sqlite_url: str, workers: Pool
) -> None:
    claim(sqlite_storage, study_of(sqlite_storage))
    at_once(workers, add_twenty, sqlite_url)
    with sqlite_storage.reading() as connection:
        number = connection.exec_driver_sql("SELECT number FROM trials").scalar_one()
    assert number == 20 * PROCESSES


# Locks of SQLite.


def test_a_transaction_holds_the_write_lock_from_its_beginning(
    sqlite_storage: TrialStorage,
) -> None:
    for opened in (sqlite_storage, pickle.loads(pickle.dumps(sqlite_storage))):
        with raw(sqlite_storage) as other, opened.transaction():
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
            assert other.execute("SELECT count(*) FROM trials").fetchone() == (0,)


def test_others_write_while_a_transaction_reads(sqlite_storage: TrialStorage) -> None:
    study_id = study_of(sqlite_storage)
    with raw(sqlite_storage) as other, sqlite_storage.reading() as connection:
        count = "SELECT count(*) FROM trials"
        assert connection.exec_driver_sql(count).scalar_one() == 0
        other.execute(f"INSERT INTO trials (study_id, state) VALUES ({study_id}, 'WAITING')")
        assert connection.exec_driver_sql(count).scalar_one() == 0  # one moment
    with sqlite_storage.reading() as connection:
        assert connection.exec_driver_sql(count).scalar_one() == 1


def test_a_storage_that_only_reads_never_takes_the_write_lock(
    sqlite_storage: TrialStorage, sqlite_url: str
) -> None:
    study_id = study_of(sqlite_storage)
    (trial,) = claim(sqlite_storage, study_id)
    reader = create_storage(sqlite_url, writes=False)
    with raw(sqlite_storage) as other:
        other.execute("BEGIN IMMEDIATE")
        other.execute("UPDATE trials SET state = 'COMPLETE'")
        assert reader.get_trial(trial_id(trial)).state is TrialState.RUNNING
        assert reader.get_study_user_attrs(study_id)["budget"]["n_trials"] == 3
        assert [study.study_name for study in reader.get_all_studies()] == ["s"]
        other.execute("COMMIT")
    with raw(sqlite_storage) as other, reader.transaction():
        other.execute("BEGIN IMMEDIATE")
        assert other.in_transaction


def test_reading_makes_no_file(tmp_path: Path, sqlite_url: str) -> None:
    with pytest.raises(FileNotFoundError, match=r"Expected a storage that is there\."):
        create_storage(sqlite_url, writes=False)
    assert list(tmp_path.iterdir()) == []
    create_storage(sqlite_url)
    assert create_storage(sqlite_url, writes=False).get_all_studies() == []


@pytest.mark.parametrize("waiting", [True, False])
def test_reading_all_trials_takes_no_write_lock(sqlite_url: str, waiting: bool) -> None:
    storage = create_storage(sqlite_url, waiting=waiting)
    study_id = study_of(storage)
    claim(storage, study_id)
    with raw(storage) as other:
        other.execute("BEGIN IMMEDIATE")
        assert len(storage.get_all_trials(study_id)) == 1
        other.execute("ROLLBACK")


def test_sqlite_writes_ahead_so_that_readers_and_a_writer_do_not_wait_for_each_other(
    sqlite_storage: TrialStorage,
) -> None:
    with sqlite_storage.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar_one() == "wal"


# Optuna's own tools.


def optuna_command(*arguments: str) -> Any:
    code = "import sys; from optuna.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, *arguments, "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=300)
    return json.loads(done.stdout)


def best_value(url: str) -> float:
    return optuna.load_study(study_name="s", storage=url).best_value


def test_optuna_reads_the_storage_by_its_plain_url(
    storage: TrialStorage, storage_url: str, workers: Pool
) -> None:
    study_id = study_of(storage)
    trial, _ = claim(storage, study_id, 2)
    storage.set_trial_state_values(trial_id(trial), TrialState.COMPLETE, [0.25])
    assert workers.apply(best_value, [storage_url]) == 0.25
    (study,) = optuna_command("studies", "--storage", storage_url)
    assert (study["name"], study["n_trials"]) == ("s", 2)
    trials = optuna_command("trials", "--storage", storage_url, "--study-name", "s")
    assert [(t["number"], t["state"]) for t in trials] == [(0, "COMPLETE"), (1, "RUNNING")]


def test_a_database_that_optuna_made_gets_what_is_missing(storage_url: str) -> None:
    code = "import sys; from optuna.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "create-study", "--storage", storage_url]
    subprocess.run([*command, "--study-name", "s"], check=True, capture_output=True, timeout=300)
    storage = create_storage(storage_url)
    inspector = sqlalchemy.inspect(storage.engine)
    assert inspector.has_table("hpo_workers")
    assert "hpo_trials_by_state" in {index["name"] for index in inspector.get_indexes("trials")}
    assert [study.study_name for study in storage.get_all_studies()] == ["s"]


def test_a_server_that_vanishes_is_noticed_within_a_minute(postgres_url: str) -> None:
    given = f"{postgres_url}&connect_timeout=3"
    storage = create_storage(given)
    with storage.engine.connect() as connection:
        driver: Any = connection.connection.driver_connection
        found = {option.keyword: option.val for option in driver.pgconn.info if option.val}
    storage.engine.dispose()
    assert found[b"tcp_user_timeout"] == b"60000"
    assert found[b"keepalives_idle"] == b"30"
    assert found[b"connect_timeout"] == b"3"  # as the URL says
    assert b"timezone=utc" in found[b"options"]


def test_no_id_of_a_deleted_study_is_given_out_again(storage: TrialStorage) -> None:
    ids = []
    for _ in range(2):
        study_id = new_study(storage, adaptive(3))
        ids.append((study_id, *(trial_id(trial) for trial in claim(storage, study_id, 2))))
        storage.delete_study(study_id)
    first, second = ids
    assert not set(first[1:]) & set(second[1:])
    assert first[0] != second[0]


DURATION = """
import sys
from storage import claim, create_storage
from storage import trial_id
storage = create_storage(sys.argv[1])
(trial,) = claim(storage, int(sys.argv[2]))
storage.set_trial_state_values(trial_id(trial), type(trial.state).COMPLETE, [0.0])
print(storage.get_trial(trial_id(trial)).duration)
"""


@pytest.mark.parametrize("zone", ["AAA-11", "BBB11"])
def test_the_duration_of_a_trial_does_not_depend_on_the_time_zone(
    storage: TrialStorage, storage_url: str, zone: str
) -> None:
    command = [sys.executable, "-c", DURATION, storage_url, str(study_of(storage))]
    environment = {**os.environ, "TZ": zone, "PGTZ": zone}
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=300
    )
    assert done.stdout.startswith("0:00:")
