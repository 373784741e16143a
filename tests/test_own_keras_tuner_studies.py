"""What the README shows to KerasTuner's users, by its commands: found, searched, kept, tested."""

from __future__ import annotations

import csv
import re
import tomllib
from pathlib import Path
from subprocess import Popen

import optuna
import pytest
from commands import hpo, hpo_here, states
from small_workers import hold, kill_and_replace

from storage import history_of
from studies.definition.search import SearchOptions

ROOT = Path(__file__).parents[1]
NET = """
import keras
import keras_tuner

class Net(keras_tuner.HyperModel):
    def build(self, hp):
        layers = [keras.layers.Flatten(), keras.layers.Dense(16), keras.layers.Dropout(0.2)]
        model = keras.Sequential([*layers, keras.layers.Dense(10, activation="softmax")])
        rate = hp.Float("learning_rate", 1e-4, 1e-1, sampling="log")
        loss = "sparse_categorical_crossentropy"
        model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
        return model
"""
OWN_FIT = """
    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, batch_size=hp.Choice("batch_size", [64, 128]), **kwargs)
"""
STUDY = """
name = "kt"
objective = "kt_net.py:Net"
dataset = "digits"
backend = "{backend}"
search = {{ design = "grid", n_trials = 1 }}
fixed = {{ epochs = 20, batch_size = 64 }}
space = {{ learning_rate = [0.001, 0.002] }}
"""


def test_the_hypermodel_of_the_readme_is_searched_by_its_commands(
    sqlite_url: str, tmp_path: Path
) -> None:
    readme = (ROOT / "README.md").read_text()
    (code,) = re.findall(r"```python\n(# kt_net.py.*?)```", readme, flags=re.DOTALL)
    init, run = re.findall(r"^hpo (init kt_net.*|run kt.*)$", readme, flags=re.MULTILINE)
    (tmp_path / "kt_net.py").write_text(code)
    here = {"url": sqlite_url, "folder": tmp_path}
    made = hpo_here(*init.replace("fashion_mnist", "digits").split(), **here)
    assert made.returncode == 0, made.stderr
    told = "MyHyperModel is a HyperModel of KerasTuner with a fit of its own, which trains it."
    assert told in made.stdout
    study = tomllib.loads((tmp_path / "kt.toml").read_text())
    assert study["fixed"] == {"epochs": 10}  # and the batch size is in the space
    assert study["space"]["units"]["when"] == {"depth": ["two"]}
    assert study["space"]["batch_size"] == [64, 128]
    ran = hpo(*run.replace("20", "2").split(), "--set=epochs=2", **here)
    assert ran.returncode == 0, ran.stderr
    with (tmp_path / "kt.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["user_attrs_trained_by"] for row in rows] == ["fit"] * 2
    assert [row["user_attrs_epochs"] for row in rows] == ["2"] * 2
    assert [row["user_attrs_backend"] for row in rows] == ["jax"] * 2
    assert hpo_here("model", "kt", "-o", "best.keras", **here).returncode == 0
    tested = hpo_here("test", "kt.toml", **here)
    assert "on the 360 examples of the test part" in tested.stdout, tested.stderr


def test_the_search_of_the_page_for_keras_tuners_users_is_one() -> None:
    page = (ROOT / "docs" / "keras_tuner.md").read_text()
    (block,) = re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL)
    options = SearchOptions.model_validate(tomllib.loads(block)["search"])
    assert (options.n_trials, options.seed) == (50, 1)


@pytest.mark.parametrize(
    ("way", "backend", "fit"), [("lanes", "jax", ""), ("fit", "tensorflow", OWN_FIT)]
)
def test_a_hypermodel_whose_worker_is_killed_ends_as_if_undisturbed(
    sqlite_url: str,
    tmp_path: Path,
    launched: list[Popen[bytes]],
    monkeypatch: pytest.MonkeyPatch,
    way: str,
    backend: str,
    fit: str,
) -> None:
    (tmp_path / "kt_net.py").write_text(NET + fit)
    (tmp_path / "kt.toml").write_text(STUDY.format(backend=backend))
    here = {"url": sqlite_url, "folder": tmp_path}
    plain = hpo("run", "kt.toml", "--name", "undisturbed", **here)
    assert plain.returncode == 0, plain.stderr
    assert hpo("create", "kt.toml", **here).returncode == 0
    hold(tmp_path, monkeypatch, saved=True)
    kill_and_replace(launched, tmp_path / "kt_net.py", "kt", **here)
    assert launched[1].wait(timeout=300) == 0
    study = optuna.load_study(study_name="kt", storage=sqlite_url)
    assert states(study) == {"FAIL": 1, "COMPLETE": 1}
    trial = study.best_trial
    assert trial.user_attrs["resumed_after"] > 0
    assert (trial.user_attrs["trained_by"], trial.user_attrs["backend"]) == (way, backend)
    (undisturbed,) = optuna.load_study(study_name="undisturbed", storage=sqlite_url).trials
    for name, values in history_of(undisturbed).items():
        assert history_of(trial)[name] == pytest.approx(values, abs=1e-5)
