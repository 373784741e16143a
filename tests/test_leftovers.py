"""What deleted studies have left: it is told from what other studies have, and removed."""

from __future__ import annotations

from pathlib import Path

import optuna
import pytest
from optuna.trial import create_trial
from small_studies import table
from typer.testing import CliRunner

from storage import create_storage, trial_id
from studies import create_study
from studies.attributes import CREATED_KEY
from studies.cli.commands import app
from studies.definition.study import parse_definition
from studies.lookup import file_name
from studies.worker.checkpoints import checkpoint_file, mark_of
from studies.worker.loop import WorkerOptions, open_session
from studies.worker.open_studies import OpenStudies


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def worked_on(url: str, folder: Path, name: str) -> list[Path]:
    """Make a study on which a worker has worked; return its files."""
    study = create_study(parse_definition(table(name=name)), url, artifacts=folder)
    session = open_session(url, WorkerOptions())
    studies = OpenStudies(session.database, session.log, [name], [])
    studies.open(*studies.names())
    created_at = study.user_attrs[CREATED_KEY]
    checkpoint = checkpoint_file(folder, created_at, create_trial(value=1.0))
    files = [
        folder / f"{mark_of(created_at)}-0123",
        checkpoint,
        checkpoint.with_suffix("") / "resume" / "step",  # of a function
        folder / "logs" / file_name(name, "-17-0.log"),
    ]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * 500_000)
    return files


def clean(url: str, answer: str, *more: str) -> str:
    """Return what the command prints."""
    arguments = ["clean", "--storage", url, *more]
    return CliRunner().invoke(app, arguments, input=answer, env={"COLUMNS": "80"}).output


def test_files_of_a_deleted_study_are_listed_and_removed_and_no_others(
    storage_url: str, tmp_path: Path
) -> None:
    folder, other = tmp_path / "hpo-artifacts", f"sqlite:///{tmp_path}/other.db"
    gone = worked_on(storage_url, folder, "gone")
    stays = worked_on(storage_url, folder, "gone-too")  # its logs begin alike
    elsewhere = worked_on(other, folder, "gone")  # in another storage, by the same name
    mine = folder / "mine.txt"
    mine.touch()
    assert "Nothing is cached" in clean(storage_url, "")
    optuna.delete_study(storage=create_storage(storage_url), study_name="gone")  # as the dashboard
    shown = clean(storage_url, "n\n")
    assert "1.5 MB  3 files of the deleted study gone" in shown
    assert all(file.exists() for file in gone)
    assert "1 of 1 removed." in clean(storage_url, "y\n")
    assert [file.exists() for file in gone] == [False, False, False, True]
    assert gone[3] == elsewhere[3], "a log of both, one of which is there"
    assert all(file.exists() for file in [*stays, *elsewhere, mine])
    assert "Nothing is cached" in clean(storage_url, "")
    optuna.delete_study(storage=create_storage(other), study_name="gone")
    assert "2.0 MB  4 files of the deleted study gone" in clean(other, "y\n")
    assert not any(file.exists() for file in elsewhere)


def test_a_file_that_a_copy_of_the_study_has_too_stays(sqlite_url: str, tmp_path: Path) -> None:
    folder = tmp_path / "artifacts"
    network, *_ = worked_on(sqlite_url, folder, "first")
    storage = create_storage(sqlite_url)
    study = optuna.create_study(storage=storage, study_name="other")
    trial = study.ask()
    shared = folder / f"{network.name}-4567"
    shared.touch()
    storage.set_trial_system_attr(trial_id(trial), f"artifacts:{shared.name}", "{}")
    optuna.delete_study(storage=storage, study_name="first")
    assert "Nothing is cached" in clean(sqlite_url, "")  # no study tells of the folder any more
    assert "1 of 1 removed." in clean(sqlite_url, "y\n", "--artifacts", "artifacts")
    assert not network.exists()
    assert shared.exists()


def test_a_storage_that_cannot_be_read_hides_no_cache(tmp_path: Path) -> None:
    (tmp_path / "cache" / "hpo" / "jax").mkdir(parents=True)
    (tmp_path / "no.db").write_text("no database")
    for url in ("sqlite:///none.db", "sqlite:///no.db"):
        shown = clean(url, "n\n")
        assert "programs that JAX has compiled" in shown
        assert ("is not looked for" in shown) is (url == "sqlite:///no.db")
