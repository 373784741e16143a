"""Confirmations that real workers train: a killed one, and networks up to the test part."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from statistics import median_low
from subprocess import Popen
from typing import Any

import numpy as np
import pytest
from commands import QUICK, child_of, executions, hpo_here, start_worker, states, wait_until
from confirmations import ALLOWED, searched
from small_studies import table

from objectives import DataOptions
from objectives.data import datasets
from studies import SettingError, confirm, create_study, load_study
from studies.confirmation.confirm import confirm_by
from studies.confirmation.looks import Wanted
from studies.confirmation.on_test import compare_on_test
from studies.confirmation.ways import Ways
from studies.definition.study import parse_definition
from studies.results.holdout import holdout_evaluations

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")


def test_after_a_worker_is_killed_another_goes_on(
    sqlite_url: str, tmp_path: Path, launched: list[Popen[bytes]]
) -> None:
    searched(sqlite_url, lambda x, seed: x, objective="user_objectives:seeded")
    queue_only = Ways(lambda own: False, lambda definition: definition)
    confirm_by("s", sqlite_url, Wanted(), queue_only, ALLOWED)
    study = load_study("s-confirm", sqlite_url)[0]
    assert states(study) == {"WAITING": 24}
    (tmp_path / "hold").write_text("4")
    launched.append(start_worker("s-confirm", *QUICK, url=sqlite_url, folder=tmp_path))
    wait_until(lambda: len(executions(tmp_path)) > 4, "some are executed")
    child = child_of(launched[0])
    launched[0].send_signal(signal.SIGKILL)
    os.kill(child, signal.SIGKILL)
    (tmp_path / "hold").unlink()
    launched.append(start_worker("s-confirm", *QUICK, url=sqlite_url, folder=tmp_path))
    assert launched[1].wait(timeout=300) == 0
    shown = hpo_here("confirm", "s", "--json", url=sqlite_url, folder=tmp_path)
    assert shown.returncode == 0, shown.stderr
    found = json.loads(shown.stdout)
    expected = [(1_000_000_000 + i) % 7 / 1000 for i in range(8)]
    for setting in found["settings"]:
        x = setting["parameters"]["x"]
        assert setting["values"] == pytest.approx([x + noise for noise in expected])
    assert [pair["better"] for pair in found["pairs"]] == [3, 3, 2]
    best = hpo_here("best", "s", url=sqlite_url, folder=tmp_path).stdout
    assert "Trial 3: searched 0.7000, eight fresh seeds 0.7034 ± 0.0019" in best


def test_networks_are_confirmed_and_looked_at_on_the_test_part_once(
    sqlite_url: str, tmp_path: Path
) -> None:
    lines: dict[str, Any] = {
        "search": {"design": "grid"},
        "fixed": {"epochs": 4, "hidden_units": [32]},
        "space": {"learning_rate": [1e-2, 1e-5]},
        "data": {"train_size": 600},
    }
    study = create_study(
        parse_definition(table(**lines)), sqlite_url, artifacts=tmp_path / "artifacts"
    )
    assert start_worker(url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    with pytest.raises(SettingError, match="Received: no study s-confirm"):
        confirm("s", sqlite_url, top=2, on="test")
    shown = hpo_here("confirm", "s", "--top=2", "--seeds=6", "-j1", url=sqlite_url, folder=tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "0 is better" in shown.stdout
    assert "seeds on this validation part" in shown.stdout
    tables = shown.stdout[shown.stdout.index("s: 2 settings") :]
    assert max(map(len, tables.splitlines())) <= 80
    own = load_study("s-confirm", sqlite_url)[0]
    assert own.user_attrs["data_sha256"] == study.user_attrs["data_sha256"]
    told: list[str] = []

    def interrupt(line: str) -> None:
        told.append(line)
        if len(told) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare_on_test(own, again=False, tell=interrupt)
    assert holdout_evaluations(load_study("s-confirm", sqlite_url)[0]) == []
    ways = Ways(lambda own: True, lambda definition: definition, told.append)
    found = confirm_by("s", sqlite_url, Wanted(on="test"), ways, [])
    assert len(told) == 3 + 10  # the two that were kept are not trained again
    assert (found.part, found.metric, list(found.settings["n"])) == ("test", "accuracy", [6, 6])
    assert found.settings["mean"].between(0, 1).all()
    tested = load_study("s-confirm", sqlite_url)[0].user_attrs["confirmed_on_test"]
    best = [[t.user_attrs["best_epoch"] for t in own.trials[i : i + 6]] for i in (0, 6)]
    assert tested["epochs"] == [median_low(each) for each in best]
    (record,) = holdout_evaluations(load_study("s-confirm", sqlite_url)[0])
    assert (record.networks, record.n) == (12, 360)
    assert not list((tmp_path / "artifacts/checkpoints").glob("*-test-*"))
    again = hpo_here("confirm", "s", "--on", "test", url=sqlite_url, folder=tmp_path)
    assert again.returncode == 1
    assert "the first at" in again.stderr
    assert "12 networks of s-confirm" in again.stderr
    looked = hpo_here("test", "s", url=sqlite_url, folder=tmp_path)
    assert "evaluation 2 on this test part" in looked.stdout
    assert "of 12 networks of s-confirm" in looked.stdout
    assert any("On the test part" in note for note in confirm("s", sqlite_url).notes)


@pytest.mark.parametrize("size", [None, 200])
def test_training_and_validation_part_are_one_and_the_test_part_is_none_of_it(
    size: int | None,
) -> None:
    options = DataOptions(train_size=size)
    apart, both = datasets.load("digits", options), datasets.load_whole("digits", options)
    rows = {x.tobytes() for x in (*apart.x_train, *apart.x_validation)}
    assert {x.tobytes() for x in both.x_train} == rows
    assert both.n_train == apart.n_train + len(apart.x_validation)
    assert both.sha256 == apart.sha256
    assert not np.isin(datasets.load_test("digits")[1].shape, both.x_train.shape[:1]).any()


@pytest.mark.parametrize(
    ("wanted", "words"),
    [
        ({"on": "test", "until_clear": True}, "which would look until it is pleased"),
        ({"on": "test", "splits": 7}, "Expected no splits beside on='test'"),
        ({"on": "validation"}, "Expected on='test', or nothing"),
        ({"again": True}, "Expected again beside on='test'"),
        ({"on": "test"}, "a function of yours"),
    ],
)
def test_what_is_no_look_at_the_test_part_is_refused(
    sqlite_url: str, wanted: dict[str, Any], words: str
) -> None:
    searched(sqlite_url, lambda x, seed: x)
    ways = Ways(lambda own: False, lambda definition: definition)
    with pytest.raises(SettingError, match=words):
        confirm_by("s", sqlite_url, Wanted(**wanted), ways, ALLOWED)
