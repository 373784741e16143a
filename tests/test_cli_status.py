"""The text of `hpo status`, once and redrawn."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path

import optuna
import pytest
import sqlalchemy
from commands import COMMAND, environment, hpo, wait_until
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState
from queues import traffic
from rich.console import Console
from small_studies import RANDOM, table
from small_workers import away
from sqlalchemy import orm

from storage import (
    StudyGoneError,
    TrialStorage,
    Worker,
    best_points,
    claim,
    create_storage,
    outages,
    record_worker,
    study_id,
    trial_id,
)
from studies import create_study, load_study
from studies.cli import live
from studies.cli.status import status_view
from studies.cli.tables import best_table
from studies.definition.study import parse_definition
from studies.errors import StudyNotFoundError
from studies.lookup import definition_of, find_study, open_study


def _no_query(*_: object, **__: object) -> None:
    raise AssertionError("Optuna's ORM was asked")


def test_status_tells_why_trials_failed(study_url: str, tmp_path: Path) -> None:
    done = hpo("status", "s", url=study_url, folder=tmp_path)
    assert done.returncode == 0
    assert "3 complete, 1 fail" in done.stdout
    assert "trial 3 failed: the loss was nan" in done.stdout
    assert "Queue them again: hpo retry s" in done.stdout


def test_status_tells_what_was_deleted_and_it_is_queued_again(
    study_url: str, tmp_path: Path
) -> None:
    storage = create_storage(study_url)
    with storage.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM trial_params WHERE trial_id = 2")
        connection.exec_driver_sql("DELETE FROM trials WHERE trial_id = 2")
    words = " ".join(hpo("status", "s", url=study_url, folder=tmp_path).stdout.split())
    assert "3/4" in words
    missing = "1 of 4 points of the design are missing, their rows were deleted: hidden_units 16, "
    assert f"{missing}optimizer sgd. Queue them again: hpo create s" in words
    assert hpo("create", "s", url=study_url, folder=tmp_path).returncode == 0
    study, _ = load_study("s", study_url)
    assert [t.number for t in study.trials] == [0, 2, 3, 4], "no number is given twice"
    assert study.trials[-1].params == {"hidden_units": "16", "optimizer": "sgd"}
    assert create_study(definition_of(study), study_url).trials == study.trials


def test_status_and_best_agree_on_the_best_of_equals(study_url: str, tmp_path: Path) -> None:
    study, _ = load_study("s", study_url)
    study.add_trial(optuna.trial.create_trial(value=0.7))
    done = hpo("status", "s", url=study_url, folder=tmp_path)
    assert "best val_accuracy 0.7000 (max) in trial 2" in done.stdout
    ranked = hpo("best", "s", "--top", "1", url=study_url, folder=tmp_path)
    rows = [line.split() for line in ranked.stdout.splitlines() if " 0.7000" in line]
    assert [row[:2] for row in rows] == [["2", "0.7000"]]


def test_status_and_best_read_no_trial_but_those_they_show(
    sqlite_storage: TrialStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = create_study(parse_definition(table(search=RANDOM | {"n_trials": 40})), sqlite_storage)
    for trial in claim(sqlite_storage, study_id(study), 40):
        sqlite_storage.set_trial_intermediate_value(trial_id(trial), 1, 0.5)
        if trial.number % 2:
            sqlite_storage.set_trial_state_values(trial_id(trial), TrialState.FAIL)
        else:
            study.tell(trial.number, trial.number / 40)
    url = str(sqlite_storage.engine.url)
    # Nor do they ask by Optuna's ORM, whose first query is a tenth of the time of a command.
    monkeypatch.setattr(orm.Query, "__init__", _no_query)
    reader = create_storage(url, waiting=False, writes=False)
    console = Console(width=80)
    with console.capture() as shown, traffic(reader) as sent:
        console.print(status_view(reader, find_study("s", reader)))
        console.print(best_table(study, best_points(open_study("s", reader), 3)))
    assert len(sent.trials) == 4  # the best one twice
    lines = shown.get().splitlines()
    assert lines[1].strip() == "20 complete, 20 fail"
    assert [line for line in lines if "failed" in line][-1] == "trial 39 failed: unknown"
    assert lines[-6].startswith("s: the best of 40 trials")
    assert [line.split()[0] for line in lines[-3:]] == ["38", "36", "34"]


def test_a_trial_that_was_claimed_just_now_is_not_told_to_lack_a_worker(
    storage: TrialStorage, tmp_path: Path
) -> None:
    definition = parse_definition(table(search=RANDOM))
    study = create_study(definition, storage, artifacts=tmp_path)
    (lost, _) = claim(storage, study_id(study), 2)
    console = Console(width=80)

    def told() -> str:
        with console.capture() as shown:
            console.print(status_view(storage, "s"))
        return shown.get()

    assert "2 running" in told()
    assert "without a worker" not in told(), "its worker is recorded after its claim"
    with storage.transaction() as connection:
        of_lost = f"trial_id = {trial_id(lost)}"
        long_ago = "heartbeat = '2001-01-01 00:00:00'"
        connection.exec_driver_sql(f"UPDATE trial_heartbeats SET {long_ago} WHERE {of_lost}")
    assert "\n1 running without a worker that is seen here" in told()
    study.ask()  # of a user's own loop, without a heartbeat
    assert "\n2 running without a worker that is seen here" in told()
    worker = Worker("w", "host", 1, study_name="s", trial_numbers=(lost.number,))
    record_worker(storage, worker)
    assert "\n1 running without a worker that is seen here" in told()


def test_many_parameters_are_broken_between_two_and_a_function_has_no_epochs(
    sqlite_storage: TrialStorage,
) -> None:
    study = optuna.create_study(storage=sqlite_storage, study_name="f")
    space = {f"a_long_name_{i}": FloatDistribution(0.0, 1.0) for i in range(6)}
    params = dict.fromkeys(space, 0.25)
    study.add_trial(optuna.trial.create_trial(value=1.0, params=params, distributions=space))
    console = Console(width=80)
    with console.capture() as shown:
        console.print(best_table(study, best_points(study, 1)))
    lines = [line.rstrip() for line in shown.get().splitlines()]
    assert lines[1].split() == ["trial", "value", "parameters", "time"]
    assert max(map(len, lines)) <= 80
    broken = " ".join(line[line.index("a_long") :] for line in lines[2:])
    assert broken == ", ".join(f"{name}=0.25" for name in space)


def test_no_word_is_broken_where_five_parameters_have_columns_of_their_own(
    sqlite_storage: TrialStorage,
) -> None:
    study = optuna.create_study(storage=sqlite_storage, study_name="fashion-mlp-rounds")
    params = {
        "activation": "sigmoid",
        "optimizer": "rmsprop",
        "learning_rate": 0.000389,
        "dropout": 0.25,
        "hidden_units": "256-128-64",
    }
    space = {name: CategoricalDistribution([value]) for name, value in params.items()}
    attributes = {"epochs": 25, "train_seconds": 121.9}
    made = optuna.trial.create_trial(
        value=0.9003, params=params, distributions=space, user_attrs=attributes
    )
    study.add_trial(made)
    console = Console(width=80)
    with console.capture() as shown:
        console.print(best_table(study, best_points(study, 1)))
    lines = [line.split() for line in shown.get().splitlines()]
    assert lines[1] == ["learning", "hidden"]
    assert lines[2] == [
        "trial",
        "value",
        *"activation optimizer rate dropout units epochs time".split(),
    ]
    assert lines[3][2:] == [
        "sigmoid",
        "rmsprop",
        "0.000389",
        "0.25",
        "256-128-64",
        "25",
        "121.9",
        "s",
    ]


def test_studies_that_are_worked_on_come_first_where_not_all_fit(
    study_url: str, tmp_path: Path
) -> None:
    storage = create_storage(study_url)
    two = {"optimizer": ["adam", "sgd"]}
    for name in ("waits", "runs", "waits too"):
        definition = parse_definition(table(name=name, search={"design": "grid"}, space=two))
        study = create_study(definition, study_url, artifacts=tmp_path / "artifacts")
        if name == "runs":
            claim(storage, study_id(study))
    for height, order, last in (
        (None, ["s", "waits", "runs", "waits too"], ""),
        (40, ["runs", "waits", "waits too", "s"], ""),
        (6, ["runs"], "and 3 more studies: hpo status"),
        (13, ["runs", "waits", "waits too"], "and 1 more study: hpo status"),
    ):
        console = Console(width=80, height=height)
        with console.capture() as shown:
            console.print(status_view(storage, None, None if height is None else console))
        lines = [line.strip() for line in shown.get().splitlines()]
        heads = [re.split(r"\s{2,}| ━", line)[0] for line in lines if re.search(r" \d/\d", line)]
        assert heads == order
        assert lines[-1] == last
        assert height is None or len(lines) <= height


def test_no_time_left_is_told_where_nobody_works(study_url: str, tmp_path: Path) -> None:
    storage = create_storage(study_url)
    study = load_study("s", study_url)[0]
    study.enqueue_trial({"hidden_units": "16", "optimizer": "adam"})
    (trial,) = claim(storage, study_id(study))  # by a worker that is killed at once
    status = hpo("status", "s", url=study_url, folder=tmp_path).stdout
    assert "4/5" in status
    assert "trials/min" in status
    assert " left" not in status
    record_worker(storage, Worker("w", "host", 1, "cpu", "s", (trial.number,)))
    status = hpo("status", "s", url=study_url, folder=tmp_path).stdout
    assert re.search(r"trials/min, (\d+ min )?\d+ s left", status)


# Shells start what runs in the background, as these tests may, with SIGINT ignored.
INTERRUPTIBLE = """
import os, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)
os.execv(sys.argv[1], sys.argv[1:])
"""


def test_watch_redraws_until_interrupted(study_url: str, tmp_path: Path) -> None:
    controller, terminal = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", INTERRUPTIBLE, *COMMAND, "status", "s", "--watch"],
        env=environment(study_url, tmp_path) | {"TERM": "xterm"},
        stdin=terminal,
        stdout=terminal,
        stderr=subprocess.PIPE,
    )
    os.close(terminal)
    shown = b""

    def shows(words: bytes) -> bool:
        nonlocal shown
        with contextlib.suppress(OSError):  # its end closes the terminal
            if select.select([controller], [], [], 0)[0]:
                shown += os.read(controller, 65536)
        return words in shown

    wait_until(lambda: shows(b"3 complete, 1 fail"), "the study is shown")
    load_study("s", study_url)[0].enqueue_trial({})
    wait_until(lambda: shows(b"1 waiting"), "the change is shown")
    process.send_signal(signal.SIGINT)
    # Read on: it cannot end while the terminal does not take its last words.
    wait_until(lambda: shows(b"") and process.poll() is not None, "it ends")
    assert process.returncode == 130
    assert process.communicate()[1] == b""
    os.close(controller)


def test_watch_waits_for_a_database_that_is_away(
    postgres_server: sqlalchemy.URL,
    postgres_url: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(outages, "FIRST_PAUSE", 0.1)
    monkeypatch.setattr(live, "REDRAW", 0.05)
    create_study(parse_definition(table()), postgres_url, artifacts=tmp_path)
    shown = io.StringIO()

    def take_away() -> None:
        with away(postgres_server, postgres_url):
            wait_until(lambda: "the database does not answer" in shown.getvalue(), "it waits")
        wait_until(lambda: "the database answers again" in shown.getvalue(), "it goes on")
        optuna.delete_study(study_name="s", storage=create_storage(postgres_url))

    changes = threading.Thread(target=take_away)
    storage = create_storage(postgres_url, waiting=False, writes=False)
    changes.start()
    # It may be deleted before it is looked for, or while it is read.
    with pytest.raises((StudyNotFoundError, StudyGoneError)):
        live.watch_status(storage, "s", Console(file=shown, width=200))
    changes.join()


def test_the_time_of_a_trial_is_shown_without_what_it_has_compiled(
    sqlite_storage: TrialStorage,
) -> None:
    study = optuna.create_study(storage=sqlite_storage, study_name="f")
    for value, seconds in enumerate(({"train_seconds": 9.0, "compile_seconds": 8.5}, {}, {})):
        attributes = {"train_seconds": 0.75, **seconds}
        study.add_trial(optuna.trial.create_trial(value=value, user_attrs=attributes))
    console = Console(width=80)
    with console.capture() as shown:
        console.print(best_table(study, best_points(study, 3)))
    lines = [line.strip() for line in shown.get().splitlines()]
    assert [line[-5:] for line in lines[2:5]] == ["0.5 s", "0.8 s", "0.8 s"]
    assert lines[5:] == ["Compiling took 8.5 s more, in 1 of them."]
