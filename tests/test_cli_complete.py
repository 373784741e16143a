"""What a shell completes, asked as the shell asks: names of studies, and no word of errors."""

from __future__ import annotations

import time
from pathlib import Path

import optuna
import pytest
from typer.testing import CliRunner

from storage import create_storage
from studies.catalog.shipped import catalog
from studies.cli.commands import app


def completed(line: str, url: str = "") -> list[str]:
    """Return what bash is told for a line whose last word is incomplete."""
    words = line.split(" ")
    asked = {"_HPO_COMPLETE": "complete_bash", "COMP_WORDS": line}
    asked |= {"COMP_CWORD": str(len(words) - 1), "OPTUNA_STORAGE": url}
    done = CliRunner().invoke(app, [], env=asked, prog_name="hpo")
    assert done.stderr == ""
    return done.stdout.split()


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_names_in_the_storage_are_completed(storage_url: str) -> None:
    storage = create_storage(storage_url)
    for name in ("lr", "lr-2", "other"):
        optuna.create_study(storage=storage, study_name=name)
    for command in ("status", "best", "export", "retry", "delete", "worker other", "run"):
        assert completed(f"hpo {command} lr", storage_url) == ["lr", "lr-2"], command
    assert completed(f"hpo test --storage {storage_url} o") == ["other"]


def test_what_can_be_made_is_completed_where_it_is_made(tmp_path: Path) -> None:
    (tmp_path / "digits.toml").touch()
    (tmp_path / "digits.txt").touch()
    assert completed("hpo run digits") == ["digits-mlp", "digits.toml"]
    assert completed("hpo create ./d") == ["./digits.toml"]
    assert completed(f"hpo run {tmp_path}/") == [f"{tmp_path}/digits.toml"]
    assert completed("hpo run ") == sorted([*catalog(), "digits.toml"])
    assert completed("hpo status digits") == []
    assert not (tmp_path / "hpo.db").exists()


@pytest.mark.parametrize(
    "url",
    [
        "sqlite:///none.db",
        "sqlite:////none/none.db",
        "postgresql://me:secret@127.0.0.1:1/hpo",
        "postgresql://me:secret@me@/:",
        "nonsense",
    ],
)
def test_where_nothing_can_be_read_nothing_is_said(
    monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    pauses: list[float] = []

    def rest(seconds: float) -> None:
        pauses.append(seconds)
        raise TimeoutError

    monkeypatch.setattr(time, "sleep", rest)
    assert completed("hpo status a", url) == []
    assert pauses == [], "a shell does not wait for a database"
    Path("none.db").write_text("no database")
    assert completed("hpo best a", url) == []
