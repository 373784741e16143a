"""Studies that an earlier version made go on: studies_of_before.sql is the database it left."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from commands import hpo

import studies
from storage import TrialStorage, create_storage, first_attempt, overview, study_id

SQL = Path(__file__).with_name("studies_of_before.sql")
MLP, GRID = "digits-mlp", "digits-grid"
VALUES = {  # the best first
    MLP: [0.9375, 0.9270833333, 0.5243055556, 0.3229166667, 0.1388888889, 0.1041666667],
    GRID: [0.1736111111, 0.1527777778],
}


@pytest.fixture
def before(sqlite_url: str, tmp_path: Path) -> TrialStorage:
    """Load the database of the earlier version into a fresh file, and open it."""
    text = SQL.read_text().replace("{{ARTIFACTS}}", str(tmp_path / "artifacts"))
    with closing(sqlite3.connect(tmp_path / "hpo.db")) as connection:
        connection.executescript(text)
    return create_storage(sqlite_url)


@pytest.mark.parametrize("name", VALUES)
def test_a_study_is_loaded_and_its_trials_are_ranked_as_before(
    before: TrialStorage, name: str
) -> None:
    study, definition = studies.load_study(name, before)
    assert definition.name == study.study_name == name
    assert list(studies.best_trials(study)["value"]) == pytest.approx(VALUES[name])
    assert len(studies.export_trials(study)) == {MLP: 9, GRID: 2}[name]


def test_the_link_between_an_interrupted_trial_and_its_retry_is_found(before: TrialStorage) -> None:
    study, _ = studies.load_study(MLP, before)
    interrupted, retry = study.trials[1:3]
    assert (interrupted.state.name, retry.state.name) == ("FAIL", "COMPLETE")
    assert first_attempt(retry) == first_attempt(interrupted) == 1
    progress = overview(before, study_id(study))
    assert (progress.ended, progress.retried) == (8, 1)


def test_the_commands_that_read_show_them(
    before: TrialStorage, sqlite_url: str, tmp_path: Path
) -> None:
    status = hpo("status", url=sqlite_url, folder=tmp_path)
    assert status.returncode == 0, status.stderr
    assert "8/12" in status.stdout
    assert "2/6" in status.stdout
    assert "best val_accuracy 0.9375 (max) in trial 7" in status.stdout
    best = hpo("best", MLP, url=sqlite_url, folder=tmp_path)
    assert best.returncode == 0, best.stderr
    assert "0.9375" in best.stdout


def test_they_are_finished_to_exactly_their_budget_and_then_extended(
    before: TrialStorage, sqlite_url: str, tmp_path: Path
) -> None:
    mlp, _ = studies.load_study(MLP, before)
    grid, _ = studies.load_study(GRID, before)
    old = mlp.get_trials()

    run = hpo("run", MLP, "-j", "1", url=sqlite_url, folder=tmp_path)
    assert run.returncode == 0, run.stderr
    assert overview(before, study_id(mlp)).ended == 12
    assert len(mlp.get_trials()) == 13  # one lineage has two attempts
    assert mlp.get_trials()[: len(old)] == old

    created = hpo("create", MLP, "-n", "14", url=sqlite_url, folder=tmp_path)
    assert created.returncode == 0, created.stderr
    worker = hpo("worker", url=sqlite_url, folder=tmp_path)
    assert worker.returncode == 0, worker.stderr
    assert overview(before, study_id(mlp)).ended == 14
    assert len(mlp.get_trials()) == 15
    assert overview(before, study_id(grid)).ended == 6
    assert {t.state.name for t in grid.get_trials()} == {"COMPLETE"}
