"""`studies.outlook` while trials run: those that take long are missing among the ended ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from commands import hpo_here
from drawn_studies import Drawing, hill
from optuna.study import StudyDirection
from optuna.trial import TrialState

from storage import TrialStorage, claim, requeue, study_id, trial_id
from studies import outlook
from studies.cli.outlook_tables import outlook_view
from studies.create import find_or_create_study
from studies.results.draws import Draw, as_gains, fair_sample, read_draws
from studies.results.outlook import Outlook
from studies.statistics.expected_best import expected_best

RANDOM = {"sampler": "random", "n_trials": 200}
DESIGN = {"design": "random", "n_trials": 40}
WORKERS, TIME, BUDGET = 8, 30.0, 10


@pytest.fixture
def drawing(sqlite_storage: TrialStorage, tmp_path: Path) -> Drawing:
    """Make studies of one SQLite file."""
    return Drawing(sqlite_storage, tmp_path / "artifacts")


def looked_at(random: np.random.Generator) -> tuple[list[Draw], np.ndarray[Any, Any]]:
    """Return the draws of eight workers at a time, and what further ones would come to.

    A fifth of the trials takes ten times as long as the others, and is better by 2.
    """
    is_long = random.random(600) < 0.2
    values = 2.0 * is_long + random.normal(size=600)
    seconds = np.where(is_long, 10.0, 1.0)
    free, draws = np.zeros(WORKERS), []
    while (start := free.min()) < TIME:
        i = len(draws)
        free[free.argmin()] += seconds[i]
        has_ended = bool(start + seconds[i] <= TIME)
        draws.append(
            Draw(has_ended, True, float(values[i]) if has_ended else None, [], False, False)
        )
    known = [values[i] for i, draw in enumerate(draws) if not draw.has_ended]
    return draws, np.concatenate([known, values[len(draws) :]])


def test_where_long_trials_are_better_the_fair_sample_is_not_too_low() -> None:
    random = np.random.default_rng(0)
    truth = expected_best(2.0 * (random.random(10**5) < 0.2) + random.normal(size=10**5), [BUDGET])
    of_fair, of_ended, claims, old_claims, wins = [], [], [], [], []
    for _ in range(1500):
        draws, further = looked_at(random)
        fair, is_fair = fair_sample(draws)
        ended = [draw for draw in draws if draw.has_ended]
        assert is_fair
        assert len(fair) < len(ended)
        for sample, found in ((fair, of_fair), (ended, of_ended)):
            gains = np.array(as_gains(sample, StudyDirection.MAXIMIZE))
            found.append(expected_best(gains, [BUDGET])[0])
        n, n_begun = 20, len(draws) - len(ended)
        best = max([*(draw.value or 0.0 for draw in ended), *further[:n_begun]])
        wins.append(further[n_begun : n_begun + n].max() > best)
        claims.append(n / (len(draws) + n))
        old_claims.append(n / (len(ended) + n))
    bias, old_bias = np.mean(of_fair) - truth[0], np.mean(of_ended) - truth[0]
    print(
        f"\nexpected best of {BUDGET}: {bias:+.3f} of the fair sample, {old_bias:+.3f} of all ended"
    )
    print(f"beaten in {np.mean(wins):.3f}, told {np.mean(claims):.3f}")
    assert abs(bias) < 0.03
    assert old_bias < -0.1
    assert np.mean(wins) == pytest.approx(np.mean(claims), abs=0.02)


def test_trials_before_the_first_that_runs_are_what_is_told_of(
    drawing: Drawing, tmp_path: Path
) -> None:
    study = drawing.drawn("s", RANDOM, 20)
    claim(drawing.storage, study_id(study))  # number 20 runs
    drawing.go_on(study, 5)
    claim(drawing.storage, study_id(study), 2)
    found = outlook(study, 10)
    assert (found.n_trials, found.n_begun, found.n_sample, found.is_fair) == (25, 3, 20, True)
    assert found.chance == 10 / (25 + 3 + 10)
    assert list(found.expected["n_trials"]) == list(range(1, 21))
    values = [trial.value or 0.0 for trial in study.trials[:20]]
    assert found.expected["expected_best"].iloc[-1] == max(values)
    assert found.expected["expected_best"].iloc[0] == pytest.approx(np.mean(values))
    done = hpo_here(
        "outlook", "s", "-n", "10", url=str(drawing.storage.engine.url), folder=tmp_path
    )
    shown = " ".join(done.stdout.split())
    assert max(map(len, done.stdout.partition("The noise")[0].splitlines())) <= 80
    assert "3 trials to come, 3 of them begun." in shown
    assert "beats the best of these and of the 3 that have begun has a chance of 26 %" in shown
    assert "10 / (25 + 3 + 10)" in shown
    assert "of the 20 drawn before the first of them: long ones are not missing" in shown
    assert "From 10 to 20 the expected best gains" in shown
    assert "The best was not drawn" not in shown


def words_of(found: Outlook) -> str:
    return " ".join(str(line) for line in outlook_view(found))


def test_a_gain_is_foretold_of_the_sample_and_not_of_all_that_have_ended(drawing: Drawing) -> None:
    study = drawing.drawn("s", RANDOM, 49)
    claim(drawing.storage, study_id(study))
    drawing.go_on(study, 10)
    found = outlook(study, 200)
    assert (found.n_trials, found.n_sample, found.tail) == (59, 49, None)
    least = "that takes 50 with a value"
    before = "drawn before the first that has not ended"
    assert f"{least} among those {before}, of which the best" in words_of(found)
    study = drawing.drawn("more", RANDOM, 60)
    claim(drawing.storage, study_id(study))
    drawing.go_on(study, 5)
    found = outlook(study, 200)
    assert (found.n_trials, found.tail and found.tail.n) == (65, 60)
    assert f"Of more than 60, as many as were {before}, no gain is foretold." in words_of(found)
    study.tell(60, 0.5)
    words = words_of(outlook(study, 200))
    assert "Of more than 66, as many as have ended, no gain is foretold." in words
    few = outlook(drawing.drawn("few", RANDOM, 9))
    assert f"{least}, of which the best" in words_of(few)


def test_where_too_few_were_drawn_before_it_all_are_told_of_with_a_warning(
    drawing: Drawing, tmp_path: Path
) -> None:
    study = drawing.drawn("s", RANDOM, 3)
    claim(drawing.storage, study_id(study))
    drawing.go_on(study, 7)
    found = outlook(study, 10)
    assert (found.n_trials, found.n_begun, found.n_sample, found.is_fair) == (10, 1, 10, False)
    url = str(drawing.storage.engine.url)
    shown = " ".join(hpo_here("outlook", "s", url=url, folder=tmp_path).stdout.split())
    assert "of all that have ended, where long ones are missing: it may be too high" in shown


def test_a_trial_that_waits_for_its_retry_has_not_ended(drawing: Drawing) -> None:
    study = drawing.drawn("s", DESIGN, 5)
    (lost,) = claim(drawing.storage, study_id(study))
    requeue(drawing.storage, lost, "its worker was lost", lost=True)
    found = outlook(study)
    assert (found.n_trials, found.n_unsuccessful, found.n_begun) == (5, 0, 1)


@pytest.mark.parametrize("n", [36, 60])
def test_the_number_of_a_retry_is_no_point_that_was_skipped(drawing: Drawing, n: int) -> None:
    study = drawing.drawn("s", DESIGN | {"n_trials": 20}, 5)
    (lost,) = claim(drawing.storage, study_id(study))
    requeue(drawing.storage, lost, "its worker was lost", lost=True)  # number 20
    study = find_or_create_study("s", drawing.storage, overrides={"search.n_trials": n})
    drawing.go_on(study, 14)
    running = claim(drawing.storage, study_id(study), 1)  # the retry
    drawing.go_on(study, n - 20)
    found = outlook(study)
    assert (found.n_trials, found.n_begun) == (n - 1, 1)
    study.tell(running[0].number, 0.5)
    found = outlook(study)
    assert (found.n_trials, found.n_begun, found.n_open) == (n, 0, 0)
    assert (found.n_sample, found.is_fair) == (n, True)


def test_while_a_retry_waits_what_was_drawn_after_it_is_in_order(drawing: Drawing) -> None:
    study = drawing.drawn("s", DESIGN | {"n_trials": 2}, 1)
    (lost,) = claim(drawing.storage, study_id(study))
    requeue(drawing.storage, lost, "its worker was lost", lost=True)  # number 2 waits
    study = find_or_create_study("s", drawing.storage, overrides={"search.n_trials": 4})
    trials = claim(drawing.storage, study_id(study), 3)
    assert [trial.number for trial in trials] == [2, 3, 4]
    requeue(drawing.storage, trials[0], "its worker was lost", lost=True)  # number 5 waits
    assert [draw.is_in_order for draw in read_draws(study)] == [True] * 4


def test_a_point_that_gets_no_more_seeds_has_ended(drawing: Drawing) -> None:
    study = drawing.drawn("s", DESIGN | {"replicates": 3, "n_trials": 11}, 11)
    found = outlook(study)
    assert (found.n_trials, found.n_begun, found.n_open) == (4, 0, 0)
    assert (found.n_sample, found.is_fair) == (4, True)
    study = find_or_create_study("s", drawing.storage, overrides={"search.n_trials": 12})
    found = outlook(study)
    assert (found.n_trials, found.n_begun, found.n_open) == (3, 1, 1)


def test_a_setting_of_a_function_that_suggests_it_has_begun_while_a_seed_waits(
    drawing: Drawing,
) -> None:
    search = {"design": "settings", "replicates": 2, "enqueue": [{"x": 0.1}, {"x": 0.2}]}
    study = drawing.study("s", search, space={})
    assert [trial.params for trial in study.trials] == [{}] * 4
    for trial in claim(drawing.storage, study_id(study), 3):
        optuna.Trial(study, trial_id(trial)).suggest_float("x", 0.0, 1.0)
        study.tell(trial.number, 0.5)
    assert [draw.has_ended for draw in read_draws(study)] == [True, False]


def test_a_point_of_which_seeds_wait_has_begun(drawing: Drawing) -> None:
    study = drawing.drawn("s", DESIGN | {"replicates": 3}, 17)
    found = outlook(study, 3)
    assert (found.n_trials, found.n_begun, found.n_sample) == (5, 1, 5)
    assert found.chance == 3 / (5 + 1 + 3)


def test_points_claimed_before_others_of_the_list_are_in_no_random_order(drawing: Drawing) -> None:
    """As workers do that train networks of one structure together."""
    study = drawing.study("s", DESIGN, space={"x": {"low": 0.0, "high": 1.0}, "y": [0.1, 0.2]})
    waiting = [t for t in study.trials if t.state is TrialState.WAITING]
    n = sum(trial.params["y"] == 0.1 for trial in waiting)
    for trial in claim(drawing.storage, study_id(study), 40, together=["y"], like={"y": 0.1}):
        study.tell(trial.number, hill(trial.params, trial.number))
    found = outlook(study, 3)
    assert 3 < found.n_trials <= n < 40
    assert not found.is_fair
    drawing.go_on(study, 40 - found.n_trials)
    assert outlook(study, 3).is_fair


def test_where_some_were_trained_before_others_that_wait_it_is_said(drawing: Drawing) -> None:
    space = {"x": {"low": 0.0, "high": 1.0}, "y": [0.1, 0.2]}
    study = drawing.drawn("s", DESIGN, 20, space=space)
    waits = next(t for t in study.trials if t.state is TrialState.WAITING)
    like = {"y": {0.1: 0.2, 0.2: 0.1}[waits.params["y"]]}
    for trial in claim(drawing.storage, study_id(study), 3, together=["y"], like=like):
        study.tell(trial.number, hill(trial.params, trial.number))
    found = outlook(study, 3)
    assert (found.n_trials, found.n_begun, found.n_sample) == (23, 0, 20)
    assert "What follows is of the 20 drawn before the first that waits" in words_of(found)


def test_where_all_that_is_left_runs_no_chance_is_told(drawing: Drawing, tmp_path: Path) -> None:
    space = {"x": [0.1, 0.2, 0.3], "y": [0.1, 0.2]}
    study = drawing.drawn("s", RANDOM | {"n_trials": 6}, 4, space=space)
    for (trial,) in (claim(drawing.storage, study_id(study)) for _ in range(2)):
        assert trial.state is TrialState.RUNNING
    found = outlook(study, 5)
    assert (found.n_left, found.n, found.chance, found.tail) == (2, 0, None, None)
    url = str(drawing.storage.engine.url)
    shown = " ".join(hpo_here("outlook", "s", url=url, folder=tmp_path).stdout.split())
    assert "No trial is left but those that have begun." in shown
    assert "expected best" in shown
