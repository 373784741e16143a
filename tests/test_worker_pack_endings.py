"""How trials of a pack end that are no plain success: kept networks, and failures alone."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from subprocess import Popen

import numpy as np
import pytest
import sqlalchemy
from commands import child_of, start_worker, states, wait_until
from optuna.artifacts import get_all_artifact_meta
from optuna.trial import TrialState
from small_workers import away, ended, in_the_child, network_study, rates

from storage import storage_of
from studies.attributes import CREATED_KEY
from studies.worker.checkpoints import mark_of


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
    assert (
        start_worker("s", "--pack-size=8", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    )
    kept = {t.number for t in ended(study) if get_all_artifact_meta(t, storage=storage_of(study))}
    values = sorted((trial.values[0] for trial in ended(study)), reverse=True)
    assert sorted((study.trials[n].values[0] for n in kept), reverse=True) == values[:2]
    files = [file for file in (tmp_path / "artifacts").iterdir() if file.is_file()]
    assert len(files) == 2
    mark = mark_of(study.user_attrs[CREATED_KEY])
    assert all(file.name.startswith(f"{mark}-") for file in files)


def test_a_trial_of_which_the_sampler_can_make_nothing_fails_alone(
    sqlite_url: str, tmp_path: Path
) -> None:
    study = network_study(sqlite_url, tmp_path, fixed={"epochs": 1, "hidden_units": [8]})
    study.enqueue_trial({"activation": "reluu"})  # as Optuna lets anybody do
    assert start_worker("s", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    assert states(study) == {"COMPLETE": 2, "FAIL": 1}
    assert "ValueError" in study.trials[0].user_attrs["fail_reason"]
    assert "retried_as" not in study.trials[0].user_attrs


def test_a_trial_that_cannot_begin_fails_alone(sqlite_url: str, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures.npz"
    x, y = np.zeros((40, 8, 8), np.uint8), np.arange(40) % 2
    np.savez(pictures, x_train=x, y_train=y)
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
    np.savez(pictures, x_train=x[:, :6, :6], y_train=y)  # smaller than at creation
    assert (
        start_worker("s", "--pack-size=2", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    )
    assert states(study) == {"COMPLETE": 1, "FAIL": 1}
    (failed,) = study.get_trials(states=(TrialState.FAIL,))
    assert failed.params == {"kernel_size": 7}
    assert failed.user_attrs["fail_reason"].startswith("SettingError: Expected at least 7 pixels")


# The first child waits in its first epoch until it is killed; later ones train at once.
WAITS_ONCE = """
import time
from pathlib import Path
from studies.executor.handlers import Trainer

trained = Trainer.train_epoch

def train_epoch(self, request):
    note = Path(__file__).with_name("waits")
    if not note.exists():
        note.touch()
        time.sleep(600)
    return trained(self, request)

Trainer.train_epoch = train_epoch
"""


@pytest.mark.parametrize(("n", "found"), [(1, {"FAIL": 1}), (3, {"COMPLETE": 3})])
def test_a_child_that_dies_while_the_database_is_away_is_recorded_when_it_is_back(
    postgres_server: sqlalchemy.URL,
    postgres_url: str,
    tmp_path: Path,
    launched: list[Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    n: int,
    found: dict[str, int],
) -> None:
    in_the_child(WAITS_ONCE, tmp_path, monkeypatch)
    study = network_study(
        postgres_url,
        tmp_path,
        search={"design": "grid"},
        fixed={"epochs": 1, "hidden_units": [8]},
        space={"learning_rate": rates(n)},
    )
    launched.append(start_worker("s", f"--pack-size={n}", url=postgres_url, folder=tmp_path))
    wait_until((tmp_path / "waits").exists, "an epoch begins")
    log = tmp_path / "worker.log"
    with away(postgres_server, postgres_url):
        os.kill(child_of(launched[0]), signal.SIGSEGV)
        wait_until(lambda: "trying again" in log.read_text(), "it waits")
    assert launched[0].wait(timeout=300) == 0
    assert states(study) == found
    assert "the database answers again" in log.read_text()
    if n == 1:
        (failed,) = study.trials
        assert "ended by SIGSEGV" in failed.user_attrs["fail_reason"]
