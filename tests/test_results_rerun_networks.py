"""Trials of each kind of network that are made again: of seeds, folds, users' code, resumed."""

from __future__ import annotations

from pathlib import Path
from subprocess import Popen
from typing import Any

import pytest
from commands import hpo
from repeated import trained
from small_workers import alike, hold, kill_and_replace
from written_networks import written

from storage import history_of
from studies import load_study, rerun, run, show
from studies.errors import CodeError, WorkerError

CNN: dict[str, Any] = {
    "objective": "cnn",
    "backend": "tensorflow",
    "data": {"train_size": 300},
    "fixed": {"epochs": 2, "filters": [4], "hidden_units": [8]},
    "space": {"learning_rate": {"low": 1e-3, "high": 1e-2}},
}
BAD = {"name": "threshold", "lower": 2.0}  # no accuracy is as high


def test_a_cnn_of_several_seeds_on_tensorflow_comes_to_the_same(
    sqlite_url: str, tmp_path: Path
) -> None:
    search = {"sampler": "random", "n_trials": 1, "replicates": 2}
    study = trained(sqlite_url, tmp_path, search=search, **CNN)
    assert study.trials[0].user_attrs["lanes"] == [[1, 1]]
    found = rerun(study, 0)
    assert found.verdict == "equal bits"
    assert {"value", "seed_values", "kept weights", "val_loss"} <= set(found.metrics["name"])
    second = load_study("s-rerun", sqlite_url)[0].trials[0]
    assert second.user_attrs["seed_values"] == study.trials[0].user_attrs["seed_values"]
    assert second.user_attrs["backend"] == "tensorflow"
    shown = show(study, 0)
    assert shown.reruns.values.tolist() == [["s-rerun", 0, "equal bits"]]
    assert shown.seeds["value"].tolist() == second.user_attrs["seed_values"]
    assert shown.files["is_here"].all()
    assert show(load_study("s-rerun", sqlite_url)[0], 0).chosen_by == "trial 0 of s, made again"


def test_a_pruned_trial_of_folds_is_compared_up_to_where_it_was_pruned(
    sqlite_url: str, tmp_path: Path
) -> None:
    search = {"sampler": "random", "n_trials": 1, "pruner": {**BAD, "n_warmup_steps": 2}}
    data, fixed = {"folds": 2, "train_size": 300}, {"epochs": 4}
    study = trained(sqlite_url, tmp_path, search=search, data=data, fixed=fixed)
    first = study.trials[0]
    assert (first.state.name, first.user_attrs["epochs"]) == ("PRUNED", 2)
    found = rerun(study, 0)
    assert found.verdict == "equal bits"
    assert found.n_epochs == 2
    assert found.values == (None, None)
    assert found.notes == ["The first one was pruned after 2; the second one was ended there too."]
    second = load_study("s-rerun", sqlite_url)[0].trials[0]
    assert second.state.name == "PRUNED"
    assert history_of(second) == history_of(first)


@pytest.mark.parametrize("way", ["lanes", "fit"])
def test_a_network_of_a_user_is_made_again_by_its_own_code_only(
    sqlite_url: str, tmp_path: Path, way: str
) -> None:
    toml = written(tmp_path, epochs=2, way=way)
    code = tmp_path / "own_net.py"
    study = run(toml, sqlite_url, artifacts=tmp_path / "artifacts", allow_modules=[str(code)])
    with pytest.raises(WorkerError, match=f"--allow-module {code}"):
        rerun(study, 0)
    found = rerun(study, 0, allow_modules=[str(code)])
    assert found.verdict == "equal bits"
    assert "kept weights" in set(found.metrics["name"])
    second = load_study("own-rerun", sqlite_url)[0].trials[0]
    for key in ("code_sha256", "noted", "trained_by", "lanes"):
        assert second.user_attrs[key] == study.trials[0].user_attrs[key]
    assert show(study, 0).code["here"].tolist() == ["the same"]
    code.write_text(code.read_text() + "\n# another\n")
    assert show(study, 0).code["here"].tolist() == ["another"]
    with pytest.raises(CodeError, match="Expected the code that trial 0 was trained with"):
        rerun(study, 0, allow_modules=[str(code)])


def test_a_diverged_trial_fails_again_for_the_same_reason(sqlite_url: str, tmp_path: Path) -> None:
    fixed = {"epochs": 2, "optimizer": "sgd", "activation": "exponential"}
    space = {"learning_rate": [100.0, 0.001]}
    search = {"design": "grid"}
    study = trained(sqlite_url, tmp_path, search=search, fixed=fixed, space=space)
    assert [trial.state.name for trial in study.trials] == ["FAIL", "COMPLETE"]
    found = hpo("rerun", "s", "0", url=sqlite_url, folder=tmp_path)
    assert found.returncode == 0, found.stderr
    words = " ".join(found.stdout.split())
    assert "fails again, for the same reason; its numbers: equal bits." in words
    assert "Both failed: Expected a finite loss. Received: loss=nan in epoch 1." in words
    assert load_study("s-rerun", sqlite_url)[0].trials[0].state.name == "FAIL"


def test_a_trial_that_went_on_from_a_checkpoint_is_made_again_without_a_break(
    sqlite_url: str,
    tmp_path: Path,
    launched: list[Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    hold(tmp_path, monkeypatch, saved=True)
    study = alike(sqlite_url, tmp_path, n=1, epochs=40)
    kill_and_replace(launched, tmp_path, "s", url=sqlite_url, folder=tmp_path)
    assert launched[1].wait(timeout=300) == 0
    study, _ = load_study("s", sqlite_url)
    last = study.trials[-1]
    resumed_after = last.user_attrs["resumed_after"]
    found = rerun(study, last.number)
    assert found.verdict == "equal bits"
    assert found.n_epochs == 40
    assert f"from a checkpoint after epoch {resumed_after}" in found.notes[0]
    lost = rerun(study, 0)
    assert (lost.verdict, lost.failure) == ("different", "does not fail again")
    assert (lost.n_epochs, len(lost.metrics)) == (0, 0)
    assert show(study, last.number).attempts["trial"].tolist() == [0]
