"""Which trials `studies.effects` takes: failed, retried, foreign and pruned ones are told apart."""

from __future__ import annotations

from math import inf
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from ended_designs import FAILED, column, end, ended, noise
from optuna.trial import TrialState

from storage import claim, create_storage, requeue_failed, storage_of, study_id
from studies import AnswerError, NoCompleteTrialError, create_study, effects
from studies.definition.study import parse_definition


def test_settings_outside_of_the_design_and_trials_of_others_are_left_out(
    sqlite_url: str, tmp_path: Path
) -> None:
    space: dict[str, Any] = {name: [0, 1, 2] for name in "ABCD"}
    outside = {"A": 0, "B": 0, "C": 1, "D": 0}
    inside = {"A": 0, "B": 0, "C": 0, "D": 0}
    search = {"design": "orthogonal", "enqueue": [outside, inside]}

    def value(params: dict[str, Any], seed: int) -> float:
        return 100.0 if params == outside else 0.1 * params["A"]

    study = ended(sqlite_url, tmp_path, space, search, value)
    assert len(study.trials) == 10
    study.enqueue_trial({"A": 2, "B": 1, "C": 1, "D": 1})
    storage = create_storage(sqlite_url)
    (added,) = claim(storage, study_id(study))
    end(study, added, -100.0)
    found = effects(study)
    assert found.n_trials == 9
    assert column(found, "A", "mean") == pytest.approx([0.0, 0.1, 0.2])
    assert "2 trials are of other settings than the design's, and left out." in found.notes


def test_a_retry_takes_the_place_of_what_failed(sqlite_url: str, tmp_path: Path) -> None:
    space = {"A": [0, 1], "B": [0, 1, 2]}
    study = ended(
        sqlite_url,
        tmp_path,
        space,
        {"design": "grid"},
        lambda p, _: FAILED if p["B"] == 1 else noise(*p.values()),
    )
    storage = storage_of(study)
    requeue_failed(storage, study_id(study))
    assert any("2 of 6 have not ended" in each for each in effects(study).findings)
    for trial in claim(storage, study_id(study), 5):
        end(study, trial, 1.0)
    found = effects(study)
    assert (found.n_complete, found.n_trials, found.findings) == (6, 6, ())


def test_values_that_are_no_numbers_are_in_no_mean(sqlite_url: str, tmp_path: Path) -> None:
    space = {"A": [0, 1], "B": [0, 1, 2]}
    study = ended(
        sqlite_url,
        tmp_path,
        space,
        {"design": "grid"},
        lambda p, _: inf if p == {"A": 0, "B": 0} else noise(*p.values()),
    )
    found = effects(study)
    assert column(found, "A", "diverged") == [1, 0]
    assert found.n_complete == 5
    assert found.levels["mean"].notna().all()


def test_equal_values_and_one_level_left_say_what_they_do_not_tell(
    sqlite_url: str, tmp_path: Path
) -> None:
    space = {"A": [0, 1], "B": [0, 1, 2]}
    study = ended(sqlite_url, tmp_path, space, {"design": "grid"}, lambda *_: 0.5, name="equal")
    found = effects(study)
    assert found.anova is not None
    assert found.anova["p"].isna().all()
    assert column(found, "A", "mean") == [0.5, 0.5]
    assert "All values are equal: nothing tells the levels apart." in found.notes
    left = ended(
        sqlite_url,
        tmp_path,
        space,
        {"design": "grid"},
        lambda p, _: FAILED if p["A"] else noise(p["B"]),
        name="left",
    )
    found = effects(left)
    assert "One level with complete trials is left of A." in found.notes
    assert found.anova is not None
    assert list(found.anova["term"]) == ["B"]
    assert found.predicted is not None
    assert found.predicted.setting["A"] == 0


def test_too_few_trials_are_refused(sqlite_url: str, tmp_path: Path) -> None:
    space = {"A": [0, 1], "B": [0, 1, 2]}
    study = ended(sqlite_url, tmp_path, space, {"design": "grid"}, lambda *_: FAILED, name="failed")
    with pytest.raises(NoCompleteTrialError, match=r"Received: none of failed\. .*hpo status"):
        effects(study)
    one = ended(
        sqlite_url,
        tmp_path,
        space,
        {"design": "grid"},
        lambda p, _: FAILED if any(p.values()) else 1.0,
        name="one",
    )
    with pytest.raises(AnswerError, match=r"Expected two complete trials or more\. Received: 1"):
        effects(one)
    same = ended(
        sqlite_url,
        tmp_path,
        {"A": [1]},
        {"design": "grid", "replicates": 3},
        lambda *_: 1.0,
        name="same",
    )
    with pytest.raises(AnswerError, match="differ in the seed alone"):
        effects(same)


def test_pruned_trials_are_told_apart(sqlite_url: str, tmp_path: Path) -> None:
    table = {"name": "s", "objective": "m:f", "direction": "maximize"}
    table |= {"space": {"A": [0, 1], "B": [0, 1]}, "search": {"design": "grid", "replicates": 3}}
    storage = create_storage(sqlite_url)
    study = create_study(parse_definition(table), storage, artifacts=tmp_path / "artifacts")
    for trial in claim(storage, study_id(study), 12):
        if trial.params["A"]:
            study.tell(trial.number, state=TrialState.PRUNED)
        else:
            study.tell(trial.number, noise(trial.number))
    found = effects(study)
    assert column(found, "A", "pruned") == [0, 6]
    assert "A 1: 6 of 6 pruned; of its other levels 0 of 6." in found.findings


def test_effects_are_read_without_the_data_set(sqlite_url: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.npz"
    x, y = np.zeros((20, 8, 8), np.uint8), np.arange(20) % 2
    np.savez(file, x_train=x, y_train=y, x_test=x, y_test=y)
    space = {"activation": ["relu", "tanh", "elu"], "hidden_units": [[8], [16, 8]]}
    default = {"activation": "tanh", "hidden_units": [16, 8]}
    search = {"design": "one-factor-at-a-time", "default": default, "replicates": 2}
    lines = {"objective": "mlp", "dataset": str(file)}
    study = ended(sqlite_url, tmp_path, space, search, lambda p, s: noise(s), **lines)
    with_data = effects(study)
    file.unlink()
    without = effects(study)
    pd.testing.assert_frame_equal(with_data.levels, without.levels)
    assert column(without, "hidden_units", "is_default") == [False, True]
