"""A user's function by name: its file, what it imports from beside it, hash and backend."""

from __future__ import annotations

from pathlib import Path

import pytest

from objectives.code.source_code import CodeError, distribution, find


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Write a file, two modules and a package that it imports, and one that it does not."""
    (tmp_path / "net.py").write_text(
        "import keras\nimport numpy as np\nimport parts\nfrom lib import blocks\n"
        "raise SystemExit('executed')\n"
        "def build(trial):\n    from deeper import late\n    return keras\n"
    )
    (tmp_path / "parts.py").write_text("import net\n")  # a circle
    (tmp_path / "deeper.py").write_text("import tensorflow as tf\nlate = 1\n")
    (tmp_path / "unused.py").write_text("import jax\n")
    (tmp_path / "lib" / "inner").mkdir(parents=True)
    (tmp_path / "lib" / "__init__.py").write_text("")
    (tmp_path / "lib" / "blocks.py").write_text("from .inner import tail\nfrom . import side\n")
    (tmp_path / "lib" / "side.py").write_text("")
    (tmp_path / "lib" / "other.py").write_text("")
    (tmp_path / "lib" / "inner" / "__init__.py").write_text("")
    (tmp_path / "lib" / "inner" / "tail.py").write_text("def build(trial): ...\n")
    return tmp_path


OF_NET = [
    "deeper.py",
    "lib/__init__.py",
    "lib/blocks.py",
    "lib/inner/__init__.py",
    "lib/inner/tail.py",
    "lib/side.py",
    "net.py",
    "parts.py",
]


def test_the_files_are_those_that_are_imported_from_its_folder(folder: Path) -> None:
    code = find("net.py:build", folder)
    assert list(code.files) == OF_NET
    assert code.backend == "tensorflow"
    assert list(find("net:build", folder).files) == OF_NET
    inner = find("lib.inner.tail:build", folder)
    assert list(inner.files) == ["lib/__init__.py", "lib/inner/__init__.py", "lib/inner/tail.py"]
    assert inner.backend is None


@pytest.mark.parametrize("name", ["net.py", "lib/side.py", "lib/inner/__init__.py"])
def test_a_change_in_any_of_them_is_another_hash(folder: Path, name: str) -> None:
    before = find("net.py:build", folder).sha256
    assert find(f"{folder}/net.py:build", Path("/")).sha256 == before  # wherever it is started
    (folder / "lib" / "other.py").write_text("changed = True\n")
    (folder / "unused.py").write_text("")
    assert find("net.py:build", folder).sha256 == before
    with (folder / name).open("a") as file:
        file.write("# a word\n")
    assert find("net.py:build", folder).sha256 != before


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        ("nowhere.py:build", ["no such file", "nowhere.py"]),
        ("lib/nowhere.py:build", ["no such file", "lib/nowhere.py"]),
        ("nowhere.at.all:build", ["no module nowhere.at.all", "path/of/file.py:function"]),
        ("net.py:biuld", ["a function of net.py", "build", "biuld", "Did you mean build?"]),
        ("broken.py:build", ["broken.py, line 2"]),
        ("uses_broken.py:build", ["broken.py, line 2"]),
        ("latin.py:build", ["latin.py", "utf-8"]),
    ],
)
def test_a_mistake_is_found_without_executing_anything(
    folder: Path, objective: str, words: list[str]
) -> None:
    (folder / "broken.py").write_text("def build(trial):\n    return (\n")
    (folder / "uses_broken.py").write_text("import broken\ndef build(trial): ...\n")
    (folder / "latin.py").write_bytes(b"name = '\xe9'\n")
    with pytest.raises(CodeError) as caught:
        _ = find(objective, folder).files
    for word in words:
        assert word in str(caught.value)


def test_an_installed_package_is_known_by_name_and_version() -> None:
    assert str(distribution("numpy.linalg")).startswith("numpy 2")
    assert distribution("net") is None
