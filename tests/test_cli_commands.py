"""The command line as a user meets it: help, errors, exit codes, and 80 columns."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from importlib.metadata import version
from pathlib import Path
from typing import Any

import optuna
import pytest
import typer
from commands import hpo, hpo_here
from PIL import Image
from small_studies import table
from typer.testing import CliRunner

import objectives
from studies import create_study, load_study
from studies.cli.commands import app, make_app
from studies.definition.study import parse_definition


def commands_of(made: typer.Typer) -> dict[str, Any]:
    return dict(typer.main.get_command(made).commands)  # type: ignore[attr-defined]


COMMANDS = sorted(commands_of(app))
README = Path(__file__).parents[1] / "README.md"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_an_example(command: str, tmp_path: Path) -> None:
    done = hpo(command, "--help", url="", folder=tmp_path)
    assert done.returncode == 0
    assert f"Example: hpo {command}" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_version_and_completion_are_there() -> None:
    shown = CliRunner().invoke(app, ["--version"])
    assert shown.output == f"hpo {version('hpo')}\n"
    assert "--install-completion" in CliRunner().invoke(app, ["--help"]).output


def test_only_the_options_of_the_command_that_is_named_are_read() -> None:
    """To read those of all takes as long as all else that `hpo --help` does."""
    lean, whole = (commands_of(made) for made in (make_app(["hpo", "status"]), app))
    assert list(lean) == list(whole)
    for name, command in whole.items():
        assert lean[name].get_short_help_str() == command.get_short_help_str()
        options = [option.name for option in lean[name].params]
        assert options == ([option.name for option in command.params] if name == "status" else [])
    assert len(whole["status"].params) > 2


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_stands_in_the_readme(command: str) -> None:
    assert f"hpo {command}" in README.read_text()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["run", "digits-mpl"], "Did you mean digits-mlp?"),
        (["status", "nope"], "Expected a study in the storage, one of s. Received: nope."),
        (["best", "digits-mlp"], "Make it first: hpo create digits-mlp"),
        (["export", "s", "-o", "out.xls"], "ends in csv, parquet, json, md"),
        (["model", "s", "-o", "best.h5"], "ends in .keras"),
        (["model", "s", "--trial", "77", "-o", "b.keras"], "77"),
        (["objectives", "mpl"], "Did you mean mlp?"),
        (["create", "s", "--set", "epochs=0"], "--set epochs: fixed.epochs: Expected an int >= 1"),
        (["create", "s", "--set", "epochs=3"], "Choose another name with --name."),
        (["create", "s", "--name", "t", "--set", "optimizer=adm"], "Did you mean 'adam'?"),
        (
            ["create", "s", "--name", "t", "--set", "name.x=1"],
            "name.x: Expected name to be a table",
        ),
        (
            ["create", "s", "--name", "t", "--set", "data.train_size=9999"],
            "data.train_size: Expected",
        ),
        (["list", "--storage", "mysql://u:secret@h/d"], "Received: scheme='mysql'"),
        (["list", "--storage", "sqlite:///nowhere/x.db"], "Expected an existing folder."),
        (["list", "--storage", "postgresql://u:secret@127.0.0.1:1/d"], "u:***@127.0.0.1:1/d"),
    ],
)
def test_an_error_is_one_or_two_lines_with_the_remedy(
    study_url: str, tmp_path: Path, arguments: list[str], expected: str
) -> None:
    done = hpo_here(*arguments, url=study_url, folder=tmp_path)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ")
    assert expected in done.stderr
    assert len(done.stderr.splitlines()) <= 2
    assert "secret" not in done.stderr


def test_debug_shows_the_traceback(study_url: str, tmp_path: Path) -> None:
    done = hpo("--debug", "status", "nope", url=study_url, folder=tmp_path)
    assert done.returncode == 1
    assert "Traceback" in done.stderr


def test_a_wrong_option_is_a_usage_error(study_url: str, tmp_path: Path) -> None:
    done = hpo("create", "s", "--set", "epochs", url=study_url, folder=tmp_path)
    assert done.returncode == 2
    assert "Expected KEY=VALUE" in done.stderr


def test_list_shows_the_catalogue_and_the_storage(study_url: str, tmp_path: Path) -> None:
    done = hpo("list", url=study_url, folder=tmp_path)
    assert done.returncode == 0
    assert "fashion-mlp-grid" in done.stdout
    assert "3 complete, 1 fail" in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 80


def test_creating_twice_and_a_larger_budget(sqlite_url: str, tmp_path: Path) -> None:
    for arguments in (["-n", "5"], ["-n", "5"], ["-n", "8"]):
        done = hpo("create", "clock-heads", *arguments, url=sqlite_url, folder=tmp_path)
        assert done.returncode == 0, done.stderr
    assert len(load_study("clock-heads", sqlite_url)[0].trials) == 8


def test_delete_asks_first(study_url: str, tmp_path: Path) -> None:
    kept = hpo("delete", "s", url=study_url, folder=tmp_path, stdin="n\n")
    assert kept.returncode == 1
    assert "Nothing was changed." in kept.stderr
    gone = hpo("delete", "s", url=study_url, folder=tmp_path, stdin="y\n")
    assert gone.returncode == 0
    assert hpo("status", "s", url=study_url, folder=tmp_path).returncode == 1


@pytest.mark.parametrize("command", ["run", "create", "delete", "worker"])
def test_a_mistake_makes_no_file(tmp_path: Path, command: str) -> None:
    (tmp_path / "broken.toml").write_bytes(b"\xff")
    for source in ("nosuch", "broken.toml"):
        done = hpo(command, source, url=f"sqlite:///{tmp_path}/new.db", folder=tmp_path)
        assert done.returncode == 1
        assert done.stderr.startswith("error: ")
    assert not (tmp_path / "new.db").exists()


def test_a_worker_waits_in_no_file_that_is_not_there(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new.db"
    done = hpo("worker", "--wait", url=url, folder=tmp_path)
    assert done.returncode == 1
    assert f"Expected a storage that is there. Received: {url}." in done.stderr
    assert not (tmp_path / "new.db").exists()
    with closing(sqlite3.connect(tmp_path / "new.db")) as connection:
        connection.execute("CREATE TABLE of_another_program (number INTEGER)")
        assert hpo_here("worker", url=url, folder=tmp_path).stderr == done.stderr
        tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
    assert tables == [("of_another_program",)]


def test_a_study_is_found_by_the_file_that_it_was_made_from(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hpo.db"
    text = 'name = "mine"\nobjective = "mlp"\ndataset = "digits"\n'
    text += "[search]\nn_trials = 1\n[space]\ndropout = [0.1]\n"
    (tmp_path / "file.toml").write_text(text)
    assert hpo("create", "file.toml", url=url, folder=tmp_path).returncode == 0
    assert "mine" in hpo("status", "file.toml", url=url, folder=tmp_path).stdout
    missing = hpo("model", "mine", "--trial", "77", "-o", "a.keras", url=url, folder=tmp_path)
    assert "Expected the number of a trial of mine. Received: trial=77." in missing.stderr


def test_names_are_shown_as_they_are_however_long(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hpo.db"
    names = ("mlp[/a]", "mlp[a]", "long-" * 39 + "name")
    for name in names:
        lines = table(name=name, fixed={"epochs": 1}, space={"activation": ["relu"]})
        create_study(parse_definition(lines), url, artifacts=tmp_path / "artifacts")
    listed = hpo("list", url=url, folder=tmp_path)
    assert listed.returncode == 0, listed.stderr
    assert max(map(len, listed.stdout.splitlines())) <= 80
    first = "".join(line.split(" ")[0] for line in listed.stdout.splitlines())
    for name in names:
        assert name in first
    study, _ = load_study("mlp[a]", url)
    study.add_trial(optuna.trial.create_trial(value=1.0))
    best = hpo("best", "mlp[a]", url=url, folder=tmp_path)
    assert "mlp[a]: the best of" in best.stdout


def test_objectives_tell_each_hyperparameter(tmp_path: Path) -> None:
    for name in objectives.names():
        done = hpo("objectives", name, url="", folder=tmp_path)
        assert done.returncode == 0
        text = " ".join(done.stdout.split())
        for info in objectives.get(name).hyperparameters.describe():
            needed = [name for need in info.needs for name in need]
            for word in (info.name, info.kind, *(info.levels or ()), *needed):
                assert word in text
        assert max(map(len, done.stdout.splitlines())) <= 80


def test_the_default_storage_is_a_file_in_the_current_folder(tmp_path: Path) -> None:
    command = [sys.executable, "-P", "-m", "studies", "create", "digits-mlp"]
    subprocess.run(command, cwd=tmp_path, check=True, env={"PATH": "/usr/bin:/bin"})
    assert (tmp_path / "hpo.db").exists()


def test_optunas_own_command_reads_the_storage(study_url: str, tmp_path: Path) -> None:
    optuna = Path(sys.executable).with_name("optuna")
    command = [str(optuna), "trials", "--storage", study_url, "--study-name", "s", "-f", "json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert '"hidden_units": "32-16"' in done.stdout


def test_reading_commands_make_no_storage(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new.db"
    listed = hpo("list", url=url, folder=tmp_path)
    assert listed.returncode == 0
    assert "digits-mlp" in listed.stdout
    assert "There is no storage yet." in listed.stdout
    for command in (["best", "s"], ["status"], ["export", "s"], ["dashboard"]):
        done = hpo(*command, url=url, folder=tmp_path)
        assert done.returncode == 1
        assert "Expected a storage that is there." in done.stderr
    assert not (tmp_path / "new.db").exists()


def test_a_sheet_of_clocks_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    options = ["--set", "size=20", "--set", "n_images=100"]
    said = hpo("data", "clock", "-o", "sheet.png", "-n", "6", *options, url="", folder=tmp_path)
    assert said.returncode == 0, said.stderr
    assert list((tmp_path / "cache").rglob("images.npy")) == []  # no more than the six are rendered
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (3 * 160, 2 * (160 + 18))
    said = hpo("data", "digits", "-o", "digits.png", url="", folder=tmp_path)
    assert said.returncode == 0, said.stderr
    for wrong, words in (
        (["-o", "sheet.txt"], "error: Expected a file name that ends in .png."),
        (["-o", "s.png", "--set", "siz=20"], "error: --set data.siz: data.siz: Expected a key"),
    ):
        said = hpo("data", "clock", *wrong, url="", folder=tmp_path)
        assert said.returncode == 1
        assert said.stderr.startswith(words)
