"""A database that is away is waited for, with its own words in the log; other errors are not."""

from __future__ import annotations

import socket
import sqlite3
import threading
from collections.abc import Callable
from contextlib import ExitStack
from types import SimpleNamespace

import optuna
import pytest
import sqlalchemy
from optuna.exceptions import StorageInternalError
from optuna.storages import BaseStorage
from queues import adaptive, new_study
from small_workers import away
from sqlalchemy.exc import DataError, OperationalError

from storage import (
    DatabaseUnreachableError,
    cause_of,
    claim,
    create_storage,
    is_outage,
    outages,
    trial_id,
    wait_for_database,
)

FULL = OperationalError("INSERT", {}, sqlite3.OperationalError("database or disk is full\nor not"))
TOO_LARGE = DataError("INSERT", {}, Exception("integer out of range"))
# They have another effect when they are repeated, or belong to no trial that a worker executes.
NOT_REPEATABLE = {
    "create_new_study",
    "create_new_trial",
    "delete_study",
    "set_trial_state_values",
}


def wrapped(error: Exception) -> StorageInternalError:
    """Return an error as Optuna raises it."""
    outer = StorageInternalError("An exception is raised during the commit.")
    outer.__cause__ = error
    return outer


@pytest.mark.parametrize("error", [FULL, wrapped(FULL)], ids=["plain", "by Optuna"])
def test_the_log_says_what_is_wrong_with_the_database(
    monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    slept: list[float] = []
    clock = SimpleNamespace(monotonic=lambda: sum(slept), sleep=slept.append)
    monkeypatch.setattr(outages, "time", clock)
    told: list[str] = []
    failing = [error]

    def action() -> str:
        if failing:
            raise failing.pop()
        return "done"

    found = wait_for_database(action, warn=lambda words, *values: told.append(words % values))
    assert found == "done"
    assert told == [
        "the database does not answer, trying again in 0.5 s: database or disk is full",
        "the database answers again after 0.5 s",
    ]


@pytest.mark.parametrize("error", [TOO_LARGE, wrapped(TOO_LARGE)], ids=["plain", "by Optuna"])
def test_what_the_database_refuses_is_no_outage(error: Exception) -> None:
    def action() -> None:
        raise error

    with pytest.raises(type(error)):
        wait_for_database(action)
    assert not is_outage(error)


@pytest.mark.parametrize(
    ("url", "may_pass"),
    [
        ("postgresql://user@127.0.0.1:1/db", True),  # refused: it may be about to start
        ("sqlite:////proc/hpo.db", False),
    ],
)
def test_only_a_database_that_may_come_back_is_waited_for(url: str, may_pass: bool) -> None:
    with pytest.raises(DatabaseUnreachableError) as caught:
        create_storage(url)
    assert is_outage(caught.value) is may_pass
    assert cause_of(caught.value) == caught.value.cause != ""


def test_a_database_that_is_not_there_is_not_waited_for(postgres_url: str) -> None:
    missing = sqlalchemy.make_url(postgres_url).set(database="nobody")
    with pytest.raises(DatabaseUnreachableError) as caught:
        create_storage(missing.render_as_string(hide_password=False))
    assert not is_outage(caught.value)


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        ("sslmode", "bogus", "invalid sslmode value"),
        ("options", "-c foo=bar", 'parameter "foo"'),
        ("user", "nobody_may", "not permitted to log in"),
    ],
)
def test_what_a_person_has_written_wrong_is_not_waited_for(
    postgres_server: sqlalchemy.URL, postgres_url: str, key: str, value: str, said: str
) -> None:
    url = sqlalchemy.make_url(postgres_url)
    with sqlalchemy.create_engine(postgres_server, poolclass=sqlalchemy.NullPool).begin() as made:
        made.exec_driver_sql("DROP ROLE IF EXISTS nobody_may; CREATE ROLE nobody_may NOLOGIN")
    mended = url.set(username=value) if key == "user" else url.update_query_dict({key: value})
    with pytest.raises(DatabaseUnreachableError) as caught:
        create_storage(mended.render_as_string(hide_password=False))
    assert said in caught.value.cause
    assert not is_outage(caught.value)


def test_a_server_without_tls_is_not_waited_for_where_tls_is_wanted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        answers = threading.Thread(target=_refuse_tls, args=(server,))
        answers.start()
        port = server.getsockname()[1]
        with pytest.raises(DatabaseUnreachableError, match="does not support SSL") as caught:
            create_storage(f"postgresql://user@127.0.0.1:{port}/db?sslmode=require")
        answers.join()
    assert not is_outage(caught.value)


def _refuse_tls(server: socket.socket) -> None:
    """Answer a client's first question as PostgreSQL does that has no certificate."""
    client, _ = server.accept()
    with client:
        client.recv(8)
        client.sendall(b"N")


def test_a_trial_of_a_patient_storage_waits_wherever_the_database_goes_away(
    postgres_server: sqlalchemy.URL, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outages, "FIRST_PAUSE", 0.1)
    storage = create_storage(postgres_url, waiting=False, patient=True)
    (claimed,) = claim(storage, new_study(storage, adaptive(1), name="s"))
    study = optuna.load_study(study_name="s", storage=storage)
    trial = optuna.trial.Trial(study, trial_id(claimed))
    for step, use in enumerate(
        (
            lambda: trial.suggest_float("x", 0, 1),
            lambda: trial.report(0.5, 7),
            lambda: trial.should_prune(),
            lambda: trial.set_user_attr("note", "kept"),
        )
    ):
        with ExitStack() as stack:
            stack.enter_context(away(postgres_server, postgres_url))
            end, is_over = stack.pop_all().close, threading.Event()

            def come_back(end: Callable[[], None] = end, over: threading.Event = is_over) -> None:
                over.set()  # before, since what waits for it may go on before `end` returns
                end()

            back = threading.Timer(0.3, come_back)
            back.start()
            use()
            assert is_over.is_set(), step
            back.join()
    (stored,) = storage.get_all_trials(1)
    assert (stored.intermediate_values, stored.user_attrs["note"]) == ({7: 0.5}, "kept")
    assert 0 <= stored.params["x"] <= 1
    storage.engine.dispose()


def test_each_method_of_a_storage_is_patient_or_known_to_be_none() -> None:
    methods = {n for n in vars(BaseStorage) if n.startswith(("get_", "set_", "create_", "delete_"))}
    patient = {n for n in methods if n in vars(outages.PatientStorage)}
    assert methods - patient == NOT_REPEATABLE


def test_transactions_see_what_others_have_written_whatever_the_server_says(
    postgres_url: str,
) -> None:
    name = sqlalchemy.make_url(postgres_url).database
    first = create_storage(postgres_url)
    with first.transaction() as connection:
        connection.exec_driver_sql(
            f"ALTER DATABASE {name} SET default_transaction_isolation = 'repeatable read'"
        )
    first.engine.dispose()
    storage = create_storage(f"{postgres_url}&options=-c%20statement_timeout%3D5000")
    with storage.transaction() as connection:
        shown = [
            connection.exec_driver_sql(f"SHOW {each}").scalar_one()
            for each in ("transaction_isolation", "timezone", "statement_timeout")
        ]
    storage.engine.dispose()
    assert shown == ["read committed", "UTC", "5s"]
