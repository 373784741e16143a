"""`hpo effects`: tables in 80 columns, JSON, and the study of the predicted combination."""

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from commands import hpo_here, start_worker
from ended_designs import FAILED, end, ended, noise

from storage import claim, create_storage, requeue_failed, storage_of, study_id
from studies import create_study, effects, load_study
from studies.definition.fresh_seeds import FRESH_SEEDS
from studies.definition.study import parse_definition

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
    assert "Add replicates:\n  hpo run --name s-replicated --set search.replicates=3" in out


def test_the_command_that_adds_replicates_makes_a_study_of_them(
    sqlite_url: str, tmp_path: Path
) -> None:
    space = {"activation": ["relu", "tanh"], "optimizer": ["sgd", "adam"]}
    name = "a-study-whose-name-is-so-long-that-no-line-holds-the-command"
    network = {"objective": "mlp", "dataset": "digits", "name": name}
    values = iter((0.1, 0.2, 0.4, 0.3))
    ended(sqlite_url, tmp_path, space, {"design": "grid"}, lambda *_: next(values), **network)
    out = hpo_here("effects", name, url=sqlite_url, folder=tmp_path).stdout
    (command,) = [line for line in out.splitlines() if line.startswith("  hpo run")]
    done = hpo_here("create", *shlex.split(command)[2:], url=sqlite_url, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert len(load_study(f"{name}-replicated", sqlite_url)[0].trials) == 12


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


GRID = {"design": "grid", "replicates": 3}
SUMS = {"a": [0.0, 0.3], "b": [0.0, 0.1, 0.2]}


def test_the_predicted_combination_is_trained_and_the_prediction_judged(
    sqlite_url: str, tmp_path: Path
) -> None:
    table = {"name": "s", "objective": "user_objectives:noisy_sum", "direction": "maximize"}
    create_study(
        parse_definition(table | {"space": SUMS, "search": GRID}), sqlite_url, artifacts=tmp_path
    )
    assert start_worker("s", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    out = shown(sqlite_url, tmp_path, "--enqueue")
    assert "The best level of each factor: a=0.3, b=0.2" in out
    assert "hpo run --allow-module user_objectives s-predicted" in out
    assert "s-predicted is ready" in shown(sqlite_url, tmp_path, "--enqueue")  # it is there
    assert "s-predicted has no complete trial yet of 3" in shown(sqlite_url, tmp_path)
    before = effects(load_study("s", sqlite_url)[0])
    assert start_worker("s-predicted", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    made, _ = load_study("s-predicted", sqlite_url)
    assert [trial.params for trial in made.trials] == [{"a": 0.3, "b": 0.2}] * 3
    assert all(trial.user_attrs["seed"] >= FRESH_SEEDS for trial in made.trials)
    out = shown(sqlite_url, tmp_path)
    assert "The prediction held: s-predicted came to 0." in out
    after = effects(load_study("s", sqlite_url)[0])
    assert after.n_trials == before.n_trials == 18
    assert after.anova is not None
    assert after.anova.equals(before.anova)
    assert after.predicted is not None
    (found,) = after.predicted.confirmations
    values = [trial.value for trial in made.trials]
    assert found.mean == pytest.approx(sum(filter(None, values)) / 3)
    assert found.low is not None
    assert found.high is not None
    assert (found.held, found.n) == (True, 3)
    assert found.low < 0.5 < found.high


@pytest.mark.parametrize(("value", "word"), [(0.5, "held"), (0.9, "did not hold")])
def test_a_prediction_that_does_not_hold_is_told_so(
    value: float, word: str, sqlite_url: str, tmp_path: Path
) -> None:
    ended(
        sqlite_url,
        tmp_path,
        SUMS,
        GRID,
        lambda p, s: sum(p.values()) + noise(s, *map(ord, str(p))),
    )
    shown(sqlite_url, tmp_path, "--enqueue")
    study, _ = load_study("s-predicted", sqlite_url)
    for trial in claim(create_storage(sqlite_url), study_id(study), 3):
        end(study, trial, value)
    assert f"The prediction {word}: s-predicted came to {value}" in shown(sqlite_url, tmp_path)


def test_what_predicts_nothing_is_not_enqueued(sqlite_url: str, tmp_path: Path) -> None:
    space = {"x": {"low": 0.0, "high": 1.0}}
    search = {"design": "random", "n_trials": 4}
    ended(sqlite_url, tmp_path, space, search, lambda p, _: p["x"])
    done = hpo_here("effects", "s", "--enqueue", url=sqlite_url, folder=tmp_path)
    assert done.returncode == 1
    assert "Received: s, a search. Train its best settings anew: hpo confirm s" in done.stderr
    study = ended(
        sqlite_url,
        tmp_path,
        SUMS,
        GRID,
        lambda p, s: FAILED if p == {"a": 0.0, "b": 0.0} and s == 2 else p["a"] + noise(s),
        name="open",
    )
    requeue_failed(storage_of(study), study_id(study))
    done = hpo_here("effects", "open", "--enqueue", url=sqlite_url, folder=tmp_path)
    assert done.returncode == 1
    assert "Expected a design that has ended. Received: open, of which 1 of 18" in done.stderr


def test_another_study_of_that_name_is_left_alone(sqlite_url: str, tmp_path: Path) -> None:
    ended(sqlite_url, tmp_path, SUMS, GRID, lambda p, s: p["a"] + noise(s, *map(ord, str(p))))
    ended(sqlite_url, tmp_path, SUMS, GRID, lambda *_: 1.0, name="s-predicted")
    done = hpo_here("effects", "s", "--enqueue", url=sqlite_url, folder=tmp_path)
    assert done.returncode == 1
    assert "'s-predicted', a study of something else. Delete it first: hpo delete" in done.stderr
