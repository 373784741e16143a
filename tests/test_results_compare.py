"""Studies in one table, their learning curves, and what keeps their values from being compared."""

from __future__ import annotations

import json
from collections.abc import Callable
from math import inf
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from commands import hpo_here
from confirmations import confirmed, searched
from drawn_studies import Drawing, hill
from optuna.trial import TrialState
from told_networks import told as network

from storage import TrialStorage, claim, study_id, trial_id
from studies import AnswerError, NoCompleteTrialError, TrialNotFoundError, compare

RANDOM = {"sampler": "random", "n_trials": 200}
GRID = {"design": "grid", "replicates": 2}
SPACE = {"x": [0.1, 0.5], "y": [0.2]}


@pytest.fixture
def drawing(sqlite_storage: TrialStorage, tmp_path: Path) -> Drawing:
    """Make studies of one SQLite file."""
    return Drawing(sqlite_storage, tmp_path / "artifacts")


@pytest.fixture
def shown(drawing: Drawing, tmp_path: Path) -> Callable[..., str]:
    """Return what compares studies by the command, with its words in one line."""

    def show(*arguments: str) -> str:
        url = str(drawing.storage.engine.url)
        done = hpo_here("compare", *arguments, url=url, folder=tmp_path)
        assert done.returncode == 0, done.stderr
        assert max(map(len, done.stdout.splitlines())) <= 80
        return " ".join(done.stdout.split())

    return show


def test_the_best_points_of_studies_stand_in_one_table(
    drawing: Drawing, shown: Callable[..., str]
) -> None:
    def some_fail(params: dict[str, Any], number: int) -> float | TrialState:
        return {1: TrialState.FAIL, 2: TrialState.PRUNED}.get(number, hill(params, number))

    a = drawing.drawn("a", RANDOM, 5, some_fail)
    b = drawing.drawn("b", GRID, 4, lambda p, i: p["x"] + 0.1 * (i % 2), space=SPACE)
    found = compare([a, b])
    rows = found.table.set_index("study")
    best = max(t.value or 0.0 for t in a.trials if t.state is TrialState.COMPLETE)
    assert rows.value.to_dict() == pytest.approx({"a": best, "b": 0.55})
    assert rows["n_seeds"].to_dict() == {"a": 1, "b": 2}
    assert rows["std"]["b"] == pytest.approx(0.1 / 2**0.5)
    assert rows["low"]["b"] < 0.55 < rows["high"]["b"]
    assert rows["std"].isna()["a"]
    counts = rows.loc["a", ["n_complete", "n_failed", "n_pruned", "n_open"]]
    assert list(counts) == [3, 1, 1, 0]
    assert rows["searched_by"].to_dict() == {"a": "random sampler", "b": "grid design"}
    assert rows["rank"].to_dict() == {"a": 1, "b": 2}
    words = shown("a", "b")
    assert "0.5500 ± 0.0707 2 2" in words
    assert "(-0.0853 to 1.1853)" in words
    assert "a: of one seed, which calls nothing better." in words
    assert "no finding" in words


def test_what_fresh_seeds_came_to_stands_beside_what_was_searched(
    sqlite_storage: TrialStorage, sqlite_url: str, drawing: Drawing, shown: Callable[..., str]
) -> None:
    def value(x: float, seed: int) -> float:
        return x if seed < 2**20 else x - 0.2 + 0.001 * (seed % 8)  # lucky when it was searched

    a = searched(sqlite_storage, value)
    confirmed(sqlite_url, value)
    b = drawing.drawn("b", RANDOM, 2)
    row = compare([a, b]).table.set_index("study").loc["s"]
    assert row["value"] == 0.7
    assert row["fresh"] == pytest.approx(0.5035)
    assert row["fresh_std"] == pytest.approx(0.00245, abs=1e-5)
    assert (row["n_fresh"], row["confirmed_in"]) == (8, "s-confirm")
    second = compare([a, b], trial=1).table.set_index("study").loc["s"]
    assert second["fresh"] == pytest.approx(0.3035)
    words = shown("s", "b")
    assert "0.7000 one 0.5035 ±" in words
    assert "0.0024 (8)" in words


def test_equal_values_have_one_rank_and_a_loss_ranks_the_other_way(drawing: Drawing) -> None:
    values = {"a": 0.5, "b": 0.2, "c": 0.5, "d": 0.9}
    made = [
        drawing.drawn(name, RANDOM, 1, lambda p, i, v=value: v, direction="minimize")
        for name, value in values.items()
    ]
    assert list(compare(made).table["rank"]) == [2, 1, 2, 4]


@pytest.mark.parametrize(
    ("lines", "note"),
    [
        ({"metric": "other"}, "differ in their metric or direction, and are not ranked"),
        ({"direction": "minimize"}, "differ in their metric or direction, and are not ranked"),
        ({"objective": "user_objectives:slow"}, "of different functions, and are not ranked"),
    ],
)
def test_studies_of_other_things_are_not_ranked_against_each_other(
    drawing: Drawing, lines: dict[str, Any], note: str, shown: Callable[..., str]
) -> None:
    made = [drawing.drawn("a", RANDOM, 2), drawing.drawn("b", RANDOM, 2, **lines)]
    found = compare(made)
    assert list(found.table["group"]) == [1, 2]
    words = shown("a", "b")
    assert note in words
    assert "rank " not in words


def test_studies_on_other_data_are_told(
    sqlite_storage: TrialStorage, tmp_path: Path, shown: Callable[..., str]
) -> None:
    a, b, c = (network(sqlite_storage, tmp_path, name, [0.5, 0.6]) for name in "abc")
    assert list(compare([a, b, c]).table["group"]) == [1, 1, 1]
    b.set_user_attr("data_sha256", "another")
    d = network(sqlite_storage, tmp_path, "d", [0.5, 0.6], data={"seed": 3})
    assert list(compare([a, b, c, d]).table["group"]) == [1, 2, 1, 3]
    words = shown("a", "b", "c", "d")
    assert "on different data (digits: other contents, or other lines of [data])" in words


def test_one_setting_on_several_data_sets_is_recognized(
    sqlite_storage: TrialStorage, tmp_path: Path, shown: Callable[..., str]
) -> None:
    space = {"hidden_units": [[16]]}
    a = network(sqlite_storage, tmp_path, "a", [0.5, 0.6], space=space)
    # The same by another way: what one searches, the other fixes.
    lines: dict[str, Any] = {"fixed": {"hidden_units": [16]}, "space": {"activation": ["relu"]}}
    b = network(sqlite_storage, tmp_path, "b", [0.7, 0.8], dataset="mnist", **lines)
    found = compare([a, b])
    assert found.setting is not None
    assert list(found.setting["hidden_units"]) == [16]
    assert "One setting in all of them" in shown("a", "b")
    assert "different data, and are not ranked" in shown("a", "b")
    other = network(sqlite_storage, tmp_path, "c", [0.7], space={"hidden_units": [[32]]})
    assert compare([a, other]).setting is None


def test_the_setting_of_a_trial_is_looked_for_in_each_study(
    sqlite_storage: TrialStorage, tmp_path: Path, shown: Callable[..., str]
) -> None:
    a = network(sqlite_storage, tmp_path, "a", [0.9, 0.8, 0.5, 0.6])
    b = network(sqlite_storage, tmp_path, "b", [0.1, 0.2, 0.3], dataset="mnist")
    c = network(sqlite_storage, tmp_path, "c", [0.4], dataset="mnist")
    found = compare([a, b, c], trial=2)  # tanh
    rows = found.table.set_index("study")
    assert rows.value.to_dict() == pytest.approx(
        {"a": 0.55, "b": 0.3, "c": float("nan")}, nan_ok=True
    )
    assert rows["n_seeds"].to_dict() == {"a": 2, "b": 1, "c": 0}
    assert rows["n_missing"].to_dict() == {"a": 0, "b": 0, "c": 0}
    assert set(found.curves["trial"]) == {2, 3}
    words = shown("a", "b", "c", "--trial", "2")
    assert "This setting has no complete trial in c." in words
    assert "activation=tanh" in words
    with pytest.raises(TrialNotFoundError):
        compare([a, b], trial=9)
    b.enqueue_trial({})
    with pytest.raises(AnswerError, match=r"Expected a complete trial\. Received: trial=3 of b"):
        compare([b, a], trial=3)


def test_curves_are_a_long_table_of_all_seeds_of_the_points(
    sqlite_storage: TrialStorage, tmp_path: Path, shown: Callable[..., str]
) -> None:
    a = network(sqlite_storage, tmp_path, "a", [0.5, 0.6, 0.9, 0.8])
    b = network(sqlite_storage, tmp_path, "b", [0.7, 0.6], dataset="mnist")
    found = compare([a, b]).curves
    assert list(found) == ["study", "trial", "seed", "epoch", "metric", "value"]
    assert len(found) == 4 * 2 * 2  # trials, epochs, metrics
    one = found[
        (found["study"] == "a") & (found["trial"] == 2) & (found["metric"] == "val_accuracy")
    ]
    assert one[["seed", "epoch", "value"]].to_numpy().tolist() == [[0, 1, 0.45], [0, 2, 0.9]]
    assert set(found[found["trial"] == 3]["seed"]) == {1}
    assert "16 rows" in shown("a", "b", "--curves", "c.csv")
    read = pd.read_csv(tmp_path / "c.csv")
    pd.testing.assert_frame_equal(read, found.reset_index(drop=True), check_dtype=False)
    assert read["value"].isna().sum() == 4  # the losses that were not finite


def test_a_curve_that_is_the_mean_of_seeds_has_no_seed(
    sqlite_storage: TrialStorage, tmp_path: Path
) -> None:
    lines: dict[str, Any] = {"search": RANDOM | {"replicates": 2}}
    a, b = (network(sqlite_storage, tmp_path, name, [0.5], **lines) for name in "ab")
    third = claim(sqlite_storage, study_id(a))[0]
    sqlite_storage.set_trial_user_attr(trial_id(third), "seed", 0)
    sqlite_storage.set_trial_user_attr(trial_id(third), "seed_values", [0.8, 0.6])
    sqlite_storage.set_trial_system_attr(trial_id(third), "history", {"loss": [1.0]})
    a.tell(third.number, 0.7)
    found = compare([a, b])
    row = found.table.set_index("study").loc["a"]
    assert (row["value"], row["n_seeds"]) == (pytest.approx(0.7), 2)
    assert row["std"] == pytest.approx(0.2 / 2**0.5)
    assert found.curves[found.curves["study"] == "a"]["seed"].isna().tolist() == [True]


def test_of_a_function_the_curve_is_what_it_has_reported(drawing: Drawing) -> None:
    made = []
    for name in "ab":
        study = drawing.study(name, RANDOM)
        (claimed,) = claim(drawing.storage, study_id(study))
        for step, value in ((5, 0.1), (10, 0.4)):
            drawing.storage.set_trial_intermediate_value(trial_id(claimed), step, value)
        study.tell(claimed.number, 0.4)
        made.append(study)
    rows = compare(made).curves
    assert rows[["epoch", "metric", "value"]].to_numpy().tolist() == 2 * [
        [5, "score", 0.1],
        [10, "score", 0.4],
    ]


def test_where_nothing_was_reported_the_curves_are_empty_and_typed(
    drawing: Drawing, shown: Callable[..., str]
) -> None:
    made = [drawing.drawn(name, RANDOM, 1) for name in "ab"]
    found = compare(made).curves
    assert found.empty
    assert found["epoch"].dtype == "int64"
    assert "None of these trials has reported an epoch." in shown("a", "b", "--curves", "c.parquet")


def test_json_alone_is_on_standard_output(drawing: Drawing, tmp_path: Path) -> None:
    for name in "ab":
        drawing.drawn(name, RANDOM, 2)
    url = str(drawing.storage.engine.url)
    done = hpo_here("compare", "a", "b", "--json", "--curves", "c.json", url=url, folder=tmp_path)
    told = json.loads(done.stdout)
    assert [row["study"] for row in told["table"]] == ["a", "b"]
    assert "rows of learning curves" in done.stderr


def test_what_cannot_be_compared_is_refused(drawing: Drawing, tmp_path: Path) -> None:
    a, b = drawing.drawn("a", RANDOM, 2), drawing.study("b", RANDOM)
    with pytest.raises(NoCompleteTrialError, match="Received: none in b"):
        compare([a, b])
    for few in ([a], [a, a], []):
        with pytest.raises(AnswerError, match="Expected at least two studies, each of them once"):
            compare(few)
    endless = drawing.drawn("c", RANDOM, 1, lambda p, i: inf)
    with pytest.raises(
        AnswerError, match=r"best value is finite\. Received: c with inf in trial 0"
    ):
        compare([a, endless])
    url = str(drawing.storage.engine.url)
    for arguments, words in (
        (["a"], "Expected at least two studies"),
        (["a", "nope"], "Expected a study in the storage, one of a, b, c. Received: nope."),
        (["a", "b", "--curves", "c.xls"], "ends in csv, parquet, json, md"),
        (["a", "b", "--curves", "no/c.csv"], "mkdir -p"),
    ):
        done = hpo_here("compare", *arguments, url=url, folder=tmp_path)
        assert done.returncode == 1
        assert words in done.stderr
