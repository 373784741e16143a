"""Users' functions are found, and what is wrong with one that is not is said."""

from __future__ import annotations

import hashlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from objectives.code.find_function import find_function
from studies.executor.function_record import record_of

MODULES = {
    "plain_module": "from math import sin\nnumber = 3\ndef mine(trial):\n    return 1.0\n",
    "broken_module": "def f(t)\n    return 1\n",
    "raising_module": "import other_module\n",
    "other_module": "\n\n1 / 0\n",
    "wanting_module": "import no_such_library\n",
    "leaving_module": "import sys\nsys.exit(3)\n",
    "mixing_module": "from objectives import mine\n",
}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Be in a folder with modules, which no later test finds."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    for name, text in MODULES.items():
        (tmp_path / f"{name}.py").write_text(text)
    yield tmp_path
    for name in MODULES:
        sys.modules.pop(name, None)


def test_a_function_is_found_in_the_current_folder_and_in_a_file_made_later(folder: Path) -> None:
    assert find_function("plain_module:mine")(None) == 1.0
    with pytest.raises(ImportError, match=f"nor in {folder}"):
        find_function("later_module:f")
    (folder / "later_module.py").write_text("def f(trial):\n    return 2.0\n")
    assert find_function("later_module:f")(None) == 2.0


def test_a_file_written_twice_within_a_second_is_imported_as_it_is(folder: Path) -> None:
    file = folder / "plain_module.py"
    for value in ("1.0", "2.0"):
        file.write_text(f"def mine(trial):\n    return {value}\n")
        os.utime(file, (1e9, 1e9))
        assert find_function(f"{file}:mine")(None) == float(value)
        del sys.modules["plain_module"]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (
            "plain_module:mint",
            "a function of plain_module, one of mine. Received: mint. Did you me",
        ),
        ("plain_module:number", "Received: plain_module:number, which is of type int."),
        ("absent_module:f", "installed. Received: absent_module, which is neither installed nor"),
        ("plain_module.part:f", "Received: plain_module.part, which is neither"),
        ("broken_module:f", r"SyntaxError: expected ':' \(broken_module.py, line 1\)\."),
        (
            "raising_module:f",
            r"ZeroDivisionError: division by zero \(\S+/other_module.py, line 3\)",
        ),
        (
            "wanting_module:f",
            r"No module named 'no_such_library' \(\S+/wanting_module.py, line 1\)",
        ),
        ("leaving_module:f", "SystemExit: 3 .* Let it do so only if __name__ == '__main__'."),
        ("mixing_module:f", "line 1.* are this service's own packages: yours needs another name."),
    ],
)
def test_what_is_wrong_with_a_function_is_said(function: str, expected: str) -> None:
    with pytest.raises((ImportError, TypeError, ValueError), match=expected) as caught:
        find_function(function)
    assert str(caught.value).startswith("Expected ")


def test_a_function_is_found_in_a_file_with_the_modules_beside_it(folder: Path) -> None:
    beside = folder / "nets"
    beside.mkdir()
    (beside / "helping_module.py").write_text("number = 4.0\n")
    (beside / "helping_package").mkdir()
    (beside / "helping_package" / "__init__.py").touch()
    (beside / "helping_package" / "inner.py").touch()
    (beside / "file_module.py").write_text(
        "import helping_package.inner\nfrom helping_module import number\n"
        "def f(trial):\n    return number\n"
    )
    names = ["file_module", "helping_module", "helping_package", "helping_package.inner"]
    try:
        found = find_function(f"{beside / 'file_module.py'}:f")
        assert found(None) == 4.0
        assert find_function(f"{beside / 'file_module.py'}:f") is found  # imported once
        assert found.__module__ == "file_module"  # as a file beside it would find it
        with pytest.raises(ValueError, match="one of f"):
            find_function(f"{beside / 'file_module.py'}:g")
        recorded = record_of(f"{beside / 'file_module.py'}:f").read_files()["files_sha256"]
        assert sorted(recorded) == names
        content = (beside / "helping_module.py").read_bytes()
        assert recorded["helping_module"] == hashlib.sha256(content).hexdigest()
    finally:
        for name in names:
            sys.modules.pop(name, None)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("absent.py", "no such file as"),
        ("json.py", "a file whose name is that of no other module"),
        ("broken_module.py", "SyntaxError: expected ':'"),
        ("leaving_module.py", "only if __name__ == '__main__'"),
    ],
)
def test_a_file_that_cannot_be_imported_is_told(folder: Path, file: str, expected: str) -> None:
    (folder / "json.py").write_text("def f(trial):\n    return 1.0\n")
    with pytest.raises(ImportError) as caught:
        find_function(f"{folder / file}:f")
    assert expected in str(caught.value)
