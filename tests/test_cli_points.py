"""What `hpo best` and an export show of a study whose points have several seeds."""

from __future__ import annotations

import shlex
import statistics
from math import inf
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from commands import hpo_here
from optuna.trial import TrialState
from scipy.stats import t as student
from small_studies import table

import objectives
from storage import Point, claim, create_storage, enqueue, get_budget, study_id
from studies import best_trials, create_study, load_study
from studies.cli.format import number
from studies.definition.study import parse_definition
from studies.results.metric_bounds import BOUNDS, metric_bounds, within
from studies.statistics.intervals import interval, student_quantile
from studies.suggest import prepare_trials

# The first point has the best seed of all, the third lacks one.
VALUES = [0.99, 0.50, 0.60, 0.90, 0.91, 0.92, 0.98, None, 0.97]


@pytest.fixture
def url(sqlite_url: str, tmp_path: Path) -> str:
    """Make a study `s` of three points with three seeds each, all ended."""
    search = {"design": "grid", "replicates": 3}
    lines = table(search=search, space={"activation": ["relu", "tanh", "elu"]})
    study = create_study(parse_definition(lines), sqlite_url, artifacts=tmp_path / "artifacts")
    for trial in claim(create_storage(sqlite_url), study_id(study), 9):
        value = VALUES[trial.number]
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        study.tell(trial.number, value, state=state)
    return sqlite_url


def test_best_ranks_points_and_marks_missing_seeds(url: str, tmp_path: Path) -> None:
    done = hpo_here("best", "s", url=url, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "the best of 3 points, by the mean of seeds" in done.stdout
    lines = [line.split() for line in done.stdout.splitlines() if " 0." in line]
    rows = [line for line in lines if line[0].isdigit()]
    assert [row[0] for row in rows] == ["5", "0", "6"]
    assert rows[0][1:] == ["0.9100", "0.0100", "0.8852", "to", "0.9348", "3", "tanh"]
    assert rows[2][-4:] == ["of", "3", "*", "elu"]
    assert "Student's t" in done.stdout
    assert "such points stand last" in done.stdout
    shown = done.stdout.partition("The noise of a seed")[0]  # which is one line, to be copied
    assert max(map(len, shown.splitlines())) <= 80
    status = hpo_here("status", "s", url=url, folder=tmp_path).stdout
    assert "0.9100 (max), the mean of 3 seeds, the best of them in trial 5" in status


def test_no_interval_leaves_what_its_metric_can_be(url: str, tmp_path: Path) -> None:
    """Of the second point, .99, .5 and .6, Student's t alone gives .0535 to 1.3398."""
    shown = hpo_here("best", "s", url=url, folder=tmp_path).stdout
    row = next(line.split() for line in shown.splitlines() if line.split()[:1] == ["0"])
    assert row[3:6] == ["0.0535", "to", "1.0000"]
    frame = best_trials(load_study("s", url)[0], top=2)
    assert frame[frame["point"] == 2]["point_high"].unique() == [1.0]
    assert within((-0.5, 1.5), (0.0, inf)) == (0.0, 1.5)
    assert within(None, (0.0, 1.0)) is None


@pytest.mark.parametrize(
    ("lines", "bounds"),
    [
        ({"metric": "val_loss"}, (0.0, inf)),
        ({"metric": "val_f1"}, (0.0, 1.0)),
        ({"objective": "clock", "dataset": "clock"}, (0.0, 360.0)),
        ({"objective": "clock", "dataset": "clock", "metric": "val_within_5"}, (0.0, 1.0)),
        (
            {"objective": "my:f", "dataset": None, "metric": "accuracy", "direction": "maximize"},
            (-inf, inf),  # which may be in percent
        ),
    ],
)
def test_the_bounds_of_a_metric(
    lines: dict[str, Any], bounds: tuple[float, float], sqlite_url: str
) -> None:
    study = create_study(parse_definition(table(**lines)), sqlite_url)
    assert metric_bounds(study) == bounds


def test_each_bound_is_that_of_a_metric() -> None:
    assert BOUNDS.keys() == {"clock", "cnn", "mlp"}
    for name, bounds in BOUNDS.items():
        objective = objectives.get(name)
        assert bounds.keys() == {*objective.metrics, *objective.number_metrics}


def test_an_export_of_the_best_has_all_seeds_of_the_best_points(url: str, tmp_path: Path) -> None:
    done = hpo_here("export", "s", "--top", "2", "-o", "b.csv", url=url, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    frame = pd.read_csv(tmp_path / "b.csv")
    assert list(frame["number"]) == [5, 4, 3, 0, 2, 1]
    assert list(frame["point"]) == [1, 1, 1, 2, 2, 2]
    assert dict(frame.iloc[0][["point_mean", "point_std", "point_seeds"]]) == pytest.approx(
        {"point_mean": 0.91, "point_std": 0.01, "point_seeds": 3}
    )
    lacking = best_trials(load_study("s", url)[0], top=3).iloc[-1]
    assert (lacking["point"], lacking["point_missing"]) == (3, 1)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 10, 100])
def test_the_interval_is_students(n: int) -> None:
    assert student_quantile(n - 1) == pytest.approx(student.ppf(0.975, n - 1))
    assert interval(1.0, 0.5, n) == pytest.approx(student.interval(0.95, n - 1, 1.0, 0.5 / n**0.5))
    assert interval(1.0, None, 1) is None


def test_best_tells_how_many_points_the_noise_of_a_seed_cannot_tell_apart(
    url: str, tmp_path: Path
) -> None:
    # Variances of .067, .0001 and .00005 with 2, 2 and 1 degrees of freedom.
    noise = ((2 * 0.0670333 + 2 * 0.0001 + 0.00005) / 5) ** 0.5
    shown = hpo_here("best", "s", "--top", "1", url=url, folder=tmp_path).stdout
    assert f"The noise of a seed is {noise:.4f}" in shown
    assert f"3 of 3 lie within 2 sqrt(2) of it, {8**0.5 * noise:.4f}, from the best." in shown


@pytest.mark.parametrize(
    "search",
    [
        {"design": "grid", "enqueue": [{"hidden_units": "16", "dropout": 0.0}]},
        {"sampler": "random", "n_trials": 3},
    ],
    ids=["design", "sampler"],
)
def test_where_the_noise_is_unknown_the_command_that_measures_it_works(
    search: dict[str, Any], sqlite_url: str, tmp_path: Path
) -> None:
    lines = table(
        name="a study",
        search={**search, "pruner": {"name": "median"}},
        space={"hidden_units": [[16], [32, 16]], "dropout": [0.0, 0.5]},
    )
    definition = parse_definition(lines)
    storage = create_storage(sqlite_url)
    study = create_study(definition, storage, artifacts=tmp_path / "artifacts")
    for trial in claim(storage, study_id(study), 3):
        with storage.batch(study_id(study)) as batch:
            prepare_trials(study, definition, [trial])
        batch.write()
        study.tell(trial.number, trial.number)
    shown = hpo_here("best", "a study", url=sqlite_url, folder=tmp_path).stdout
    assert "The noise of a seed is unknown here. Measure it: hpo confirm 'a study'" in shown
    words = shlex.split(shown.partition("Measure it: hpo ")[2].splitlines()[0])
    done = hpo_here(*words, "--top=1", "--seeds=2", url=sqlite_url, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    made, _ = load_study("a study-confirm", sqlite_url)
    best = study.trials[2].params
    values = [trial.value for trial in made.trials]
    assert [trial.params for trial in made.trials] == [best, best]
    shown = hpo_here("best", "a study", "--top=2", url=sqlite_url, folder=tmp_path).stdout
    noise = statistics.stdev(values)
    assert f"The noise of a seed is {number(noise)}, the standard deviation over fresh" in shown
    assert "1 of 2 shown lies within" in shown


def test_the_noise_of_a_function_is_measured_by_its_seed(sqlite_url: str, tmp_path: Path) -> None:
    lines = {"name": "s", "objective": "my:f", "metric": "value", "direction": "minimize"}
    search = {"sampler": "random", "n_trials": 1, "pruner": "wilcoxon"}
    definition = parse_definition({**lines, "search": search, "space": {"x": [1, 2]}})
    study = create_study(definition, sqlite_url, artifacts=tmp_path / "artifacts")
    storage = create_storage(sqlite_url)
    enqueue(
        storage,
        study_id(study),
        [Point({"x": 2}, definition.factors.distributions({"x": 2}))],
        get_budget(storage, study_id(study)),
    )
    (trial,) = claim(storage, study_id(study))
    study.tell(trial.number, 1.0)
    shown = hpo_here("best", "s", url=sqlite_url, folder=tmp_path).stdout
    command = "Measure it by trial.seed in the function: hpo confirm --allow-module my s"
    assert command in shown
