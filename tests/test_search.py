"""Searches of real networks on real pictures, from the definition to the trained network."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import optuna
import pytest
from commands import hpo
from optuna.trial import TrialState

from objectives import DataOptions
from objectives.data import datasets
from storage import create_storage, history_of, study_id
from studies import create_study, load_study
from studies.definition.study import parse_definition


def digits(name: str, **changes: Any) -> dict[str, Any]:
    """Return the table of a small study of a dense network on the digits."""
    return {
        "name": name,
        "objective": "mlp",
        "dataset": "digits",
        "search": {"design": "grid"},
        "fixed": {"epochs": 2, "hidden_units": [16]},
        "space": {"learning_rate": [0.001, 0.01]},
    } | changes


def searched(
    url: str, folder: Path, table: dict[str, Any], *options: str
) -> tuple[optuna.Study, subprocess.CompletedProcess[str]]:
    """Make a study and let one worker finish it."""
    create_study(parse_definition(table), url, artifacts=folder / "artifacts")
    done = hpo("worker", table["name"], *options, url=url, folder=folder)
    return load_study(table["name"], url)[0], done


def test_a_trial_records_what_repeats_it(sqlite_url: str, tmp_path: Path) -> None:
    study, done = searched(sqlite_url, tmp_path, digits("s"))
    assert done.returncode == 0, done.stderr
    trial = study.trials[0]
    attributes, history = trial.user_attrs, history_of(trial)
    # A page of optuna-dashboard is as wide as the longest attribute that it shows.
    assert max(len(json.dumps(value)) for value in attributes.values()) < 200
    assert "history" not in attributes
    assert trial.value == max(history["val_accuracy"])
    assert trial.intermediate_values == {
        epoch: value for epoch, value in enumerate(history["val_accuracy"], start=1)
    }
    assert set(history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    assert attributes["epochs"] == 2
    assert history["val_accuracy"][attributes["best_epoch"] - 1] == trial.value
    assert attributes["parameter_count"] == 64 * 16 + 16 + 16 * 10 + 10
    assert attributes["seed"] == 0
    assert attributes["backend"] == os.environ.get("KERAS_BACKEND", "jax")
    assert attributes["device"]
    assert attributes["worker"]
    assert {"hpo", "keras", "optuna"} <= set(attributes["versions"])
    assert attributes["train_seconds"] > attributes["compile_seconds"] > 0
    data = datasets.load("digits", DataOptions())
    assert attributes["data_sha256"] == data.sha256


def test_two_studies_of_one_definition_agree_to_the_last_digit(
    sqlite_url: str, tmp_path: Path
) -> None:
    table = digits("a", search={"sampler": "tpe", "n_trials": 4})
    table["space"] = {"learning_rate": {"low": 1e-4, "high": 1e-1, "log": True}}
    # The fastest size of a pack is measured, and what a pack suggests depends on its size.
    first, _ = searched(sqlite_url, tmp_path, table, "--pack-size=1")
    second, _ = searched(sqlite_url, tmp_path, table | {"name": "b"}, "--pack-size=1")
    assert [t.params for t in first.trials] == [t.params for t in second.trials]
    assert [t.value for t in first.trials] == [t.value for t in second.trials]
    assert len({t.params["learning_rate"] for t in first.trials}) == 4


def test_replicates_train_one_point_with_seeds_of_its_own(sqlite_url: str, tmp_path: Path) -> None:
    table = digits("s", search={"design": "grid", "replicates": 3, "seed": 7, "n_trials": 3})
    study, _ = searched(sqlite_url, tmp_path, table)
    assert [t.user_attrs["seed"] for t in study.trials] == [7, 8, 9]
    assert len({t.params["learning_rate"] for t in study.trials}) == 1
    assert len({tuple(history_of(t)["loss"]) for t in study.trials}) == 3


def test_a_requeued_trial_keeps_its_seed(sqlite_url: str, tmp_path: Path) -> None:
    from storage import claim, requeue

    table = digits("s", search={"design": "grid", "replicates": 2, "n_trials": 2})
    study = create_study(parse_definition(table), sqlite_url, artifacts=tmp_path)
    storage = create_storage(sqlite_url)
    claim(storage, study_id(study))
    (second,) = claim(storage, study_id(study))
    requeue(storage, second, "a test")
    hpo("worker", "s", "--heartbeat=0.5", "--grace=2", url=sqlite_url, folder=tmp_path)
    retry = study.trials[2]
    assert (retry.state, retry.user_attrs["seed"]) == (TrialState.COMPLETE, 1)


def test_a_convolutional_network_with_a_list_valued_level_is_searched(
    sqlite_url: str, tmp_path: Path
) -> None:
    table = digits("s", objective="cnn", fixed={"epochs": 1, "hidden_units": [8]})
    table["space"] = {"filters": [[4], [4, 8]], "optimizer": ["adam"]}
    study, done = searched(sqlite_url, tmp_path, table)
    assert done.returncode == 0, done.stderr
    assert [t.params["filters"] for t in study.trials] == ["4", "4-8"]
    assert len({t.user_attrs["parameter_count"] for t in study.trials}) == 2


def test_a_diverged_trial_fails_with_its_reason_and_the_search_goes_on(
    sqlite_url: str, tmp_path: Path
) -> None:
    table = digits("s", fixed={"epochs": 3, "optimizer": "sgd", "activation": "exponential"})
    table["space"] = {"learning_rate": [100.0, 90.0, 80.0, 70.0, 60.0, 50.0, 0.001]}
    study, done = searched(sqlite_url, tmp_path, table)
    assert done.returncode == 0, done.stderr
    failed = [t for t in study.trials if t.state is TrialState.FAIL]
    assert len(failed) == 6
    assert all("Expected a finite loss." in t.user_attrs["fail_reason"] for t in failed)
    assert all(t.user_attrs["parameter_count"] > 0 for t in failed)
    assert study.trials[6].state is TrialState.COMPLETE


def test_a_pruner_ends_trials_that_lag(sqlite_url: str, tmp_path: Path) -> None:
    pruner = {"name": "threshold", "lower": 0.5, "n_warmup_steps": 2}
    table = digits("s", search={"design": "grid", "pruner": pruner})
    table["space"] = {"initializer": ["zeros", "glorot_uniform"], "learning_rate": [0.02]}
    table["fixed"]["epochs"] = 3  # at its last epoch a trial is pruned no more
    study, _ = searched(sqlite_url, tmp_path, table)
    assert [t.state.name for t in study.trials] == ["PRUNED", "COMPLETE"]
    assert study.trials[0].value == study.trials[0].intermediate_values[2]


def test_zeros_and_ones_as_initializers_stay_near_chance(sqlite_url: str, tmp_path: Path) -> None:
    table = digits("s", fixed={"epochs": 5, "hidden_units": [32], "learning_rate": 0.01})
    table["space"] = {"initializer": ["zeros", "ones", "glorot_uniform"]}
    study, _ = searched(sqlite_url, tmp_path, table)
    zeros, ones, glorot = (t.value for t in study.trials)
    assert zeros is not None
    assert ones is not None
    assert glorot is not None
    assert max(zeros, ones) < 0.25
    assert glorot > 0.7


def test_the_best_networks_are_kept_and_come_back(sqlite_url: str, tmp_path: Path) -> None:
    table = digits("s", keep=2)
    table["space"] = {"learning_rate": [0.001, 0.01, 0.02, 0.00001]}
    study, _ = searched(sqlite_url, tmp_path, table)
    order = sorted(study.trials, key=lambda t: (-(t.value or 0.0), t.number))
    file = tmp_path / "best.keras"
    done = hpo("model", "s", "-o", str(file), url=sqlite_url, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    given = "Give it pictures (n, 8, 8, 1), uint8, pixels 0 to 255 as in the file: it divides them"
    scale = "Those of scikit-learn's load_digits go from 0 to 16: multiply them by 255 / 16."
    assert done.stdout.splitlines()[-2:] == [f"{given} itself.", scale]
    code = (
        "import sys, keras\nfrom objectives import DataOptions\n"
        "from objectives.data import datasets\n"
        "from studies import load_model, load_study\n"
        "data = datasets.load('digits', DataOptions())\n"
        "kept = load_model(load_study('s', sys.argv[2])[0])\n"
        "for model in (keras.models.load_model(sys.argv[1]), kept):\n"
        "    print(model.evaluate(data.x_validation, data.y_validation, verbose=0)[1])"
    )
    command = [sys.executable, "-c", code, str(file), sqlite_url]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True)
    for accuracy in loaded.stdout.split()[-2:]:
        assert math.isclose(float(accuracy), order[0].value or 0.0, abs_tol=1e-6)
    kept = [p for p in (tmp_path / "artifacts").iterdir() if p.is_file()]
    assert len(kept) == 2
    worst = hpo(
        "model", "s", "--trial", str(order[-1].number), "-o", "x.keras",
        url=sqlite_url, folder=tmp_path,
    )  # fmt: skip
    assert worst.returncode == 1
    assert "Only the networks of the best trials are kept" in worst.stderr


def test_a_data_set_that_is_not_there_costs_no_trial(sqlite_url: str, tmp_path: Path) -> None:
    import numpy as np

    x = np.zeros((40, 8, 8), np.uint8)
    y = np.arange(40, dtype=np.uint8) % 2
    file = tmp_path / "mine.npz"
    np.savez(file, x_train=x, y_train=y, x_test=x, y_test=y)
    table = digits("s", dataset=str(file))
    study = create_study(parse_definition(table), sqlite_url, artifacts=tmp_path / "artifacts")
    file.unlink()
    done = hpo("worker", "s", url=sqlite_url, folder=tmp_path)
    assert done.returncode == 1
    assert "mine.npz" in done.stderr
    assert [t.state for t in study.trials] == [TrialState.WAITING] * 2


@pytest.mark.parametrize("backend", ["jax", "tensorflow"])
def test_trials_of_one_structure_share_a_program_on_either_backend(
    sqlite_url: str, tmp_path: Path, backend: str
) -> None:
    table = digits("s", backend=backend)
    table["space"] = {"learning_rate": [0.001, 0.01], "initializer": ["zeros", "glorot_normal"]}
    study, done = searched(sqlite_url, tmp_path, table)
    assert done.returncode == 0, done.stderr
    assert {t.user_attrs["backend"] for t in study.trials} == {backend}
    assert [t.user_attrs["compiled"] for t in study.trials] == [True, False, False, False]


def test_what_one_worker_has_compiled_the_next_one_reads(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("JAX_COMPILATION_CACHE_DIR", "JAX_COMPILATION_CACHE_MAX_SIZE"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    compiled = []
    for name, rate in (("first", 0.001), ("second", 0.01)):
        table = digits(name, fixed={"epochs": 1, "hidden_units": [9]})
        table["space"] = {"learning_rate": [rate]}
        study, done = searched(sqlite_url, tmp_path, table)
        assert done.returncode == 0, done.stderr
        assert study.best_trial.user_attrs["compiled"]
        compiled.append({file.name for file in (tmp_path / "cache/hpo/jax").glob("*-cache")})
    assert len(compiled[0]) > 5
    assert compiled[0] == compiled[1]
