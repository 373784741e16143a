"""Trials of several seeds in real workers: their values, their reports, and what a kill costs."""

from __future__ import annotations

import signal
from pathlib import Path
from subprocess import Popen
from typing import Any

import numpy as np
import optuna
import pytest
from commands import hpo_here, start_worker, states
from small_studies import RANDOM, searching, table
from small_workers import ended, hold, let_go, network_study, wait_until_held

from storage import history_of
from studies import create_study
from studies.definition.study import parse_definition
from studies.errors import DefinitionError

WILCOXON = {"replicates": 4, "pruner": "wilcoxon"}


def study_of_seeds(url: str, folder: Path, name: str, epochs: int, **search: Any) -> optuna.Study:
    """Make a study of two points of small networks."""
    return network_study(
        url,
        folder,
        name=name,
        search=RANDOM | {"n_trials": 2, "seed": 7} | search,
        fixed={"hidden_units": [8], "epochs": epochs},
        space={"learning_rate": {"low": 0.001, "high": 0.01}},
    )


@pytest.mark.parametrize("mode", ["together", "one by one"])
def test_a_killed_worker_costs_a_trial_of_several_seeds_nothing(
    sqlite_url: str,
    tmp_path: Path,
    launched: list[Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
) -> None:
    more = {"replicates": 3} if mode == "together" else WILCOXON
    epochs = 40 if mode == "together" else 12
    n = 1 if mode == "together" else epochs + 2  # in the second seed
    hold(tmp_path, monkeypatch, n, saved=True)
    killed = study_of_seeds(sqlite_url, tmp_path, "killed", epochs, **more)
    whole = study_of_seeds(sqlite_url, tmp_path, "whole", epochs, **more)
    options = ("--heartbeat=0.1", "--grace=2.5", "--pack-size=2")  # checkpoints every .3 s
    launched.append(start_worker("killed", *options, url=sqlite_url, folder=tmp_path))
    wait_until_held(tmp_path)
    if mode == "one by one":
        assert any(t.intermediate_values for t in killed.trials), "a seed has ended"
    launched[0].send_signal(signal.SIGKILL)
    launched[0].wait(timeout=300)
    let_go(tmp_path)
    for name in ("killed", "whole"):
        launched.append(start_worker(name, *options, url=sqlite_url, folder=tmp_path))
        assert launched[-1].wait(timeout=300) == 0
    assert any(t.user_attrs.get("resumed_after") for t in ended(killed))
    undisturbed = {t.params["learning_rate"]: t for t in ended(whole)}
    assert states(whole) == {"COMPLETE": 2}
    for trial in ended(killed):
        other = undisturbed[trial.params["learning_rate"]]
        values = trial.user_attrs["seed_values"]
        assert values == pytest.approx(other.user_attrs["seed_values"], abs=1e-6)
        assert trial.value == pytest.approx(np.mean(values), abs=1e-9)
        assert trial.user_attrs["seed_std"] == pytest.approx(np.std(values, ddof=1))
        assert trial.user_attrs["seed"] == 7
        assert trial.intermediate_values == pytest.approx(other.intermediate_values, abs=1e-6)
        # What a pruner sees: the means, epoch by epoch; or what each seed came to.
        seen = history_of(trial)["val_accuracy"] if mode == "together" else values
        assert list(trial.intermediate_values.items()) == list(enumerate(seen, start=1))
    done = hpo_here("model", "whole", "-o", "best.keras", url=sqlite_url, folder=tmp_path)
    best = max(ended(whole), key=lambda t: (t.value, -t.number))
    seed = 7 + int(np.argmax(best.user_attrs["seed_values"]))
    assert f"The network of trial {best.number}, of seed {seed}, is written" in done.stdout
    tested = hpo_here("test", "whole", url=sqlite_url, folder=tmp_path)
    assert tested.stdout.startswith(f"Trial {best.number}, of seed {seed}, of whole on the")
    assert ("mean of seeds" in tested.stdout) == (mode == "together")
    shown = hpo_here("best", "whole", url=sqlite_url, folder=tmp_path).stdout
    assert "the best of 2 points, by the mean of seeds" in shown
    assert "The noise of a seed is" in shown


@pytest.mark.parametrize(
    ("definition", "words"),
    [
        (searching(pruner="wilcoxon", replicates=3), "at least 4 with the pruner wilcoxon"),
        (searching(pruner={"name": "wilcoxon", "p_threshold": 0.2}), "Received: replicates=1"),
        (searching(pruner={"name": "patient", "wrapped": "wilcoxon"}), "at least 4"),
        (
            table(search={"design": "grid", "replicates": 4, "pruner": "wilcoxon"}),
            "a sampler with the pruner wilcoxon",
        ),
    ],
)
def test_what_has_too_few_seeds_to_compare_is_refused(
    definition: dict[str, Any], words: str, sqlite_url: str
) -> None:
    parsed = parse_definition(definition)  # as a stored one of an earlier version
    with pytest.raises(DefinitionError, match=words):
        create_study(parsed, sqlite_url)
