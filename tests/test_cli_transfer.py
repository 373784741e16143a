"""What `hpo transfer` shows in 80 columns; the trials are told beforehand."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from commands import hpo_here
from transfers import RATES, Value, by_rate, noise_there, reversed_there, searched, small_npz
from transfers import transferred as told


@pytest.fixture(autouse=True)
def _in_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def shown(url: str, folder: Path, value: Value, *options: str, rates: list[float] = RATES) -> str:
    """Return what the command shows of a transfer that has ended, in one line."""
    searched(url, value, space={"learning_rate": rates})
    told(url, small_npz(folder), value)
    found = hpo_here("transfer", "s", "--dataset", "other.npz", *options, url=url, folder=folder)
    assert found.returncode == 0, found.stderr
    assert all(len(line) <= 80 for line in found.stdout.splitlines()) or options
    return found.stdout if options else re.sub(r"\s+", " ", found.stdout)


def test_a_gain_that_carries_over(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = shown(sqlite_url, tmp_path, by_rate)
    assert "s: the best 8 settings on other.npz, 8 fresh seeds each" in text
    assert "The gain carries over: trial 11 is better on other.npz than the median" in text
    assert "setting, trial 5: difference 0.06" in text
    assert "p 0.008." in text
    assert "has found the same setting as trial 11 to be the best, in its trial 11." in text
    assert "p: exact sign-flip test of paired differences. Intervals: Student's t, 95 %." in text
    assert "Rank correlation of the 8 settings, searched on digits and fresh on other.npz:" in text
    assert "Of all 12 settings that both searches have: Kendall's tau 1.00, p" in text


def test_a_gain_that_does_not(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = shown(sqlite_url, tmp_path, reversed_there)
    assert "The gain does not carry over: trial 11 is worse on other.npz than the median" in text
    assert "The search on other.npz has found a better setting, its trial 0: difference" in text
    assert "by Holm over both. Intervals: Student's t, 97.5 % each, 95 % together." in text


def test_what_cannot_be_told(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = shown(sqlite_url, tmp_path, noise_there, rates=RATES[:5])
    assert "Whether the gain carries over stays open: on other.npz trial 4 and the median" in text
    assert "not distinguishable with these seeds" in text
    assert "better" not in text
    assert "A rank correlation of the settings transferred needs 8. Received: top=5." in text


def test_json_has_the_tables(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = json.loads(shown(sqlite_url, tmp_path, by_rate, "--json"))
    assert [test["verdict"] for test in found["tests"]] == ["better", "same setting"]
    assert found["top_correlation"]["n"] == 8
    assert len(found["settings"]) == 10
    assert len(found["settings"][0]["values"]) == 8


def test_a_mistake_is_told_before_anything_is_made(sqlite_url: str, tmp_path: Path) -> None:
    searched(sqlite_url)
    found = hpo_here("transfer", "s", "--dataset", "mnsit", url=sqlite_url, folder=tmp_path)
    assert found.returncode == 1
    assert "Did you mean mnist?" in found.stderr
    listed = hpo_here("list", url=sqlite_url, folder=tmp_path).stdout
    assert "s-on-" not in listed
