"""`hpo best`, `hpo export` and `hpo model` on results that are there, and that are not."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pandas as pd
import pytest
from commands import hpo
from queues import write
from typer.testing import CliRunner

from storage import claim, create_storage, study_id
from studies import create_study
from studies.cli.commands import app
from studies.definition.study import parse_definition
from studies.errors import FolderError


def test_results_are_read_without_the_data_set(sqlite_url: str, tmp_path: Path) -> None:
    import numpy as np

    file = tmp_path / "mine.npz"
    x, y = np.zeros((20, 8, 8), np.uint8), np.arange(20) % 2
    np.savez(file, x_train=x, y_train=y, x_test=x, y_test=y)
    table = {"name": "s", "objective": "mlp", "dataset": str(file)}
    table |= {"search": {"design": "grid"}, "space": {"optimizer": ["adam"]}}
    study = create_study(parse_definition(table), sqlite_url, artifacts=tmp_path / "artifacts")
    claim(create_storage(sqlite_url), study_id(study))
    study.tell(0, 0.5)
    file.unlink()
    for command in (["best", "s"], ["status"], ["status", "s"], ["export", "s"], ["list"]):
        done = hpo(*command, url=sqlite_url, folder=tmp_path)
        assert done.returncode == 0, done.stderr


def test_nothing_complete_is_an_error_of_best_and_model(sqlite_url: str, tmp_path: Path) -> None:
    hpo("create", "digits-mlp", url=sqlite_url, folder=tmp_path)
    for command in (["best", "digits-mlp"], ["model", "digits-mlp", "-o", "b.keras"]):
        done = hpo(*command, url=sqlite_url, folder=tmp_path)
        assert done.returncode == 1
        assert "complete" in done.stderr


def test_a_file_is_overwritten_only_when_that_is_wanted(study_url: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.keras"
    file.write_text("mine")
    for more, words in (
        ([], "Say it with --yes."),
        (["--yes"], "a trial whose network is kept"),
    ):
        done = hpo("model", "s", "-o", "mine.keras", *more, url=study_url, folder=tmp_path)
        assert done.returncode == 1
        assert words in done.stderr
    assert file.read_text() == "mine"


@pytest.mark.parametrize(
    "command",
    [
        ["export", "s", "-o", "none/t.csv"],
        ["model", "s", "-o", "none/t.keras"],
        ["predict", "s", "rows.csv", "-o", "none/t.csv"],
        ["data", "digits", "-o", "none/t.png"],
        ["init", "net.py:build", "--dataset", "digits", "-o", "none/t.toml"],
        ["backup", "none/t.db"],
    ],
)
def test_a_file_for_a_folder_that_is_missing_is_refused_with_the_remedy(
    command: list[str], study_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPTUNA_STORAGE", study_url)
    (tmp_path / "a b").touch()
    for folder, says in (
        ("none", f"no folder {tmp_path}/none. Make it: mkdir -p {tmp_path}/none"),
        ("no ne", f"mkdir -p '{tmp_path}/no ne'"),
        ("a b", f"where {tmp_path}/a b is a file. Name another folder."),
    ):
        words = [word.replace("none", folder) for word in command]
        result = CliRunner().invoke(app, words)
        assert isinstance(result.exception, FolderError)
        assert str(result.exception).startswith("Expected a folder")
        assert "Received: " in str(result.exception)
        assert str(result.exception).endswith(says)
        assert result.output == ""


def test_best_ranks_by_value(study_url: str, tmp_path: Path) -> None:
    done = hpo("best", "s", "--top", "2", url=study_url, folder=tmp_path)
    assert done.returncode == 0
    rows = [line.split()[:2] for line in done.stdout.splitlines() if "0." in line]
    assert rows == [["2", "0.7000"], ["1", "0.6000"]]


def test_export_writes_csv_to_the_screen_and_files_by_their_ending(
    study_url: str, tmp_path: Path
) -> None:
    screen = hpo("export", "s", url=study_url, folder=tmp_path)
    assert screen.stdout.startswith("number,value,state,datetime_start,")
    assert len(screen.stdout.splitlines()) == 5
    done = hpo("export", "s", "--top", "3", "-o", "b.parquet", url=study_url, folder=tmp_path)
    assert done.returncode == 0
    assert list(pd.read_parquet(tmp_path / "b.parquet")["number"]) == [2, 1, 0]


def test_texts_that_are_not_utf8_are_shown(study_url: str, tmp_path: Path) -> None:
    storage = create_storage(study_url)
    for key in ("fail_reason", "file"):
        text = json.dumps(os.fsdecode(b"caf\xe9.png"))
        write(storage, f"DELETE FROM trial_user_attributes WHERE key = '{key}'")
        write(
            storage,
            "INSERT INTO trial_user_attributes (trial_id, key, value_json) "
            f"VALUES (4, '{key}', '{text}')",
        )
    for command in ("status", "export"):
        done = hpo(command, "s", url=study_url, folder=tmp_path)
        assert (done.returncode, done.stderr) == (0, "")
        assert r"caf\udce9.png" in done.stdout
