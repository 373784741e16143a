"""`hpo effects`: tables in 80 columns, JSON, and the study of the predicted combination."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from commands import hpo_here
from ended_designs import FAILED, ended, noise

from studies import load_study

SEVEN = {name: [0, 1] for name in "ABCDEFG"}
ARRAY = {"design": "orthogonal"}


def shown(url: str, folder: Path, *more: str) -> str:
    done = hpo_here("effects", "s", *more, url=url, folder=folder)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_saturated_l8_prints_no_p_but_contrasts_and_a_command_that_works(
    sqlite_url: str, tmp_path: Path
) -> None:
    ended(
        sqlite_url,
        tmp_path,
        SEVEN,
        ARRAY,
        lambda p, _: 0.05 * p["A"] + noise(*p.values(), size=1e-3),
    )
    out = shown(sqlite_url, tmp_path)
    table = out.partition("Analysis of variance")[2].partition("Contrasts")[0]
    assert table.splitlines()[1].split() == ["df", "sum", "of", "squares"]
    assert " p " not in table
    assert "interval" not in out.partition("Predicted")[0]
    assert "A       1 - 0     0.05" in out
    assert "beyond both margins" in out
    assert "\nA = B x " in out
    (command,) = [line for line in out.splitlines() if line.startswith("  hpo run")]
    words = shlex.split(command)[2:]
    done = hpo_here("create", *words, url=sqlite_url, folder=tmp_path)
    assert "s-replicated is ready" in done.stdout or "m.py" in done.stderr, done.stderr


def test_an_l16_with_an_interaction_prints_the_alias(sqlite_url: str, tmp_path: Path) -> None:
    space: dict[str, Any] = {name: [0, 1] for name in "ABCDE"} | {"F": list("abcd")}

    def value(params: dict[str, Any], seed: int) -> float:
        return 0.5 + 0.1 * (params["B"] == params["C"]) + noise(*map(ord, str(params)))

    ended(sqlite_url, tmp_path, space, ARRAY, value)
    out = shown(sqlite_url, tmp_path)
    confounded = out.partition("Confounded")[2].partition("Predicted")[0]
    assert any(line.startswith("A = ") and "B x C" in line for line in confounded.splitlines())
    assert "in part (33% each)" in confounded


def test_all_is_within_80_columns_but_commands(sqlite_url: str, tmp_path: Path) -> None:
    long = {
        "kernel_initializer": ["zeros", "glorot_uniform", "random_normal"],
        "activation_of_hidden": ["relu", "tanh"],
        "optimizer_and_rate": ["sgd", "adam"],
    }

    def value(params: dict[str, Any], seed: int) -> float | None:
        if params["kernel_initializer"] == "zeros" and seed:
            return FAILED
        return 0.5 + noise(seed, *map(ord, str(params)))

    ended(sqlite_url, tmp_path, long, {"design": "grid", "replicates": 3}, value)
    out = shown(sqlite_url, tmp_path)
    lines = [line for line in out.splitlines() if not line.startswith("  hpo ")]
    assert max(map(len, lines)) <= 80
    assert "kernel_initializer zeros: 8 of 12 failed; of its other levels 0 of 24." in out
    assert "4 of 12 *" in out
    assert "* some of its trials have no value" in out
    assert "x optimizer_and_rate" in out


def test_json_has_the_frames_as_rows(sqlite_url: str, tmp_path: Path) -> None:
    ended(sqlite_url, tmp_path, SEVEN, ARRAY, lambda p, _: noise(*p.values()))
    found = json.loads(shown(sqlite_url, tmp_path, "--json"))
    assert found["design"] == "orthogonal"
    assert [row["factor"] for row in found["levels"]] == [n for n in SEVEN for _ in range(2)]
    assert found["anova"][0]["p"] is None
    assert set(found["predicted"]["setting"]) == set(SEVEN)


@pytest.mark.parametrize(
    ("study", "words"),
    [
        ("none", "Expected a study in the storage, one of s"),
        ("s", "Expected complete trials. Received: none of s. See its progress: hpo status s"),
    ],
)
def test_what_cannot_be_told_is_an_error(
    study: str, words: str, sqlite_url: str, tmp_path: Path
) -> None:
    ended(sqlite_url, tmp_path, SEVEN, ARRAY, lambda *_: FAILED)
    done = hpo_here("effects", study, url=sqlite_url, folder=tmp_path)
    assert done.returncode == 1
    assert words in done.stderr


def test_a_search_prints_importance(sqlite_url: str, tmp_path: Path) -> None:
    space = {"A": [0, 1], "x": {"low": 0.0, "high": 1.0}}
    search = {"design": "random", "n_trials": 30}
    ended(sqlite_url, tmp_path, space, search, lambda p, _: p["x"])
    out = shown(sqlite_url, tmp_path)
    assert out.splitlines()[1].split() == ["factor", "importance", "stability", "trials"]
    assert out.splitlines()[2].split()[0] == "x"
    assert "Predicted" not in out
    assert load_study("s", sqlite_url)[1].search.design == "random"
