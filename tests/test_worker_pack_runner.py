"""Trials of networks side by side in one worker: what happens to one costs the others nothing."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from subprocess import Popen
from typing import Any

import numpy as np
import optuna
import pytest
from commands import child_of, start_worker, states, wait_until
from optuna.trial import TrialState
from small_workers import (
    SLOW,
    alike,
    all_train,
    ended,
    hold,
    in_the_child,
    let_go,
    network_study,
    rates,
    wait_until_held,
)

from storage import claim, create_storage, history_of, study_id, workers_seen
from studies import delete_study
from studies.worker import pack_runner
from studies.worker.loop import WorkerOptions, open_session
from studies.worker.open_studies import OpenStudies
from studies.worker.pack_runner import PackRunner
from studies.worker.session import Session


def test_trials_come_to_the_same_side_by_side_and_one_by_one(
    sqlite_url: str, tmp_path: Path
) -> None:
    lines = {
        "search": {"design": "grid"},
        "fixed": {"epochs": 3},
        "space": {"hidden_units": [[8], [12]], "learning_rate": rates(4)},
    }
    histories = {}
    for lanes in (1, 4):
        study = network_study(sqlite_url, tmp_path, name=f"lanes-{lanes}", **lines)
        worker = start_worker(
            study.study_name, f"--pack-size={lanes}", url=sqlite_url, folder=tmp_path
        )
        assert worker.wait(timeout=300) == 0
        assert states(study) == {"COMPLETE": 8}
        histories[lanes] = {
            tuple(trial.params.values()): history_of(trial) for trial in ended(study)
        }
        for trial in ended(study):
            assert list(trial.intermediate_values) == [1, 2, 3]
            assert trial.value == max(history_of(trial)["val_accuracy"])
            assert trial.user_attrs["lanes"] == [[1, lanes]]
    assert len(histories[1]) == 8
    for params, history in histories[1].items():
        np.testing.assert_allclose(histories[4][params]["val_loss"], history["val_loss"], rtol=1e-3)


def test_an_adaptive_search_with_a_pruner_keeps_its_budget_in_packs(
    sqlite_url: str, tmp_path: Path
) -> None:
    study = network_study(
        sqlite_url,
        tmp_path,
        search={
            "sampler": "tpe",
            "n_trials": 30,
            "pruner": {"name": "median", "n_startup_trials": 4},
        },
        fixed={"epochs": 6},
        space={
            "hidden_units": [[8], [12]],
            "learning_rate": {"low": 1e-4, "high": 1.0, "log": True},
        },
    )
    workers = [
        start_worker("s", "--pack-size=8", url=sqlite_url, folder=tmp_path) for _ in range(2)
    ]
    assert [worker.wait(timeout=300) for worker in workers] == [0, 0]
    found = states(study)
    assert sum(found.values()) == 30
    assert set(found) == {"COMPLETE", "PRUNED"}
    assert [trial.number for trial in study.trials] == list(range(30))
    pruned = study.get_trials(states=(TrialState.PRUNED,))
    assert all(len(t.intermediate_values) == t.user_attrs["epochs"] < 6 for t in pruned)


@pytest.mark.parametrize(("judged_from", "state", "epochs"), [(2, "PRUNED", 2), (3, "COMPLETE", 3)])
def test_a_trial_that_has_come_to_its_end_is_not_pruned(
    sqlite_url: str, tmp_path: Path, judged_from: int, state: str, epochs: int
) -> None:
    """The last epoch of 27 is a rung of Hyperband's; who has got there is trained in full."""
    study = network_study(
        sqlite_url,
        tmp_path,
        search={
            "sampler": "random",
            "n_trials": 2,
            "pruner": {"name": "threshold", "lower": 2.0, "n_warmup_steps": judged_from},
        },
        fixed={"epochs": 3},
    )
    assert start_worker("s", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    assert states(study) == {state: 2}
    assert [trial.user_attrs["epochs"] for trial in study.trials] == [epochs, epochs]


def test_what_waits_for_a_worker_of_many_lanes_waits_on_after_the_timeout(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_the_child(SLOW, tmp_path, monkeypatch)
    study = network_study(
        sqlite_url,
        tmp_path,
        search={"design": "grid", "timeout": 1.0},
        fixed={"hidden_units": [16], "epochs": 40},
        space={"learning_rate": rates(12)},
    )
    assert (
        start_worker("s", "--pack-size=4", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    )
    found = states(study)
    assert found["COMPLETE"] >= 4
    assert found == {"COMPLETE": found["COMPLETE"], "WAITING": 12 - found["COMPLETE"]}


DIES_AS_IT_SAVES = """
import os
from pathlib import Path
from studies.executor.handlers import Trainer

saved = Trainer.save

def save(self, request):
    note = Path(__file__).with_name("died")
    if not note.exists():
        note.touch()
        os._exit(1)
    return saved(self, request)

Trainer.save = save
"""


def test_a_child_that_dies_as_it_saves_a_network_costs_the_other_trials_nothing(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_the_child(SLOW + DIES_AS_IT_SAVES, tmp_path, monkeypatch)
    study = network_study(
        sqlite_url, tmp_path, search={"design": "grid"}, space={"epochs": [2, 60]}
    )
    assert (
        start_worker("s", "--pack-size=2", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    )
    assert (tmp_path / "died").exists()
    assert states(study) == {"COMPLETE": 2}


def packing(url: str, folder: Path) -> tuple[optuna.Study, Session, PackRunner]:
    """Make a study, and a runner of its trials that has no child."""
    study = network_study(url, folder)
    session = open_session(url, WorkerOptions())
    studies = OpenStudies(session.database, session.log, ["s"], [])
    (name,) = studies.names()
    runner = PackRunner(session, studies.open(name), executor=None)  # type: ignore[arg-type]
    return study, session, runner


def test_trials_are_queued_again_wherever_an_error_finds_them_but_not_for_ever(
    sqlite_url: str, tmp_path: Path
) -> None:
    study, session, runner = packing(sqlite_url, tmp_path)
    for attempt in range(4):
        runner.begin(claim(session.database.storage, study_id(study), 2))
        with pytest.raises(AttributeError) as caught:  # there is no executor
            runner.step()
        runner.abandon(save=False, error=caught.value)
        retried = {"WAITING": 2} if attempt < 3 else {}
        assert states(study) == {"FAIL": 2 * (attempt + 1)} | retried
    reason = study.trials[0].user_attrs["fail_reason"]
    assert reason.startswith("its worker ended by AttributeError: ")


def test_trials_are_kept_alive_while_the_sampler_thinks(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study, session, runner = packing(sqlite_url, tmp_path)
    thinking = pack_runner.prepare_trials

    def think(*arguments: Any, **options: Any) -> Any:
        (seen,) = workers_seen(create_storage(sqlite_url))
        assert seen.trial_numbers == (0, 1)
        return thinking(*arguments, **options)

    monkeypatch.setattr(pack_runner, "prepare_trials", think)
    runner.begin(claim(session.database.storage, study_id(study), 2))
    assert len(runner.active) == 2


def test_a_sampler_fills_no_more_lanes_than_there_are_points(
    sqlite_url: str, tmp_path: Path
) -> None:
    study = network_study(
        sqlite_url,
        tmp_path,
        search={"sampler": "tpe", "n_trials": 8},
        fixed={"epochs": 1},
        space={"hidden_units": [[4], [8]], "activation": ["relu", "tanh", "elu", "sigmoid"]},
    )
    assert (
        start_worker("s", "--pack-size=8", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    )
    points = {tuple(sorted(trial.params.items())) for trial in ended(study)}
    assert len(points) == 8


@pytest.mark.parametrize("signal_sent", [signal.SIGTERM, signal.SIGKILL], ids=["told", "killed"])
def test_trials_go_on_from_their_checkpoints_in_another_worker(
    sqlite_url: str,
    tmp_path: Path,
    launched: list[Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    signal_sent: signal.Signals,
) -> None:
    hold(tmp_path, monkeypatch, saved=True)
    study = alike(sqlite_url, tmp_path, n=4, epochs=80)
    options = ("--heartbeat=0.1", "--grace=2.5", "--pack-size=4")  # checkpoints every .3 s
    launched.append(start_worker("s", *options, url=sqlite_url, folder=tmp_path))
    checkpoints = tmp_path / "artifacts" / "checkpoints"
    wait_until_held(tmp_path)
    assert len(list(checkpoints.glob("*.json"))) == 4
    launched[0].send_signal(signal_sent)
    let_go(tmp_path)
    launched[0].wait(timeout=300)
    launched.append(start_worker("s", *options, url=sqlite_url, folder=tmp_path))
    assert launched[1].wait(timeout=300) == 0
    assert states(study) == {"COMPLETE": 4, "FAIL": 4}
    for trial in ended(study):
        assert 0 < trial.user_attrs["resumed_after"] < 80
        assert trial.user_attrs["lanes"][0] == [trial.user_attrs["resumed_after"] + 1, 4]
        assert len(history_of(trial)["loss"]) == 80
        assert list(trial.intermediate_values) == list(range(1, 81))
    assert list(checkpoints.iterdir()) == []


def test_after_a_crash_of_the_child_half_of_the_trials_try_again(
    sqlite_url: str,
    tmp_path: Path,
    launched: list[Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hold(tmp_path, monkeypatch)
    study = alike(sqlite_url, tmp_path, n=4, epochs=60)
    launched.append(start_worker("s", "--pack-size=4", url=sqlite_url, folder=tmp_path))
    wait_until_held(tmp_path)
    all_train(sqlite_url, 4)
    os.kill(child_of(launched[0]), signal.SIGSEGV)
    let_go(tmp_path)
    assert launched[0].wait(timeout=300) == 0
    assert states(study) == {"COMPLETE": 4}
    assert "4 trials at once failed, trying fewer" in (tmp_path / "worker.log").read_text()
    assert all(list(t.intermediate_values) == list(range(1, 61)) for t in ended(study))


# Put in front of every Python process: as on a device whose memory holds two trials.
HUNGRY = """
from studies.executor.handlers import Trainer

pack_for = Trainer._pack_for

def hungry(self, request):
    pack = pack_for(self, request)

    def train_epoch():
        if len(pack.trials) > 2:
            raise RuntimeError("RESOURCE_EXHAUSTED: Out of memory while trying to allocate")
        return type(pack).train_epoch(pack)

    pack.train_epoch = train_epoch
    return pack

Trainer._pack_for = hungry
"""


def test_what_does_not_fit_into_memory_is_trained_in_halves(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_the_child(HUNGRY, tmp_path, monkeypatch)
    study = alike(sqlite_url, tmp_path, n=11, epochs=3)
    assert (
        start_worker("s", "--pack-size=8", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    )
    assert states(study) == {"COMPLETE": 11}
    log = (tmp_path / "worker.log").read_text()
    assert log.count("8 trials at once failed, trying fewer") == 1
    assert log.count("4 trials at once failed, trying fewer") == 1
    assert log.count("at once failed") == 2  # what has been learned holds for the later ones
    # And a worker takes no more of these than it will train.
    trials = ended(study)
    for late in trials[8:]:
        assert late.datetime_start is not None
        running = [
            trial
            for trial in trials
            if trial.datetime_start <= late.datetime_start < trial.datetime_complete
        ]
        assert len(running) <= 2


def test_a_trial_that_somebody_ends_leaves_its_pack(
    sqlite_url: str,
    tmp_path: Path,
    launched: list[Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hold(tmp_path, monkeypatch)
    study = alike(sqlite_url, tmp_path, n=3, epochs=80)
    launched.append(start_worker("s", "--pack-size=4", url=sqlite_url, folder=tmp_path))
    all_train(sqlite_url, 3)
    storage = create_storage(sqlite_url)
    assert workers_seen(storage)[0].trial_numbers == (0, 1, 2)
    study.tell(1, state=TrialState.FAIL)
    let_go(tmp_path)
    assert launched[0].wait(timeout=300) == 0
    assert [trial.state.name for trial in study.trials] == ["COMPLETE", "FAIL", "COMPLETE"]
    assert "study=s trial=1 ended elsewhere" in (tmp_path / "worker.log").read_text()


def test_a_study_deleted_while_a_pack_trains_ends_the_pack(
    sqlite_url: str,
    tmp_path: Path,
    launched: list[Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    in_the_child(SLOW, tmp_path, monkeypatch)
    alike(sqlite_url, tmp_path, n=3, epochs=9999)  # it takes longer than the test waits
    launched.append(start_worker("--pack-size=4", "--wait", url=sqlite_url, folder=tmp_path))
    all_train(sqlite_url, 3)
    storage = create_storage(sqlite_url)
    delete_study("s", storage)
    wait_until(lambda: not workers_seen(storage)[0].trial_numbers, "the worker rests")
    time.sleep(1)
    assert launched[0].poll() is None
    launched[0].terminate()
    assert launched[0].wait(timeout=300) == 0
