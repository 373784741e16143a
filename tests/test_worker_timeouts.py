"""Trials that take longer than their study's `trial_timeout`."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import executions, executors, is_alive, start_worker, states
from small_workers import function_study, in_the_child, network_study

REASON = "it took longer than the study's trial_timeout of {} s"


def test_a_function_that_hangs_fails_with_its_child(sqlite_url: str, tmp_path: Path) -> None:
    study = function_study(sqlite_url, tmp_path, "endless", 2, trial_timeout="8s")
    assert start_worker("s", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    assert states(study) == {"FAIL": 2}
    assert study.trials[0].user_attrs["fail_reason"] == REASON.format(8)
    assert list(study.trials[0].user_attrs["files_sha256"]) == ["user_objectives"]
    assert executions(tmp_path) == [0, 1], "the second has a child of its own"
    assert not any(map(is_alive, executors(tmp_path)))
    assert "trial=1 timed out" in (tmp_path / "worker.log").read_text()


# Put in front of every Python process: of two networks, the larger one never ends its first epoch.
# The smaller one has the time for its first on any machine.
HANGS = """
import time
from studies.executor.handlers import Trainer
from studies.worker import pack_runner

train_epoch = Trainer.train_epoch
seconds_left = pack_runner.PackRunner._seconds_left

def patient(self):
    hangs = any(each.claimed.params["hidden_units"] == "12" for each in self._training.values())
    return seconds_left(self) + (0 if hangs else 300)

def hang(self, request):
    if self._pack.trials[0].task.hyperparameters.hidden_units == (12,):
        time.sleep(600)
    return train_epoch(self, request)

Trainer.train_epoch = hang
pack_runner.PackRunner._seconds_left = patient
"""


def test_a_network_ends_after_its_epoch_or_with_its_child(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_the_child(HANGS, tmp_path, monkeypatch)
    study = network_study(
        sqlite_url,
        tmp_path,
        search={"design": "grid", "trial_timeout": "1s"},
        fixed={"epochs": 9999},
        space={"hidden_units": [[12], [8]]},
    )
    assert start_worker("s", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    assert states(study) == {"FAIL": 2}
    assert [t.user_attrs["fail_reason"] for t in study.trials] == [REASON.format(1)] * 2
    assert [t.user_attrs["epochs"] > 0 for t in study.trials] == [False, True]
    assert "retried_as" not in study.trials[0].user_attrs
    assert not list((tmp_path / "artifacts/checkpoints").glob("*"))
