"""Studies of networks that users build, by the commands: made, killed, resumed, kept, tested."""

from __future__ import annotations

import csv
import json
import os
import re
from pathlib import Path
from subprocess import Popen

import keras
import optuna
import pytest
from commands import hpo, hpo_here, states
from small_workers import hold, kill_and_replace
from written_networks import FIRST, written

from objectives import DataOptions
from objectives.data.datasets import load_test
from objectives.data.encoding import AS_STORED
from storage import history_of
from studies import create_study, load_definition, load_model, run
from studies.errors import DefinitionError, WorkerError
from studies.results.holdout import evaluate_on_holdout

ROOT = Path(__file__).parents[1]
PRUNED = """
[search.pruner]
name = "threshold"
lower = 2.0
"""


def test_the_network_of_the_readme_is_searched_by_its_commands(
    sqlite_url: str, tmp_path: Path
) -> None:
    readme = (ROOT / "README.md").read_text()
    (code,) = re.findall(r"```python\n(# my_net.py.*?)```", readme, flags=re.DOTALL)
    init, run = re.findall(r"^hpo (init my_net.*|run mine.*)$", readme, flags=re.MULTILINE)
    (tmp_path / "my_net.py").write_text(code)
    init = init.replace("fashion_mnist", "digits")  # which is here without a download
    made = hpo(*init.split(), url=sqlite_url, folder=tmp_path)
    assert made.returncode == 0, made.stderr
    assert "Trained by lanes: all of its parts are Keras's" in made.stdout + made.stderr
    text = (tmp_path / "mine.toml").read_text()
    assert 'objective = "my_net.py:build"' in text
    assert "units_1 = { low = 32, high = 256, step = 32, when = { n_layers = [2, 3] } }" in text
    again = hpo_here(*init.split(), url=sqlite_url, folder=tmp_path)
    assert "a file that is not there yet" in again.stderr
    ran = hpo(*run.split(), "-n3", "--set=epochs=2", url=sqlite_url, folder=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert "the best of 3 trials" in ran.stdout
    with (tmp_path / "mine.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["user_attrs_trained_by"] for row in rows] == ["lanes"] * 3
    status = hpo_here("status", "mine", url=sqlite_url, folder=tmp_path)
    assert "trained by lanes: all of its parts are Keras's" in status.stdout
    kept = hpo_here("model", "mine", "-o", "best.keras", url=sqlite_url, folder=tmp_path)
    assert kept.returncode == 0, kept.stderr
    network = keras.models.load_model(tmp_path / "best.keras")
    assert network.count_params() == int(rows[0]["user_attrs_parameter_count"])
    untrusted = hpo_here("test", "mine", url=sqlite_url, folder=tmp_path)
    assert f"--allow-module {tmp_path / 'my_net.py'}" in untrusted.stderr
    tested = hpo_here("test", "mine.toml", url=sqlite_url, folder=tmp_path)
    assert "on the 360 examples of the test part" in tested.stdout


@pytest.mark.parametrize("way", list(FIRST))
def test_a_trial_whose_worker_is_killed_ends_as_if_it_had_not_been_and_its_network_is_kept(
    sqlite_url: str,
    tmp_path: Path,
    launched: list[Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    way: str,
) -> None:
    toml = written(tmp_path, epochs=30, way=way)
    here = {"url": sqlite_url, "folder": tmp_path}
    plain = hpo("run", toml.name, "--name", "undisturbed", "--pack-size=1", **here)
    assert plain.returncode == 0, plain.stderr
    assert hpo("create", toml.name, **here).returncode == 0
    (tmp_path / "pruned.toml").write_text(
        toml.read_text().replace('"own"', '"pruned"').replace("[fixed]", f"{PRUNED}[fixed]")
    )
    assert hpo("create", "pruned.toml", **here).returncode == 0
    study = optuna.load_study(study_name="own", storage=sqlite_url)
    hold(tmp_path, monkeypatch, saved=True)
    kill_and_replace(launched, tmp_path / "own_net.py", "own", "pruned", **here)
    assert launched[1].wait(timeout=300) == 0
    found = states(study)
    assert found.pop("COMPLETE") == 2
    assert found.keys() == {"FAIL"}
    assert any(t.user_attrs.get("resumed_after") for t in study.trials)
    undisturbed = optuna.load_study(study_name="undisturbed", storage=sqlite_url).trials
    by_rate = {trial.params["learning_rate"]: trial for trial in undisturbed}
    for trial in study.get_trials(states=(optuna.trial.TrialState.COMPLETE,)):
        assert trial.user_attrs["trained_by"] == way
        assert trial.user_attrs["noted"] == trial.params["learning_rate"]  # each its own
        for name, values in history_of(by_rate[trial.params["learning_rate"]]).items():
            assert history_of(trial)[name] == pytest.approx(values, abs=1e-6)
    assert states(optuna.load_study(study_name="pruned", storage=sqlite_url)) == {"PRUNED": 2}
    # What is kept of it.
    file = "best.weights.h5" if way == "fit" else "best.keras"
    kept = hpo_here("model", "own", "-o", file, **here)
    assert kept.returncode == 0, kept.stderr
    tested = hpo_here("test", toml.name, **here)
    assert "on the 360 examples of the test part" in tested.stdout, tested.stderr
    exported = hpo_here("export", "own", "--columns", "value,trained_by", **here)
    assert exported.stdout.count(f",{way}") == 2


def test_changed_code_is_refused_until_it_is_accepted(
    sqlite_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    toml = written(tmp_path, epochs=1)
    here = {"url": sqlite_url, "folder": tmp_path}
    assert hpo("create", toml.name, **here).returncode == 0
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "jax.py").write_text("raise ModuleNotFoundError(name='jax')")
    (tmp_path / "without" / "sitecustomize.py").touch()  # so that no process is forked with JAX
    with monkeypatch.context() as patched:
        patched.setenv("PYTHONPATH", str(tmp_path / "without"), prepend=os.pathsep)
        lacking = hpo("worker", "--allow-module=own_net.py", **here)
    assert "study 'own' is left out: Expected the Keras backend of the study, jax" in lacking.stderr
    untrusted = hpo("worker", "own", **here)
    assert untrusted.returncode == 1
    assert f"--allow-module {tmp_path / 'own_net.py'}" in untrusted.stderr
    assert hpo("worker", toml.name, "--max-trials=1", **here).returncode == 0
    original = (tmp_path / "own_net.py").read_text()
    (tmp_path / "own_net.py").write_text(original.replace("16", "12"))
    changed = hpo("worker", toml.name, **here)
    assert changed.returncode == 1
    assert "hpo create --accept-code own" in changed.stderr
    refused = hpo_here("create", toml.name, **here)
    assert "Expected the code that study 'own' was made with" in refused.stderr
    # The code that the study was made with is in another folder.
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "own_net.py").write_text(original)
    allowed = ("--allow-module", str(tmp_path / "elsewhere" / "own_net.py"))
    assert hpo("worker", "own", "--code", "elsewhere", "--max-trials=1", **here).returncode == 1
    found = hpo("worker", "own", "--code", "elsewhere", *allowed, "--max-trials=1", **here)
    assert found.returncode == 0, found.stderr
    accepted = hpo_here("create", toml.name, "--accept-code", **here)
    assert accepted.returncode == 0, accepted.stderr
    study = optuna.load_study(study_name="own", storage=sqlite_url)
    assert len({trial.user_attrs["code_sha256"] for trial in study.trials}) == 1
    assert study.user_attrs["code"]["sha256"] != study.trials[0].user_attrs["code_sha256"]
    assert "versions of the code" not in hpo_here("best", "own", **here).stderr
    other = {"code_sha256": study.user_attrs["code"]["sha256"]}
    study.add_trial(optuna.trial.create_trial(value=0.5, user_attrs=other))
    best = hpo_here("best", "own", **here).stderr
    assert "These trials were built by 2 versions of the code" in " ".join(best.split())
    status = hpo_here("status", "own", **here)
    assert "trained by fit: <lambda> uses eval" in status.stdout


def test_from_python_a_network_that_keras_cannot_save_is_kept_as_weights(
    sqlite_url: str, tmp_path: Path
) -> None:
    toml = written(tmp_path, epochs=1)
    allowed = [str(tmp_path / "own_net.py")]
    with pytest.raises(WorkerError, match="If you trust it"):
        run(toml, sqlite_url)
    with pytest.raises(DefinitionError, match="networks that were built before their study is"):
        create_study(load_definition(toml), sqlite_url)
    study = run(
        toml, sqlite_url, workers=1, artifacts=tmp_path / "artifacts", allow_modules=allowed
    )
    here = {"url": sqlite_url, "folder": tmp_path}
    whole = hpo_here("model", "own", "-o", "best.keras", **here)
    assert "Expected a file name that ends in .weights.h5" in whole.stderr
    assert hpo_here("model", "own", "-o", "best.weights.h5", **here).returncode == 0
    about = json.loads((tmp_path / "best.json").read_text())
    assert about["parameters"]["learning_rate"] in (0.001, 0.002)
    assert about["code_sha256"] == study.user_attrs["code"]["sha256"]
    with pytest.raises(WorkerError, match="If you trust it"):
        load_model(study)
    network = load_model(study, allow_modules=allowed)
    assert network.count_params() == study.best_trial.user_attrs["parameter_count"]
    with pytest.raises(WorkerError, match="If you trust it"):
        evaluate_on_holdout(study)
    found = evaluate_on_holdout(study, allow_modules=allowed)
    network.compile(loss=network.loss, metrics=["accuracy"])
    x, y = load_test("digits", DataOptions(), AS_STORED)
    assert network.evaluate(x, y, verbose=0)[1] == pytest.approx(found.metrics["accuracy"])
