"""What can be imported from the three packages, and what importing them does not load."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import studies
from studies import HpoError, errors

HEAVY = ("keras", "tensorflow", "jax", "optuna", "sqlalchemy", "pandas")


def loaded(code: str) -> set[str]:
    """Return the heavy libraries that a fresh Python has after running `code`."""
    report = f"; import sys; print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code + report], capture_output=True, text=True, check=True
    )
    return set(done.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("package", ["studies", "storage", "objectives"])
def test_public_names_are_sorted_and_importable(package: str) -> None:
    module = importlib.import_module(package)
    # Constants, classes, functions: as ruff sorts them.
    order = sorted(module.__all__, key=lambda n: (not n.isupper(), not n[0].isupper(), n))
    assert module.__all__ == order
    for name in module.__all__:
        assert getattr(module, name) is not None


def test_what_studies_imports_lazily_is_what_it_makes_public() -> None:
    exported = {
        name
        for name, found in vars(errors).items()
        if isinstance(found, type) and issubclass(found, HpoError)
    }
    assert sorted([*studies._HOME, *exported]) == sorted(studies.__all__)
    for name in exported:
        assert getattr(studies, name) is getattr(errors, name)
    for name, home in studies._HOME.items():
        found = getattr(studies, name)
        assert inspect.unwrap(found) is getattr(importlib.import_module(home), name)
        assert found is getattr(studies, name)
    with pytest.raises(AttributeError, match="has no attribute 'create_studdy'"):
        _ = studies.create_studdy


def test_to_read_a_study_no_definition_and_no_objective_is_loaded(study_url: str) -> None:
    code = (
        "import sys; from studies.cli.commands import app\n"
        "try: app([{0!r}, 's', '--storage', {1!r}])\n"
        "except SystemExit as end: assert not end.code\n"
        "print([n for n in sys.modules if n.startswith(('objectives', 'studies.definition'))"
        " or n == 'rich.live'])"
    )
    for command in ("status", "best"):
        done = subprocess.run(
            [sys.executable, "-c", code.format(command, study_url)],
            capture_output=True,
            text=True,
            check=True,
        )
        assert "trial" in done.stdout
        light = {"objectives", "objectives.code", "objectives.code.names", "objectives.errors"}
        assert set(ast.literal_eval(done.stdout.splitlines()[-1])) == light


def test_the_check_itself_sees_a_library() -> None:
    assert "sqlalchemy" in loaded("import storage")


@pytest.mark.parametrize(
    "code",
    [
        "import studies",
        "from studies import HpoError, DatabaseError",
        "import studies.cli.commands",
        "import objectives",
    ],
)
def test_importing_is_light(code: str) -> None:
    assert loaded(code) == set()


def test_asking_for_help_is_light() -> None:
    run = "import runpy, sys, contextlib; sys.argv = ['hpo', '--help']\n"
    run += "with contextlib.suppress(SystemExit): runpy.run_module('studies', run_name='__main__')"
    assert loaded(run + "\npass") == set()
    done = subprocess.run(
        [sys.executable, "-m", "studies", "--help"], capture_output=True, text=True, check=True
    )
    assert "create" in done.stdout


def test_the_storage_loads_no_network_and_validating_a_study_no_keras() -> None:
    assert loaded("import storage") & {"keras", "tensorflow", "jax"} == set()
    validate = "from studies import load_definition; load_definition('digits-mlp')"
    assert loaded(validate) & {"keras", "tensorflow", "jax"} == set()


@pytest.mark.parametrize("name", ["objectives", "storage"])
def test_a_package_of_the_users_that_hides_ours_is_named(name: str, tmp_path: Path) -> None:
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").write_text("")
    command = [sys.executable, "-c", "from studies import run"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert f"Received: {tmp_path / name / '__init__.py'}, which hides it." in last
    assert "Give that one another name" in last


def test_a_notebook_lists_the_public_names() -> None:
    assert dir(studies) == sorted(studies.__all__)
