"""Users' functions in a worker: what a retry goes on from, what is kept, and what is recorded."""

from __future__ import annotations

import hashlib
import signal
from pathlib import Path
from subprocess import Popen
from typing import Any

import optuna
import pytest
import sqlalchemy
from commands import HERE, executions, start_worker, states, wait_until
from small_workers import function_study

from storage import storage_of
from studies import (
    NetworkNotKeptError,
    StudyNotFoundError,
    checkpoint_folder,
    create_study,
    keep_file,
)
from studies.definition.study import parse_definition
from studies.results.models import save_model


def functions(url: str, folder: Path, name: str, **lines: Any) -> optuna.Study:
    """Make a study of a function that suggests all of its parameters."""
    table = {"name": "s", "objective": f"user_objectives:{name}", "direction": "maximize"}
    return create_study(parse_definition(table | lines), url, artifacts=folder / "artifacts")


def test_a_function_goes_on_from_its_folder_and_its_best_files_are_kept(
    sqlite_url: str, tmp_path: Path, launched: list[Popen[bytes]]
) -> None:
    search = {"sampler": "random", "n_trials": 1}
    lines = {"search": search, "backend": "jax", "keep": 1}
    study = functions(sqlite_url, tmp_path, "keeps_files", **lines)
    launched.append(start_worker("s", url=sqlite_url, folder=tmp_path))
    wait_until(lambda: executions(tmp_path) == [0], "it has begun")
    assert len(list(tmp_path.glob("artifacts/checkpoints/*/resume/step"))) == 1
    launched[0].send_signal(signal.SIGTERM)
    assert launched[0].wait(timeout=300) == 0
    assert "can go on from its checkpoint_folder" in (tmp_path / "worker.log").read_text()
    functions(sqlite_url, tmp_path, "keeps_files", **lines | {"search": search | {"n_trials": 2}})
    launched.append(start_worker("s", url=sqlite_url, folder=tmp_path))
    wait_until(lambda: "FAIL" in states(study) and executions(tmp_path)[-1] == 2, "the last one")
    launched[1].send_signal(signal.SIGTERM)
    assert launched[1].wait(timeout=300) == 0
    assert start_worker("s", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    assert states(study) == {"COMPLETE": 2, "FAIL": 2}
    best = tmp_path / "best.keras"
    assert save_model(study, best) == 3
    assert best.read_text() == "half of 3 on jax"
    with pytest.raises(NetworkNotKeptError, match=r"studies\.keep_file"):
        save_model(study, best, trial=1)  # a better one took the place of its file
    assert list((tmp_path / "artifacts/checkpoints").iterdir()) == []
    attributes = study.trials[3].user_attrs
    assert (attributes["backend"], attributes["device"]) == ("jax", "cpu")
    content = (HERE / "user_objectives.py").read_bytes()
    assert attributes["files_sha256"] == {"user_objectives": hashlib.sha256(content).hexdigest()}


def test_a_function_that_leaves_nothing_begins_anew_and_its_worker_says_so(
    sqlite_url: str, tmp_path: Path, launched: list[Popen[bytes]]
) -> None:
    search = {"sampler": "random", "n_trials": 1}
    study = functions(sqlite_url, tmp_path, "endless", search=search)
    launched.append(start_worker("s", url=sqlite_url, folder=tmp_path))
    wait_until(lambda: executions(tmp_path) == [0], "the trial is executed")
    launched[0].terminate()
    assert launched[0].wait(timeout=300) == 0
    assert "its function begins anew" in study.trials[0].user_attrs["fail_reason"]


def test_files_of_a_trial_of_somebody_elses_study_have_no_place(tmp_path: Path) -> None:
    trial = optuna.create_study().ask()
    for use in (checkpoint_folder, lambda trial: keep_file(trial, tmp_path)):
        with pytest.raises(StudyNotFoundError, match="that this service has made"):
            use(trial)


def test_a_worker_holds_no_more_connections_than_the_readme_tells(
    postgres_url: str, tmp_path: Path, launched: list[Popen[bytes]]
) -> None:
    study = function_study(postgres_url, tmp_path, "quick", 40)
    storage_of(study).engine.dispose()
    engine = sqlalchemy.create_engine(postgres_url, poolclass=sqlalchemy.NullPool)
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    seen: list[int] = []

    def has_ended() -> bool:
        with engine.connect() as connection:
            seen.append(connection.exec_driver_sql(others).scalar_one() - 1)
        return launched[0].poll() is not None

    words = ("s", "--heartbeat=0.1", "--grace=30")
    launched.append(start_worker(*words, url=postgres_url, folder=tmp_path))
    wait_until(has_ended, "all trials end")
    assert states(study) == {"COMPLETE": 40}
    assert 1 < max(seen) <= 3
