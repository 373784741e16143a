"""The look at the test part: on the network that was kept, recorded, and told a second time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from commands import hpo, start_worker, states
from optuna.artifacts import get_all_artifact_meta
from optuna_dashboard._custom_plot_data import get_plotly_graph_objects
from PIL import Image
from small_studies import RANDOM, table

from objectives import DataOptions
from objectives.clock import RENDERER_VERSION
from objectives.data import datasets
from storage import storage_of, study_id
from studies import create_study, load_model, load_study
from studies.definition.study import StudyDefinition, parse_definition
from studies.errors import TrialError
from studies.lookup import definition_of
from studies.results.holdout import look, looks_at

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
    """Make a study and work on it."""
    study = create_study(parse_definition(table(**lines)), url, artifacts=folder / "artifacts")
    assert start_worker("s", url=url, folder=folder).wait(timeout=200) == 0
    return study


def test_the_test_part_is_looked_at_once_and_it_is_said_when_not(
    sqlite_url: str, tmp_path: Path
) -> None:
    study = trained(sqlite_url, tmp_path, fixed={"epochs": 2})
    found = look(study)
    assert found.trial == study.best_trial.number
    assert found.n == 360
    network = load_model(study)
    loss, accuracy = network.evaluate(*datasets.load_test("digits"), verbose=0)
    assert found.metrics == {
        "loss": pytest.approx(loss, rel=1e-4),
        "accuracy": pytest.approx(accuracy),
    }
    said = hpo("test", "s", "--trial", "1", url=sqlite_url, folder=tmp_path)
    assert said.returncode == 0, said.stderr
    assert "look 2 at the test part" in said.stdout
    assert found.at in said.stdout
    assert f"of trial {found.trial} of s." in said.stdout
    assert max(map(len, said.stdout.splitlines())) <= 80
    again, _ = load_study("s", sqlite_url)
    assert [each.trial for each in looks_at(again)] == [found.trial, 1]
    assert looks_at(again)[0] == found
    # No trial knows of it.
    assert not any("test" in key for trial in again.trials for key in trial.user_attrs)


def test_a_look_of_another_study_at_the_same_pictures_counts(
    sqlite_url: str, tmp_path: Path
) -> None:
    """Whoever compares two studies by the test part chooses by it too."""
    trained(sqlite_url, tmp_path, fixed={"epochs": 1}, search=SEARCH)
    for name, data in (("other", {"seed": 1}), ("half", {"train_size": 200})):
        lines = {"name": name, "data": data, "fixed": {"epochs": 1}, "search": SEARCH}
        create_study(parse_definition(table(**lines)), sqlite_url, artifacts=tmp_path / "artifacts")
        assert start_worker(name, url=sqlite_url, folder=tmp_path).wait(timeout=200) == 0
    first = hpo("test", "s", url=sqlite_url, folder=tmp_path)
    assert "look" not in first.stdout
    for number, name in ((2, "other"), (3, "half")):
        said = hpo("test", name, url=sqlite_url, folder=tmp_path)
        assert f"look {number} at the test part" in said.stdout
        assert "of trial 0 of s." in said.stdout


def test_a_network_that_is_not_kept_cannot_be_looked_at(sqlite_url: str, tmp_path: Path) -> None:
    study = trained(sqlite_url, tmp_path, keep=1, fixed={"epochs": 1})
    dropped = next(t.number for t in study.trials if t.number != study.best_trial.number)
    with pytest.raises(FileNotFoundError, match="Expected a trial whose network is kept"):
        look(study, dropped)
    assert looks_at(study) == []


def test_a_test_part_with_other_classes_is_an_error(sqlite_url: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.npz"
    x, y = np.zeros((100, 4, 4), np.uint8), np.arange(100) % 2
    np.savez(file, x_train=x, y_train=y, x_test=x[:10], y_test=np.arange(10) % 3)
    study = trained(sqlite_url, tmp_path, dataset=str(file), fixed={"epochs": 1}, search=SEARCH)
    with pytest.raises(TrialError, match=r"test labels from 0 to 1.*Received: label=2\."):
        look(study)
    assert looks_at(study) == []


def test_a_function_has_no_test_part_that_is_known(sqlite_url: str, tmp_path: Path) -> None:
    lines = {"objective": "user_objectives:quick", "dataset": None, "metric": "value"}
    definition = parse_definition(
        table(**lines, direction="minimize", space={"x": {"low": 0.0, "high": 1.0}})
    )
    study = create_study(definition, sqlite_url)
    with pytest.raises(ValueError, match=r"^Expected a study of clock or cnn or mlp"):
        look(study)


# Clocks, from the first picture to the last look.


def test_a_search_among_heads_and_the_look_at_its_best(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    study = trained(sqlite_url, tmp_path, **CLOCKS)
    assert states(study) == {"COMPLETE": 3}
    assert study.direction.name == "MINIMIZE"
    for trial in study.trials:
        history = trial.user_attrs["history"]
        assert set(history) == {
            "loss", "val_loss", "val_common_sense_error", "val_median_error",
            "val_p95_error", "val_within_1", "val_within_5", "val_within_10", "val_hour_accuracy",
        }  # fmt: skip
        assert trial.value == min(history["val_common_sense_error"])
        assert trial.user_attrs["renderer"] == RENDERER_VERSION
        files = [meta.filename for meta in get_all_artifact_meta(trial, storage=storage_of(study))]
        assert sorted(files) == ["errors.png", f"trial-{trial.number}.keras", "worst.png"]
    shown = get_plotly_graph_objects(storage_of(study).get_study_system_attrs(study_id(study)))
    assert set(shown) == {"clock-worst", "clock-errors", "clock-heat-map"}
    assert len(json.loads(shown["clock-errors"])["data"][0]["y"]["bdata"]) > 20
    found = look(study)
    assert found.n == 20
    assert set(found.metrics) == {
        "loss", "common_sense_error", "median_error", "p95_error", "within_1", "within_5",
        "within_10", "hour_accuracy",
    }  # fmt: skip
    # Of other pictures nothing is judged: these may have been trained on.
    monkeypatch.setattr("studies.results.holdout.definition_of", lambda study: other_data(study))
    with pytest.raises(TrialError, match=r"^Expected the data of clock that the trial was trained"):
        look(study)
    assert len(looks_at(study)) == 1


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


def test_a_sheet_of_clocks_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    options = ["--set", "size=20", "--set", "n_images=100"]
    said = hpo("data", "clock", "-o", "sheet.png", "-n", "6", *options, url="", folder=tmp_path)
    assert said.returncode == 0, said.stderr
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.size == (3 * 160, 2 * (160 + 18))
    said = hpo("data", "digits", "-o", "digits.png", url="", folder=tmp_path)
    assert said.returncode == 0, said.stderr
    for wrong, words in (
        (["-o", "sheet.txt"], "error: Expected a file name that ends in .png."),
        (["-o", "s.png", "--set", "siz=20"], "error: data.siz: Expected a key, one of"),
    ):
        said = hpo("data", "clock", *wrong, url="", folder=tmp_path)
        assert said.returncode == 1
        assert said.stderr.startswith(words)
