"""Studies of users' functions on the command line: what is trusted, looked for, and told."""

from __future__ import annotations

import os
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
from commands import HERE
from typer.testing import CliRunner, Result

from storage import create_storage
from studies import create_study, load_study
from studies.cli.commands import app
from studies.cli.trust import file_arguments
from studies.definition.study import parse_definition
from studies.errors import DefinitionError, WorkerError

STUDY = 'name = "{name}"\nobjective = "{function}"\ndirection = "minimize"\n'
SEARCH = '[search]\nsampler = "random"\nn_trials = 1\n[space]\nx = {low = 0.0, high = 1.0}\n'


def hpo(command: str, function: str, url: str, *options: str, name: str = "s") -> Result:
    """Run a command on the definition of a study in this process; its errors are raised."""
    file = Path(url.removeprefix("sqlite:///")).with_name("s.toml")
    file.write_text(STUDY.format(name=name, function=function) + SEARCH)
    arguments = [command, str(file), "--storage", url, *options]
    return CliRunner().invoke(app, arguments, catch_exceptions=False)


@pytest.fixture(autouse=True)
def _here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be where the module of functions is."""
    monkeypatch.chdir(HERE)


@pytest.mark.parametrize("command", ["run", "create"])
@pytest.mark.parametrize("there_is_a_file", [False, True])
def test_a_function_that_is_not_there_leaves_no_study_behind(
    sqlite_url: str, command: str, *, there_is_a_file: bool
) -> None:
    if there_is_a_file:
        create_storage(sqlite_url).engine.dispose()
    says = r"s\.toml, line 2: objective: Expected a function of user_objectives"
    with pytest.raises(DefinitionError, match=says):
        hpo(command, "user_objectives:nofunc", sqlite_url, "--allow-module", "user_objectives")
    assert Path(sqlite_url.removeprefix("sqlite:///")).exists() == there_is_a_file
    if there_is_a_file:
        assert create_storage(sqlite_url).get_all_studies() == []


def test_no_code_is_executed_that_the_command_does_not_trust(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "leaves_a_mark.py").write_text("open('mark', 'w')\ndef f(trial): return 1.0\n")
    monkeypatch.chdir(tmp_path)
    function = "leaves_a_mark:f"
    lines = tomllib.loads(STUDY.format(name="a b", function=function) + SEARCH)
    create_study(parse_definition(lines), sqlite_url)

    def of_the_database(command: str, *options: str) -> Result:
        arguments = [command, "a b", "--storage", sqlite_url, *options]
        return CliRunner().invoke(app, arguments, catch_exceptions=False)

    for command, options in (("run", ()), ("create", ("--allow-module", "another"))):
        with pytest.raises(
            WorkerError,
            match=r"If you trust it: --allow-module leaves_a_mark, in P.*toml file will",
        ):
            of_the_database(command, *options)
    ready, hint = of_the_database("create").output.splitlines()
    assert ready.endswith("Work on it: hpo worker --allow-module leaves_a_mark 'a b'")
    assert f"looks for its function {function} before the first trial" in hint
    assert hint.endswith("hpo create --allow-module leaves_a_mark 'a b' looks for it here.")
    with pytest.raises(WorkerError):
        of_the_database("worker")
    assert not (tmp_path / "mark").exists()
    # A file on the command line is trusted, but not a study of the database that has its name.
    hpo("create", function, sqlite_url, name="a b")
    assert (tmp_path / "mark").exists()


def test_a_study_that_is_named_as_a_file_is_not_trusted_as_it(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("mine", "others"):
        (tmp_path / f"{name}.py").write_text(f"open('{name}-mark', 'w')\ndef f(trial): return 1.\n")
    monkeypatch.chdir(tmp_path)
    lines = tomllib.loads(STUDY.format(name="s.toml", function="others:f") + SEARCH)
    create_study(parse_definition(lines), sqlite_url)
    (tmp_path / "s.toml").write_text(STUDY.format(name="s", function="mine:f") + SEARCH)
    for command in ("run", "create", "worker"):
        with pytest.raises(WorkerError, match="If you trust it: --allow-module others"):
            CliRunner().invoke(
                app, [command, "s.toml", "--storage", sqlite_url], catch_exceptions=False
            )
    assert not (tmp_path / "others-mark").exists()


def test_a_function_that_is_there_is_not_told_of(sqlite_url: str) -> None:
    words = hpo("create", "user_objectives:quick", sqlite_url, "--allow-module", "user_objectives")
    file = Path(sqlite_url.removeprefix("sqlite:///")).with_name("s.toml")
    # The code of a file on the command line is trusted.
    assert words.output == f"Study s is ready. Work on it: hpo worker {file}\n"
    other = hpo("create", "user_objectives:quick", sqlite_url, "--name", "other")
    assert other.output.endswith("hpo worker --allow-module user_objectives other\n")
    assert load_study("s", sqlite_url)[1].objective == "user_objectives:quick"


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (
            "__main__:f",
            "Write it into a file beside it, such as my_objective.py, and name it my_ob",
        ),
        ("storage.mine:f", "are this service's own packages: yours needs another name."),
        (
            "mpl",
            "Did you mean mlp[?] A function of your own is written module:function or file.py",
        ),
    ],
)
def test_an_objective_that_cannot_be_is_refused_with_the_remedy(
    sqlite_url: str, function: str, expected: str
) -> None:
    with pytest.raises(DefinitionError, match=expected):
        hpo("create", function, sqlite_url)


def test_how_often_a_function_is_called_in_a_trial_is_told(
    sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = SEARCH.replace("n_trials = 1", "n_trials = 1\nreplicates = 3\nseed = 7")
    monkeypatch.setattr(sys.modules[__name__], "SEARCH", lines)
    line = "A trial calls the function with trial.seed 7 to 9; its value is the mean."
    assert line in hpo("create", "user_objectives:quick", sqlite_url).output


def test_a_study_that_an_earlier_n_has_cut_says_so_and_how_to_go_on(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXECUTIONS", str(tmp_path / "executions"))
    monkeypatch.setenv("PYTHONPATH", str(HERE), prepend=os.pathsep)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(HERE)
    monkeypatch.setattr(sys.modules[__name__], "SEARCH", SEARCH.replace("= 1\n", "= 3\n"))
    for options in ((), ("-n", "2")):
        hpo("create", "user_objectives:quick", sqlite_url, *options)
    done = hpo("run", "user_objectives:quick", sqlite_url)
    file = Path(sqlite_url.removeprefix("sqlite:///")).with_name("s.toml")
    line = f"s has 2 trials by an earlier -n, its definition 3. All of them: hpo run -n 3 {file}"
    assert line in done.output.splitlines()
    assert "the best of 2 trials" in done.output
    again = hpo("run", "user_objectives:quick", sqlite_url, "-n", "3")
    assert "an earlier -n" not in again.output
    assert "the best of 3 trials" in again.output


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, "{}"),
        ({"name": "an other", "quick": True}, "--name='an other' --quick {}"),
        (
            {"pairs": ["epochs=3", "search.n_trials=5", "search.timeout=9"]},
            "--set epochs=3 {}",
        ),
    ],
)
def test_the_arguments_that_name_a_file_again(
    options: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    file = tmp_path / "s.toml"
    file.touch()
    assert file_arguments(str(file), "s", **options) == expected.format(file)
    assert file_arguments(str(file), str(file), **options) is None
    assert file_arguments("s", "s", **options) is None
