"""Studies of users' functions on the command line: what is trusted, looked for, and told."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from commands import HERE
from typer.testing import CliRunner, Result

from storage import create_storage
from studies import create_study, load_study
from studies.cli.commands import app
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
            WorkerError, match="If you trust it: --allow-module leaves_a_mark, in P"
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
    told = "Study s is ready. Work on it: hpo worker --allow-module user_objectives s\n"
    assert words.output == told
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
