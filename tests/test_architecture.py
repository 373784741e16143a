"""The order of the code that import-linter cannot check: circles, imports at the top, folders.

That an arrow never runs up between folders is a contract in pyproject.toml.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator, Sequence
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("studies", "objectives", "storage")
FILES = sorted(file for room in ROOMS for file in (ROOT / room).rglob("*.py"))
FOLDERS = [f for f in FILES if f.name == "__init__.py" and f.parent.parent != ROOT]
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def circle(*packages: str) -> list[str]:
    """Return the modules of a circle of imports, be they lazy or for type checkers only."""
    graph = grimp.build_graph(*packages, cache_dir=None)
    imports = {m: graph.find_modules_directly_imported_by(m) for m in graph.modules}
    try:
        TopologicalSorter(imports).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def imported(statements: Iterator[ast.AST]) -> set[str]:
    """Return the modules that these statements import."""
    names: set[str] = set()
    for each in statements:
        if isinstance(each, ast.Import):
            names |= {alias.name for alias in each.names}
        elif isinstance(each, ast.ImportFrom):
            names.add(each.module or "")
    return names


def executed_on_import(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the statements that run when a module is imported: those outside of functions."""
    for each in body:
        if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(each, ast.If) and "TYPE_CHECKING" in ast.unparse(each.test):
            yield from executed_on_import(each.orelse)
            continue
        yield each
        for part in ("body", "orelse", "finalbody"):
            yield from executed_on_import(getattr(each, part, []))
        for handler in getattr(each, "handlers", []):
            yield from executed_on_import(handler.body)


def relative(files: list[Path]) -> list[str]:
    return [str(file.relative_to(ROOT)) for file in files]


def test_no_circle_of_imports() -> None:
    assert circle(*ROOMS) == []


@pytest.mark.parametrize(
    ("package", "text"),
    [
        ("plain", "from plain import up"),
        ("lazy", "def f():\n    from lazy import up"),
        ("typed", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from typed import up"),
        ("front_door", "from front_door import name"),
    ],
)
def test_the_check_itself_sees_a_circle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, package: str, text: str
) -> None:
    (tmp_path / package).mkdir()
    front_door = f"from {package}.up import name" if package == "front_door" else ""
    (tmp_path / package / "__init__.py").write_text(front_door)
    (tmp_path / package / "up.py").write_text(f"from {package} import down")
    (tmp_path / package / "down.py").write_text(text)
    monkeypatch.syspath_prepend(tmp_path)
    assert {f"{package}.up", f"{package}.down"} <= set(circle(package))


def test_the_command_line_and_the_parent_of_the_executor_load_no_network() -> None:
    modules = ("studies.cli.commands", "studies.worker.loop", "studies.fleet.local")
    report = "print(*{'keras', 'tensorflow', 'jax'} & set(sys.modules))"
    code = f"import sys, {', '.join(modules)}; {report}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_no_file_loads_tensorflow_when_it_is_imported() -> None:
    found = []
    for file in FILES:
        names = imported(executed_on_import(ast.parse(file.read_text()).body))
        if any(name.partition(".")[0] == "tensorflow" for name in names):
            found.append(file)
    assert relative(found) == []


def test_the_check_itself_sees_a_library_that_is_loaded_on_import() -> None:
    text = "if TYPE_CHECKING:\n    import a\ntry:\n    import b\nexcept OSError:\n    import c\n"
    text += "class D:\n    import d\ndef e():\n    import e\n"
    assert imported(executed_on_import(ast.parse(text).body)) == {"b", "c", "d"}


def test_a_folder_has_no_front_door_besides_those_of_the_rooms() -> None:
    trees = {file: ast.parse(file.read_text()) for file in FOLDERS}
    assert len(trees) > 10
    more = [f for f, tree in trees.items() if not ast.get_docstring(tree) or len(tree.body) > 1]
    assert relative(more) == []


def test_no_test_module_imports_another() -> None:
    found = []
    for file in TESTS:
        names = imported(ast.walk(ast.parse(file.read_text())))
        if any(name.rpartition(".")[2].startswith("test_") for name in names):
            found.append(file)
    assert len(TESTS) > 50
    assert relative(found) == []
