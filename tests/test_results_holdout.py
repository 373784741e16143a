"""The evaluation of a kept network on the test part: recorded, and reported the second time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from commands import hpo, start_worker, states
from dashboard_api import plots_shown
from optuna.artifacts import get_all_artifact_meta
from small_studies import RANDOM, table

from objectives import DataOptions
from objectives.clock.render_options import RENDERER_VERSION
from objectives.data import datasets
from storage import history_of, storage_of, study_id
from studies import create_study, load_model, load_study
from studies.definition.study import StudyDefinition, parse_definition
from studies.errors import TrialError
from studies.lookup import definition_of
from studies.results.holdout import evaluate_on_holdout, holdout_evaluations

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
SEARCH = RANDOM | {"n_trials": 1}
CLOCKS: dict[str, Any] = {
    "objective": "clock",
    "dataset": "clock",
    "data": {"size": 16, "n_images": 200},
    "search": {"design": "grid"},
    "fixed": {
        "epochs": 2, "first_filters": 2, "patterns": 1, "hidden_units": [8], "label_width": 2.0,
    },
    "space": {"head": ["both_hands", "soft_circular", "regression"]},
}  # fmt: skip


def trained(url: str, folder: Path, **lines: Any) -> optuna.Study:
    """Make a study, and work on all that there are."""
    study = create_study(parse_definition(table(**lines)), url, artifacts=folder / "artifacts")
    assert start_worker(url=url, folder=folder).wait(timeout=300) == 0
    return study


def test_the_first_evaluation_is_recorded_and_the_second_one_says_so(
    sqlite_url: str, tmp_path: Path
) -> None:
    study = trained(sqlite_url, tmp_path, fixed={"epochs": 2})
    found = evaluate_on_holdout(study)
    assert found.trial == study.best_trial.number
    assert found.n == 360
    network = load_model(study)
    loss, accuracy = network.evaluate(*datasets.load_test("digits"), verbose=0)
    assert found.metrics["loss"] == pytest.approx(loss, rel=1e-4)
    assert found.metrics["accuracy"] == pytest.approx(accuracy)
    assert set(found.metrics) == {
        "loss", "accuracy", "balanced_accuracy", "f1", "precision", "recall", "auc",
        "top_5_accuracy",
    }  # fmt: skip
    said = hpo("test", "s", "--trial", "1", url=sqlite_url, folder=tmp_path)
    assert said.returncode == 0, said.stderr
    assert "recorded as evaluation 2 on this test part" in said.stdout
    assert "uses the test part up" in said.stdout
    assert found.at in said.stdout
    assert f"of trial {found.trial} of s." in said.stdout
    assert max(map(len, said.stdout.splitlines())) <= 80
    again, _ = load_study("s", sqlite_url)
    assert [each.trial for each in holdout_evaluations(again)] == [found.trial, 1]
    assert holdout_evaluations(again)[0] == found
    # No trial knows of it.
    assert not any("test" in key for trial in again.trials for key in trial.user_attrs)


def test_a_study_of_permuted_pixels_tests_and_keeps_networks_that_take_them(
    sqlite_url: str, tmp_path: Path
) -> None:
    lines: dict[str, Any] = {"data": {"permute_pixels": True}, "fixed": {"epochs": 3}}
    study = trained(sqlite_url, tmp_path, search=SEARCH, **lines)
    found = evaluate_on_holdout(study)
    network = load_model(study)
    assert [each.name for each in network.inputs] == ["pixels_0_to_255_permuted"]
    said = hpo("model", "s", "-o", "best.keras", url=sqlite_url, folder=tmp_path)
    assert "Permute their pixels first, as best.permutation.npy says" in said.stdout
    order = np.load(tmp_path / "best.permutation.npy")
    x, y = datasets.load_test("digits")
    permuted = x.reshape(-1, 64, 1)[:, order].reshape(x.shape)
    _, accuracy = network.evaluate(permuted, y, verbose=0)
    assert found.metrics["accuracy"] == pytest.approx(accuracy)
    _, as_they_are = network.evaluate(x, y, verbose=0)
    assert accuracy > as_they_are + 0.2


def test_an_evaluation_by_another_study_on_the_same_pictures_counts(
    sqlite_url: str, tmp_path: Path
) -> None:
    """To compare two studies by the test part is to choose by it too."""
    for name, data in (("other", {"seed": 1}), ("half", {"train_size": 200})):
        lines = {"name": name, "data": data, "fixed": {"epochs": 1}, "search": SEARCH}
        create_study(parse_definition(table(**lines)), sqlite_url, artifacts=tmp_path / "artifacts")
    trained(sqlite_url, tmp_path, fixed={"epochs": 1}, search=SEARCH)
    first = hpo("test", "s", url=sqlite_url, folder=tmp_path)
    assert "evaluation" not in first.stdout
    for number, name in ((2, "other"), (3, "half")):
        said = hpo("test", name, url=sqlite_url, folder=tmp_path)
        assert f"recorded as evaluation {number} on this test part" in said.stdout
        assert "of trial 0 of s." in said.stdout


def test_a_network_that_is_not_kept_cannot_be_evaluated(sqlite_url: str, tmp_path: Path) -> None:
    study = trained(sqlite_url, tmp_path, keep=1, fixed={"epochs": 1})
    dropped = next(t.number for t in study.trials if t.number != study.best_trial.number)
    with pytest.raises(FileNotFoundError, match="Expected a trial whose network is kept"):
        evaluate_on_holdout(study, dropped)
    assert holdout_evaluations(study) == []


def test_own_labels_and_a_test_part_that_was_replaced(sqlite_url: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.npz"
    x = np.random.default_rng(0).integers(0, 256, (100, 4, 4)).astype(float)
    y = np.where(x[:, 0, 0] > 127, 4294967303, 7)  # alike as int32
    parts = {"x_train": x, "y_train": y, "x_test": x[:30], "y_test": y[:30]}
    np.savez(file, **parts)
    study = trained(sqlite_url, tmp_path, dataset=str(file), fixed={"epochs": 2}, search=SEARCH)
    found = evaluate_on_holdout(study)
    outputs = load_model(study).predict(x[:30], verbose=0).argmax(axis=1)
    labels = np.array(study.user_attrs["data_encoding"]["labels"])
    assert outputs.max() < 2
    assert found.metrics["accuracy"] == pytest.approx((labels[outputs] == y[:30]).mean())
    np.savez(file, **parts | {"x_test": x[:30, :, :3]})
    with pytest.raises(
        TrialError, match=r"the training part's shape .*: \(4, 3, 1\)\.$"
    ) as refused:
        evaluate_on_holdout(study)
    assert len(str(refused.value)) < 300
    assert holdout_evaluations(study) == [found]  # a refusal is no look


def test_a_function_has_no_test_part_that_is_known(sqlite_url: str, tmp_path: Path) -> None:
    lines = {"objective": "user_objectives:quick", "dataset": None, "metric": "value"}
    definition = parse_definition(
        table(**lines, direction="minimize", space={"x": {"low": 0.0, "high": 1.0}})
    )
    study = create_study(definition, sqlite_url)
    with pytest.raises(ValueError, match=r"^Expected a study of clock or cnn or mlp"):
        evaluate_on_holdout(study)


# Clocks, from the first picture to the evaluation on the test part.


def test_a_search_among_heads_and_the_evaluation_of_its_best(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    study = trained(sqlite_url, tmp_path, **CLOCKS)
    assert states(study) == {"COMPLETE": 3}
    assert study.direction.name == "MINIMIZE"
    for trial in study.trials:
        history = history_of(trial)
        assert set(history) == {
            "loss", "val_loss", "val_common_sense_error", "val_median_error",
            "val_p95_error", "val_within_1", "val_within_5", "val_within_10", "val_hour_accuracy",
        }  # fmt: skip
        assert trial.value == min(history["val_common_sense_error"])
        assert trial.user_attrs["renderer"] == RENDERER_VERSION
        files = [meta.filename for meta in get_all_artifact_meta(trial, storage=storage_of(study))]
        assert sorted(files) == ["errors.png", f"trial-{trial.number}.keras", "worst.png"]
    shown = plots_shown(storage_of(study), study_id(study))
    assert set(shown) == {"clock-worst", "clock-errors", "clock-heat-map"}
    assert len(json.loads(shown["clock-errors"])["data"][0]["y"]["bdata"]) > 20
    found = evaluate_on_holdout(study)
    assert found.n == 20
    assert set(found.metrics) == {
        "loss", "common_sense_error", "median_error", "p95_error", "within_1", "within_5",
        "within_10", "hour_accuracy",
    }  # fmt: skip
    # Other pictures are refused: the network may have been trained on them.
    monkeypatch.setattr("studies.results.holdout.definition_of", lambda study: other_data(study))
    with pytest.raises(TrialError, match=r"^Expected the data of clock that the trial was trained"):
        evaluate_on_holdout(study)
    assert len(holdout_evaluations(study)) == 1


def other_data(study: optuna.Study) -> StudyDefinition:
    definition = definition_of(study)
    return definition.model_copy(update={"data": DataOptions(size=16, n_images=200, seed=1)})


def test_labels_and_objective_belong_together() -> None:
    for lines, words in (
        ({"objective": "clock"}, r"labels that are each a minute, for clock.*'digits'"),
        ({"dataset": "clock"}, r"labels that are each a class, for mlp.*'clock'"),
    ):
        with pytest.raises(ValueError, match=words):
            parse_definition(table(**lines))
