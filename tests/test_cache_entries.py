"""The cache: what it holds is listed and removed, unless it is being made."""

from __future__ import annotations

from pathlib import Path

import pytest
from filelock import FileLock
from typer.testing import CliRunner

from objectives.cache import cache_folder
from objectives.cache_entries import cache_entries
from objectives.clock.render_options import Rendering
from studies.cli.commands import app


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Fill a cache of this test: programs, clocks of two versions, an unfinished rendering."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    now = Rendering(size=16).folder
    made = [cache_folder("jax"), now.with_name("v1-16"), now, now.with_name("v2-99.unfinished")]
    for folder in made:
        (folder / "inner").mkdir(parents=True)
        (folder / "inner" / "file").write_bytes(b"x" * 1_500_000)
    (tmp_path / "hpo" / "clocks" / "mine.txt").write_text("mine")
    return made


def test_what_is_cached_is_listed_and_removed(folders: list[Path], tmp_path: Path) -> None:
    assert {entry.folder: entry.what for entry in cache_entries()} == dict(
        zip(
            folders,
            (
                "programs that JAX has compiled",
                "rendered clocks of an earlier version",
                "rendered clocks",
                "clocks whose rendering has not ended",
            ),
            strict=True,
        )
    )
    kept = CliRunner().invoke(app, ["clean"], input="n\n")
    assert kept.exit_code == 1
    assert kept.output.count("1.5 MB") == 4
    assert all(folder.is_dir() for folder in folders)
    done = CliRunner().invoke(app, ["clean", "--yes"])
    assert (done.exit_code, done.output.splitlines()[-1]) == (0, "4 of 4 removed.")
    assert cache_entries() == []
    assert (tmp_path / "hpo" / "clocks" / "mine.txt").read_text() == "mine"
    assert CliRunner().invoke(app, ["clean"]).output.startswith("Nothing is cached")


def test_what_a_removal_has_left_is_removed_with_the_rest(folders: list[Path]) -> None:
    left = folders[2].with_name(f"{folders[2].name}.removed")
    (left / "inner").mkdir(parents=True)
    assert [entry.what for entry in cache_entries()].count("what a removal has left") == 1
    assert CliRunner().invoke(app, ["clean", "--yes"]).exit_code == 0
    assert cache_entries() == []


def test_what_is_being_rendered_stays(folders: list[Path]) -> None:
    with FileLock(folders[3].with_name("v2-99.lock")):
        done = CliRunner().invoke(app, ["clean", "--yes"])
    assert done.output.splitlines()[-2:] == [
        "3 of 4 removed.",
        f"{folders[3]} is being made just now.",
    ]
    assert [folder.is_dir() for folder in folders] == [False, False, False, True]
