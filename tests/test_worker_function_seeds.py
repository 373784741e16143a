"""Functions with a sampler and several seeds: a call for each seed, and the mean as the value."""

from __future__ import annotations

import signal
from pathlib import Path
from subprocess import Popen
from typing import Any

import numpy as np
import optuna
import pytest
from commands import executions, hpo_here, start_worker, states, wait_until
from small_workers import ended

from studies import best_trials, create_study
from studies.definition.study import parse_definition
from studies.errors import DefinitionError

X = {"x": {"low": 0.0, "high": 1.0}}


def study_of(
    url: str, folder: Path, function: str, *, n_trials: int = 2, **search: Any
) -> optuna.Study:
    """Make a study of a function whose trials have several seeds, from 7 on."""
    definition = {
        "name": "s",
        "objective": f"user_objectives:{function}",
        "direction": "maximize",
        "search": {"sampler": "random", "n_trials": n_trials, "seed": 7} | search,
        "space": X,
    }
    return create_study(parse_definition(definition), url, artifacts=folder / "artifacts")


def work(url: str, folder: Path, *options: str) -> str:
    """Work on the study to its end; return the worker's log."""
    assert start_worker("s", *options, url=url, folder=folder).wait(timeout=300) == 0
    return (folder / "worker.log").read_text()


def test_a_function_is_called_once_a_seed_and_its_value_is_the_mean(
    storage_url: str, tmp_path: Path
) -> None:
    study = study_of(storage_url, tmp_path, "of_seed", replicates=3)
    log = work(storage_url, tmp_path)
    assert executions(tmp_path) == [0, 0, 0, 1, 1, 1]
    for trial in ended(study):
        assert set(trial.params) == {"x", "y"}  # the same in each call, or the values would differ
        point = trial.params["x"] + trial.params["y"]
        values = [point - 4, point, point - 1]  # of seeds 7, 8 and 9
        assert trial.user_attrs["seed"] == 7
        assert trial.user_attrs["seed_values"] == pytest.approx(values)
        assert trial.user_attrs["seed_std"] == pytest.approx(np.std(values, ddof=1))
        assert trial.value == pytest.approx(np.mean(values))
        assert trial.intermediate_values == pytest.approx(dict(enumerate(values, start=1)))
    assert log.count("what the function reports is not kept") == 1
    best = int(best_trials(study, top=1)["number"].iloc[0])
    done = hpo_here("model", "s", "-o", "best.keras", url=storage_url, folder=tmp_path)
    assert f"The network of trial {best}, of seed 8, is written" in done.stdout
    assert (tmp_path / "best.keras").read_text() == "seed 8"
    shown = hpo_here("best", "s", url=storage_url, folder=tmp_path).stdout
    assert "the best of 2 points, by the mean of seeds" in shown
    assert "The noise of a seed is" in shown
    assert list((tmp_path / "artifacts/checkpoints").iterdir()) == []


def test_a_killed_worker_costs_no_seed_that_has_ended(
    sqlite_url: str, tmp_path: Path, launched: list[Popen[bytes]]
) -> None:
    study = study_of(sqlite_url, tmp_path, "waits_in_a_seed", n_trials=1, replicates=3)
    options = ("--heartbeat=0.1", "--grace=1.5")
    launched.append(start_worker("s", *options, url=sqlite_url, folder=tmp_path))
    wait_until(lambda: len(executions(tmp_path)) == 2, "the second seed has begun")
    launched[0].send_signal(signal.SIGKILL)
    launched[0].wait(timeout=300)
    assert "the function goes on after 1 of 3 seeds" in work(sqlite_url, tmp_path, *options)
    (trial,) = ended(study)
    assert executions(tmp_path) == [0, 0, 1, 1]  # seeds 7 and 8, then 8 and 9
    assert trial.user_attrs["seed_values"] == [7.0, 18.0, 9.0]  # each seed has its own folder
    assert trial.intermediate_values == {1: 7.0, 2: 18.0, 3: 9.0}
    assert not any((tmp_path / "artifacts/checkpoints").iterdir())


def test_a_worker_that_is_told_to_stop_says_which_seed_begins_anew(
    sqlite_url: str, tmp_path: Path, launched: list[Popen[bytes]]
) -> None:
    study = study_of(sqlite_url, tmp_path, "endless", n_trials=1, replicates=2)
    launched.append(start_worker("s", url=sqlite_url, folder=tmp_path))
    wait_until(lambda: executions(tmp_path) == [0], "the trial is executed")
    launched[0].terminate()
    assert launched[0].wait(timeout=300) == 0
    reason = study.trials[0].user_attrs["fail_reason"]
    assert "begins anew, with seed 1 of 2, since its checkpoint_folder is empty" in reason


def test_what_happens_with_one_seed_ends_the_trial(sqlite_url: str, tmp_path: Path) -> None:
    study = study_of(sqlite_url, tmp_path, "ends_with_a_seed", n_trials=3, replicates=3, seed=0)
    work(sqlite_url, tmp_path)
    pruned, diverged, failed = study.trials
    assert states(study) == {"FAIL": 2, "PRUNED": 1}
    assert (pruned.value, pruned.user_attrs["seed_values"]) == (1.0, [1.0])
    reasons = [trial.user_attrs["fail_reason"] for trial in (diverged, failed)]
    assert reasons == [
        "the value with seed 1 is not a finite number",
        "RuntimeError: the second seed",
    ]
    assert all(trial.intermediate_values == {1: 1.0} for trial in study.trials)


def test_wilcoxon_ends_a_function_that_is_worse_seed_by_seed(
    sqlite_url: str, tmp_path: Path
) -> None:
    search = {"enqueue": [{"x": 1.0}, {"x": 0.0}], "replicates": 8}
    study = study_of(sqlite_url, tmp_path, "of_seed", pruner="wilcoxon", **search)
    work(sqlite_url, tmp_path)
    better, worse = study.trials
    assert states(study) == {"COMPLETE": 1, "PRUNED": 1}
    assert list(better.intermediate_values) == list(range(1, 9))
    assert list(worse.intermediate_values) == [1, 2, 3, 4]  # p = 1/16 is below .1
    assert executions(tmp_path) == [0] * 8 + [1] * 4


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ({"pruner": "median", "replicates": 3}, "Expected the pruner wilcoxon, or none"),
        ({"pruner": "wilcoxon", "replicates": 3}, "Expected at least 4"),
        (
            {"pruner": {"name": "patient", "wrapped": "percentile"}, "replicates": 4},
            r".*Received: pruner=.*percentile.*, replicates=4\.",
        ),
    ],
)
def test_a_pruner_that_compares_epochs_is_refused(
    search: dict[str, Any], words: str, sqlite_url: str, tmp_path: Path
) -> None:
    with pytest.raises(DefinitionError, match=rf"search\.replicates: {words}"):
        study_of(sqlite_url, tmp_path, "of_seed", **search)
