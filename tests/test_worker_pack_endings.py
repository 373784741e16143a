"""How trials of a pack end that are no plain success: kept networks, and failures alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from commands import start_worker, states
from optuna.artifacts import get_all_artifact_meta
from optuna.trial import TrialState
from small_workers import ended, network_study, rates

from storage import storage_of


def test_of_trials_that_end_together_the_best_networks_are_kept(
    sqlite_url: str, tmp_path: Path
) -> None:
    study = network_study(
        sqlite_url,
        tmp_path,
        keep=2,
        search={"design": "grid"},
        fixed={"hidden_units": [16], "epochs": 2},
        space={"learning_rate": rates(8)},
    )
    assert start_worker("s", "--lanes=8", url=sqlite_url, folder=tmp_path).wait(timeout=120) == 0
    kept = {t.number for t in ended(study) if get_all_artifact_meta(t, storage=storage_of(study))}
    values = sorted((trial.values[0] for trial in ended(study)), reverse=True)
    assert sorted((study.trials[n].values[0] for n in kept), reverse=True) == values[:2]
    files = [file for file in (tmp_path / "artifacts").iterdir() if file.is_file()]
    assert len(files) == 2


def test_a_trial_of_which_the_sampler_can_make_nothing_fails_alone(
    sqlite_url: str, tmp_path: Path
) -> None:
    study = network_study(sqlite_url, tmp_path, fixed={"epochs": 1, "hidden_units": [8]})
    study.enqueue_trial({"activation": "reluu"})  # as Optuna lets anybody do
    assert start_worker("s", url=sqlite_url, folder=tmp_path).wait(timeout=120) == 0
    assert states(study) == {"COMPLETE": 2, "FAIL": 1}
    assert "ValueError" in study.trials[0].user_attrs["fail_reason"]
    assert "retried_as" not in study.trials[0].user_attrs


def test_a_trial_that_cannot_begin_fails_alone(sqlite_url: str, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures.npz"
    x, y = np.zeros((40, 6, 6), np.uint8), np.arange(40) % 2
    np.savez(pictures, x_train=x, y_train=y, x_test=x, y_test=y)
    study = network_study(
        sqlite_url,
        tmp_path,
        objective="cnn",
        backend="jax",
        dataset=str(pictures),
        search={"design": "grid"},
        fixed={"epochs": 1, "filters": [2], "padding": "valid", "hidden_units": []},
        space={"kernel_size": [3, 7]},
    )
    assert start_worker("s", "--lanes=2", url=sqlite_url, folder=tmp_path).wait(timeout=120) == 0
    assert states(study) == {"COMPLETE": 1, "FAIL": 1}
    (failed,) = study.get_trials(states=(TrialState.FAIL,))
    assert failed.params == {"kernel_size": 7}
    assert failed.user_attrs["fail_reason"].startswith("ValueError: Expected at least 7 pixels")
