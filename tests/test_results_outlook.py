"""What further trials may bring: foretold where trials come in random order, and nowhere else."""

from __future__ import annotations

import json
from math import inf
from pathlib import Path
from typing import Any

import optuna
import pytest
from commands import hpo_here
from confirmations import confirmed, searched
from drawn_studies import RANGE, Drawing, hill
from optuna.trial import TrialState
from small_studies import table

import studies
from storage import TrialStorage, claim, requeue, study_id
from studies import AnswerError, NoCompleteTrialError, create_study, outlook

RANDOM = {"sampler": "random", "n_trials": 200}
DESIGN = {"design": "random", "n_trials": 40}


@pytest.fixture
def drawing(sqlite_storage: TrialStorage, tmp_path: Path) -> Drawing:
    """Make studies of one SQLite file."""
    return Drawing(sqlite_storage, tmp_path / "artifacts")


@pytest.mark.parametrize("search", [RANDOM, DESIGN], ids=["sampler", "design"])
def test_of_random_trials_the_chance_and_the_expected_best_are_told(
    drawing: Drawing, search: dict[str, Any]
) -> None:
    found = outlook(drawing.drawn("s", search, 30), 10)
    assert (found.basis, found.n_trials, found.n) == ("random", 30, 10)
    assert found.chance == 10 / (30 + 10)
    values = [
        trial.value for trial in optuna.load_study(study_name="s", storage=drawing.storage).trials
    ]
    known = [value for value in values if value is not None]
    rows = found.expected.set_index("n_trials")["expected_best"]
    assert rows[1] == pytest.approx(sum(known) / 30)
    assert rows[30] == found.best == max(known)
    assert found.last_gain == pytest.approx(rows[30] - rows[20])
    assert found.tail is None  # of fewer than 50
    assert (found.noise, found.n_open) == (None, 0 if search is RANDOM else 10)


def test_of_fifty_a_tail_tells_of_more(drawing: Drawing) -> None:
    found = outlook(drawing.drawn("s", RANDOM, 60), 200)
    assert found.tail is not None
    assert found.tail.n == 60
    assert 0 < found.tail.gain < 0.02


def test_a_loss_is_better_where_it_is_smaller(drawing: Drawing) -> None:
    up = outlook(drawing.drawn("up", RANDOM, 60), 20)
    down = outlook(
        drawing.drawn("down", RANDOM, 60, lambda p, i: -hill(p, i), direction="minimize"), 20
    )
    assert down.best == -up.best
    for name, other in (("expected_best", "expected_best"), ("low", "high"), ("high", "low")):
        assert list(down.expected[name]) == pytest.approx(list(-up.expected[other]))
    assert down.last_gain == pytest.approx(up.last_gain)
    assert (down.tail and down.tail.gain) == pytest.approx(up.tail and up.tail.gain)


def test_failed_and_pruned_trials_count_as_trials_that_did_not_beat_the_best(
    drawing: Drawing,
) -> None:
    def often_without(params: dict[str, Any], number: int) -> float | TrialState:
        states = {0: TrialState.FAIL, 1: TrialState.PRUNED}
        return states.get(number % 4, hill(params, number))

    found = outlook(drawing.drawn("s", RANDOM, 20, often_without), 5)
    assert (found.n_trials, found.n_unsuccessful) == (20, 10)
    assert found.chance == 5 / 25
    assert len(found.expected) == 20


def test_an_infinite_loss_is_no_value_and_an_infinite_score_is_refused(drawing: Drawing) -> None:
    low = drawing.drawn("low", RANDOM, 10, lambda p, i: -inf if i == 3 else hill(p, i))
    assert outlook(low).n_unsuccessful == 1
    high = drawing.drawn("high", RANDOM, 10, lambda p, i: inf if i == 3 else hill(p, i))
    with pytest.raises(AnswerError, match=r"Expected finite values\. Received: trial 3 of high"):
        outlook(high)


def test_the_attempts_of_a_lineage_are_one_trial(drawing: Drawing) -> None:
    study = drawing.drawn("s", DESIGN, 5)
    (lost,) = claim(drawing.storage, study_id(study))
    requeue(drawing.storage, lost, "its worker was lost", lost=True)
    drawing.go_on(study, 35)
    found = outlook(study)
    assert (found.n_trials, found.n_unsuccessful, found.n_open) == (40, 0, 0)


@pytest.mark.parametrize("search", [RANDOM, DESIGN], ids=["sampler", "design"])
def test_known_settings_are_no_draws_but_may_lead(
    drawing: Drawing, search: dict[str, Any], tmp_path: Path
) -> None:
    best = {"x": 0.5, "y": 0.5}
    study = drawing.study("s", search | {"enqueue": [best, best, {"x": 0.1, "y": 0.1}]})
    study.enqueue_trial({"x": 0.2, "y": 0.2})
    drawing.go_on(study, 25)
    found = outlook(study, 7)
    assert found.best == pytest.approx(1.0)
    drawn = 22 if search is RANDOM else 23  # what Optuna has queued waits behind a design
    assert (found.n_trials, found.n_given) == (drawn, 25 - drawn)
    assert found.chance == 7 / (drawn + 7)
    assert found.expected["expected_best"].max() < 1
    shown = hpo_here("outlook", "s", url=str(drawing.storage.engine.url), folder=tmp_path).stdout
    assert "at most" in shown
    assert "The best was not drawn" in shown


def test_with_ties_the_chance_is_a_bound(drawing: Drawing, tmp_path: Path) -> None:
    study = drawing.drawn("s", RANDOM, 30, lambda p, _: round(p["x"], 1))
    assert outlook(study).n_best > 1
    shown = hpo_here("outlook", "s", url=str(drawing.storage.engine.url), folder=tmp_path).stdout
    assert "at most 62 %" in shown
    assert "share the best value" in shown


def test_no_more_points_are_spoken_of_than_are_left(drawing: Drawing) -> None:
    space = {"x": [0.1, 0.2, 0.3], "y": [0.1, 0.2, 0.3, 0.4]}
    study = drawing.drawn("s", RANDOM | {"n_trials": 12}, 9, space=space)
    found = outlook(study, 50)
    assert (found.n_left, found.n, found.chance) == (3, 3, 3 / 12)
    drawing.go_on(study, 3)
    over = outlook(study, 50)
    assert (over.basis, over.chance, over.n_left, len(over.expected)) == ("exhausted", None, 0, 0)


def test_a_grid_is_a_plan_until_all_its_points_have_run(drawing: Drawing, tmp_path: Path) -> None:
    study = drawing.drawn("s", {"design": "grid"}, 4, space={"x": [0.1, 0.5], "y": [0.1, 0.2, 0.3]})
    found = outlook(study, 2)
    assert (found.basis, found.chance, found.n_left, found.tail) == ("listed", None, 2, None)
    assert found.last_gain == pytest.approx(0.84 - 0.75)  # of the fourth, on the second

    def show() -> str:
        url = str(drawing.storage.engine.url)
        return hpo_here("outlook", "s", "-n", "2", url=url, folder=tmp_path).stdout

    assert "no forecast" in " ".join(show().split())
    drawing.go_on(study, 2)
    assert outlook(study).basis == "exhausted"
    assert "All points of its space have run" in show()


@pytest.mark.parametrize("sampler", ["tpe", "qmc"])
def test_of_other_samplers_nothing_is_foretold(
    drawing: Drawing, sampler: str, tmp_path: Path
) -> None:
    study = drawing.drawn("s", {"sampler": sampler, "n_trials": 20}, 12)
    found = outlook(study, 4)
    assert found.basis == ("adaptive" if sampler == "tpe" else "listed")
    assert (found.chance, found.tail, len(found.expected)) == (None, None, 0)
    values = [trial.value or 0.0 for trial in study.trials]
    assert found.last_gain == pytest.approx(max(values) - max(values[:8]))
    url = str(drawing.storage.engine.url)
    shown = hpo_here("outlook", "s", "-n", "4", url=url, folder=tmp_path).stdout
    assert "no forecast" in " ".join(shown.split())
    assert "The last 4 have brought a gain of" in shown


def test_points_of_several_seeds_are_one_trial_each_and_their_noise_stands_beside(
    drawing: Drawing, tmp_path: Path
) -> None:
    def noisy(params: dict[str, Any], number: int) -> float | TrialState:
        return TrialState.FAIL if number == 7 else params["x"] / 100 + 0.1 * (number % 3)

    study = drawing.drawn("s", DESIGN | {"replicates": 3}, 32, noisy)
    found = outlook(study, 5)
    # Ten points whole, of which one has lost a seed; the eleventh lacks one.
    assert (found.n_trials, found.n_unsuccessful, found.n_seeds) == (10, 1, 3)
    assert found.noise == pytest.approx(0.1 / 3**0.5, rel=0.05)
    whole = [trial.params["x"] for trial in study.trials[:30] if trial.number not in (6, 7, 8)]
    assert found.best == pytest.approx(0.1 + max(whole) / 100)
    url = str(drawing.storage.engine.url)
    shown = hpo_here("outlook", "s", "-n", "5", url=url, folder=tmp_path).stdout
    assert "the mean of 3 seeds" in shown
    assert "the gain is smaller than that" in " ".join(shown.split())
    assert "Measure it" not in shown


def test_the_noise_may_be_known_from_a_confirmation(
    sqlite_storage: TrialStorage, sqlite_url: str, tmp_path: Path
) -> None:
    def value(x: float, seed: int) -> float:
        return x + 0.01 * (seed % 2)

    study = searched(sqlite_storage, value)
    assert outlook(study).noise is None
    confirmed(sqlite_url, value)
    assert outlook(study).noise == pytest.approx(0.01 * (2 / 7) ** 0.5)
    shown = hpo_here("outlook", "s", url=sqlite_url, folder=tmp_path).stdout
    assert "The noise of such a value is 0.0053" in shown


def test_a_study_of_another_program_is_told_without_a_forecast(drawing: Drawing) -> None:
    study = optuna.create_study(storage=drawing.storage, study_name="theirs")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=8)
    found = outlook(study, 3)
    assert (found.basis, found.chance, found.n_trials) == ("unknown", None, 8)


def test_a_function_with_parameters_of_its_own_has_no_last_point(drawing: Drawing) -> None:
    study = drawing.study("s", RANDOM, space={})
    for trial in (study.ask({"x": optuna.distributions.FloatDistribution(0, 1)}) for _ in range(4)):
        study.tell(trial, trial.params["x"])
    assert outlook(study).n_left is None


def test_a_function_without_parameters_has_no_last_point(drawing: Drawing) -> None:
    study = drawing.study("s", RANDOM, space={})
    for _ in range(3):
        study.tell(study.ask(), 1.0)
    assert (outlook(study).basis, outlook(study).n_left) == ("random", None)


def test_the_commands_output_is_for_80_columns_and_its_json_is_the_answer(
    drawing: Drawing, tmp_path: Path
) -> None:
    study = drawing.drawn("s", RANDOM, 60)
    url = str(drawing.storage.engine.url)
    done = hpo_here("outlook", "s", "-n", "30", url=url, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    shown = done.stdout.partition("The noise of a seed")[0]  # one line, to be copied
    assert max(map(len, shown.splitlines())) <= 80
    budgets = [line.split()[0] for line in shown.splitlines() if " to 0." in line]
    assert budgets[:7] == ["1", "2", "5", "10", "20", "50", "60"]
    assert "generalized Pareto" in " ".join(shown.split())
    told = json.loads(
        hpo_here("outlook", "s", "-n", "30", "--json", url=url, folder=tmp_path).stdout
    )
    found = outlook(study, 30)
    assert told["chance"] == found.chance
    assert told["tail"]["gain"] == (found.tail and found.tail.gain)
    assert len(told["expected"]) == 60


def test_what_has_no_answer_is_refused(drawing: Drawing, tmp_path: Path) -> None:
    study = drawing.study("s", RANDOM)
    with pytest.raises(NoCompleteTrialError, match=r"Received: none in s\. See its progress: hpo"):
        outlook(study)
    drawing.go_on(study, 2)
    with pytest.raises(AnswerError, match=r"Expected at least 1 further trial\. Received: n=0"):
        studies.outlook(study, 0)
    assert outlook(study, 1).last_gain is not None
    url = str(drawing.storage.engine.url)
    unknown = hpo_here("outlook", "t", url=url, folder=tmp_path)
    assert unknown.returncode == 1
    assert "Expected a study in the storage, one of s. Received: t." in unknown.stderr
    assert hpo_here("outlook", "s", "-n", "0", url=url, folder=tmp_path).returncode == 2


@pytest.mark.parametrize(
    ("n", "words"), [(1, "50 %"), (2, "67 %"), (999, "99.90 %")], ids=["one", "two", "many"]
)
def test_the_chance_is_told_in_percent(
    drawing: Drawing, tmp_path: Path, n: int, words: str
) -> None:
    drawing.drawn("s", RANDOM, 1)
    url = str(drawing.storage.engine.url)
    shown = hpo_here("outlook", "s", "-n", str(n), url=url, folder=tmp_path).stdout
    assert f"has a chance of {words}: {n} / (1 + {n})" in " ".join(shown.split())


def test_of_networks_whose_packs_share_a_structure_this_is_told(
    sqlite_storage: TrialStorage, sqlite_url: str, tmp_path: Path
) -> None:
    for name, space in (("deep", {"hidden_units": [[8], [16, 8], [32]]}), ("rate", None)):
        ranged: dict[str, Any] = {"learning_rate": {"low": 1e-4, "high": 0.1, "log": True}}
        lines = table(name=name, search=RANDOM, space=ranged | (space or {}))
        study = create_study(lines, sqlite_storage, artifacts=tmp_path)
        for number, trial in enumerate(claim(sqlite_storage, study_id(study), 3)):
            study.tell(trial.number, 0.5 + number / 10)
        assert outlook(study).shares_structure == (name == "deep")
        shown = hpo_here("outlook", name, url=sqlite_url, folder=tmp_path).stdout
        assert ("it holds for whole packs" in " ".join(shown.split())) == (name == "deep")


def test_it_is_the_same_on_each_database(storage: TrialStorage, tmp_path: Path) -> None:
    def fail_some(params: dict[str, Any], number: int) -> float | TrialState:
        return TrialState.FAIL if number == 3 else hill(params, number)

    found = outlook(Drawing(storage, tmp_path).drawn("s", DESIGN, 8, fail_some), 4)
    assert (found.n_trials, found.n_unsuccessful, found.chance) == (8, 1, 4 / 12)


def test_one_trial_alone_has_an_outlook(drawing: Drawing) -> None:
    found = outlook(drawing.drawn("s", RANDOM, 1, space={"x": RANGE, "y": RANGE}), 1)
    assert (found.chance, found.last_gain, len(found.expected)) == (0.5, None, 1)
