"""Where `hpo run` writes trials: beside a file of the user's that has the name of the study."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import hpo

from studies.cli.results_file import results_file

STUDY = """
name = "prices"
objective = "mine.py:f"
direction = "minimize"
[search]
sampler = "random"
n_trials = 1
[space]
x = {low = 0.0, high = 1.0}
"""
TABLE = "area,price\n90,300\n"


def test_a_table_with_the_name_of_the_study_stays_as_it_is(sqlite_url: str, tmp_path: Path) -> None:
    (tmp_path / "s.toml").write_text(STUDY)
    (tmp_path / "mine.py").write_text(
        "def f(trial):\n    return trial.suggest_float('x', 0.0, 1.0)\n"
    )
    table, trials = tmp_path / "prices.csv", tmp_path / "prices-trials.csv"
    table.write_text(TABLE)
    for _ in range(2):  # the second call writes its own file again
        done = hpo("run", "s.toml", url=sqlite_url, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert f"the best first: {trials}" in done.stdout
    assert table.read_text() == TABLE
    assert trials.read_text().startswith("number,value,state,")
    assert len(list(tmp_path.glob("*.csv"))) == 2


def test_only_what_has_trials_in_it_is_written_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert results_file("a/b") == Path("a-b.csv")
    Path("a-b.csv").write_text("number,value,state,duration\n")
    assert results_file("a/b") == Path("a-b.csv")
    Path("a-b.csv").write_text(TABLE)
    Path("a-b-trials.csv").mkdir()
    assert results_file("a/b") == Path("a-b-trials-2.csv")
