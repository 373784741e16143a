"""All that made a trial: whence each hyperparameter, how its point came about, its code."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import optuna
import pytest
from commands import hpo_here
from created_studies import GRID, define, maker
from optuna.trial import TrialState
from small_studies import table

from storage import TrialStorage, claim, create_storage, storage_of, study_id, trial_id
from studies import create_study, load_definition, load_study, retry_trials, show
from studies.attributes import DEFAULTS_KEY
from studies.catalog.shipped import catalog
from studies.definition.as_toml import as_toml
from studies.definition.study import parse_definition
from studies.errors import StudyNotFoundError, TrialNotFoundError


def end(study: optuna.Study, n: int = 1, value: float | None = 0.5, **attrs: Any) -> None:
    """End the next trials of a study, with attributes."""
    storage = storage_of(study)
    for trial in claim(storage, study_id(study), n):
        for key, each in attrs.items():
            storage.set_trial_user_attr(trial_id(trial), key, each)
        state = TrialState.FAIL if value is None else TrialState.COMPLETE
        study.tell(trial.number, value, state=state)


def origins(study: optuna.Study, number: int = 0) -> dict[str, tuple[Any, str]]:
    rows = show(study, number).setting.itertuples(index=False, name=None)
    return {name: (value, origin) for name, value, origin in rows}


def test_where_each_hyperparameter_of_a_trial_comes_from(
    sqlite_storage: TrialStorage, tmp_path: Path
) -> None:
    make = maker(sqlite_storage, tmp_path)
    first = make(GRID, name="first")
    end(first, 6)
    second = make(
        GRID,
        name="second",
        fixed={"from": "first", "epochs": 7},
        space={"way": {"plain": {"optimizer": "sgd", "learning_rate": 0.5}, "adam": {}}},
    )
    attributes = second.user_attrs[DEFAULTS_KEY]
    second.set_user_attr(DEFAULTS_KEY, {**attributes, "weight_decay": 0.25})
    end(second, 2)
    found = origins(second)
    best = first.best_trial.params
    assert found["optimizer"] == ("sgd", "searched")
    assert found["learning_rate"] == (0.5, "searched")
    assert found["epochs"] == (7, "fixed")
    assert found["batch_size"] == (best["batch_size"], "best of first")
    assert found["weight_decay"] == (0.25, "default when the study was made")
    assert found["activation"][1] == "default"
    # The other level sets no learning rate: that of the optimizer holds.
    assert origins(second, 1)["learning_rate"] == (None, "Keras's default")
    assert origins(second, 1)["rho"] == (None, "default")  # which its optimizer has not


@pytest.mark.parametrize(
    ("search", "space", "number", "words"),
    [
        (GRID, None, 4, "point 5 of 6 of the grid design"),
        (
            GRID | {"enqueue": [{"hidden_units": [16, 8], "batch_size": 32}]},
            None, 0, "known setting 1 of 1 in [[search.enqueue]]",
        ),
        (
            GRID | {"enqueue": [{"hidden_units": [16, 8], "batch_size": 32}]},
            None, 1, "point 2 of 6 of the grid design",
        ),
        (GRID | {"replicates": 2}, None, 3, "point 4 of 12 of the grid design"),
        (
            {"design": "orthogonal"},
            {"optimizer": ["adam", "sgd"], "activation": ["relu", "tanh"], "batch_size": [16, 32]},
            2, "row 3 of 4 of L4",
        ),
        ({"sampler": "random", "n_trials": 2}, None, 1, "the sampler random, seed 0"),
        (
            {"sampler": "random", "n_trials": 2, "enqueue": [{"hidden_units": [16, 8]}]},
            None, 1, "the sampler random, seed 0",
        ),
    ],
)  # fmt: skip
def test_how_the_point_of_a_trial_came_about(
    sqlite_storage: TrialStorage,
    tmp_path: Path,
    search: dict[str, Any],
    space: Any,
    number: int,
    words: str,
) -> None:
    lines = {} if space is None else {"space": space}
    study = maker(sqlite_storage, tmp_path)(search, **lines)
    claim(sqlite_storage, study_id(study), 12)
    assert words in show(study, number).chosen_by


def test_attempts_seeds_folds_versions_and_lanes_of_a_trial(
    sqlite_storage: TrialStorage, sqlite_url: str, tmp_path: Path
) -> None:
    study = maker(sqlite_storage, tmp_path)(GRID, data={"folds": 2})
    end(study, value=None, fail_reason="E: no\nmore", versions={"jax": "0.0.1"})
    retry_trials(study, [0])
    claim(sqlite_storage, study_id(study), 5)
    end(
        study, 1, 0.75, seed_values=[0.7, 0.8], fold_values=[0.7, 0.8], fold_best_epochs=[3, 4],
        lanes=[[6, 8], [9, 4]], resumed_after=5, worker="a-b-77-1f2e", backend="jax", device="cpu",
        train_seconds=75.0, compile_seconds=2.5, epochs=9, best_epoch=8, data_sha256="ab" * 32,
        trained_by="fit", trained_by_reason="why",
    )  # fmt: skip
    found = show(study, 6)
    assert (found.state, found.value, found.chosen_by) == (
        "complete", 0.75, "point 1 of 6 of the grid design"
    )  # fmt: skip
    assert found.attempts.values.tolist() == [[0, "fail", None, "E: no\nmore", None]]
    assert show(study, 0).attempts["trial"].tolist() == [6]
    assert show(study, 0).reason == "E: no\nmore"
    assert found.seeds.values.tolist() == [[0, 0.7], [1, 0.8]]
    assert found.folds.values.tolist() == [[1, 0.7, 3], [2, 0.8, 4]]
    assert (found.lanes, found.resumed_after) == ([[6, 8], [9, 4]], 5)
    assert (found.host, found.worker) == ("a-b", "a-b-77-1f2e")
    assert found.trained_by == "fit: why"
    assert found.data["sha256"] == "ab" * 32
    assert found.data["folds"] == 2
    assert found.encoding["scale"] == 255
    jax = show(study, 0).versions.set_index("library").loc["jax"]
    assert jax["trial"] == "0.0.1"
    assert jax["study"] == jax["here"] != "0.0.1"
    said = hpo_here("show", "s", "6", url=sqlite_url, folder=tmp_path)
    assert said.returncode == 0, said.stderr
    assert max(map(len, said.stdout.splitlines())) <= 80
    for words in (
        "trial 6 of s", "went on from a checkpoint after epoch 5", "8 lanes, 4 from epoch 9 on",
        "host a-b", "1 min 15 s, 2.5 s of it for compiling",
        "SHA-256 abababababab", "[space]", "E: no",
    ):  # fmt: skip
        assert words in " ".join(said.stdout.split())
    answer = json.loads(
        hpo_here("show", "s", "6", "--json", url=sqlite_url, folder=tmp_path).stdout
    )
    assert answer["lanes"] == [[6, 8], [9, 4]]
    assert answer["began"].endswith("+00:00")
    assert answer["attempts"][0]["trial"] == 0


def test_the_code_of_a_function_is_compared_with_what_is_here(
    sqlite_storage: TrialStorage, tmp_path: Path
) -> None:
    import hashlib

    file = tmp_path / "mine.py"
    file.write_text("def f(trial):\n    return trial.suggest_float('x', 0, 1)\n")
    study = create_study(
        parse_definition({
            "name": "calls", "objective": f"{file}:f", "direction": "minimize",
            "search": {"sampler": "random", "n_trials": 1},
        }),
        sqlite_storage,
        artifacts=tmp_path,
    )  # fmt: skip
    sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
    end(study, files_sha256={"mine": sha256, "mine.gone": "0" * 64})
    assert show(study, 0).code.values.tolist() == [
        [str(file), sha256, "the same"], ["mine.gone", "0" * 64, "not here"]
    ]  # fmt: skip
    assert show(study, 0).data == {}
    file.write_text("def f(trial):\n    return 0\n")
    assert show(study, 0).code["here"].tolist() == ["another", "not here"]
    file.unlink()
    assert show(study, 0).code["here"].tolist() == ["not here", "not here"]


@pytest.mark.parametrize("name", ["digits-mlp", "fashion-mlp-grid", "clock-heads"])
def test_the_definition_as_toml_makes_the_same_study(name: str) -> None:
    assert name in catalog()
    definition = load_definition(name)
    text = as_toml(definition)
    assert parse_definition(tomllib.loads(text)).identity == definition.identity
    assert 'backend = "auto"' not in text  # what holds anyway


def test_a_definition_of_any_value_is_written_as_toml() -> None:
    definition = parse_definition(
        table(
            fixed={"early_stopping_patience": "none", "class_weight": {"0": 2, "1": 0.5}},
            data={"train_size": 500},
            search={
                "sampler": {"name": "tpe", "n_startup_trials": 3},
                "n_trials": 9,
                "timeout": "5m",
                "enqueue": [{"activation": "tanh"}],
            },
        )
    )
    again = parse_definition(tomllib.loads(as_toml(definition)))
    assert again == definition


def test_an_unknown_trial_and_a_study_of_another_tool_are_errors(
    study_url: str, tmp_path: Path
) -> None:
    study, _ = load_study("s", study_url)
    with pytest.raises(TrialNotFoundError, match="Received: trial=77"):
        show(study, 77)
    other = optuna.create_study(storage=create_storage(study_url), study_name="other")
    other.add_trial(optuna.trial.create_trial(value=1.0))
    with pytest.raises(StudyNotFoundError, match="another program's"):
        show(other, 0)
    said = hpo_here("show", "s", "77", url=study_url, folder=tmp_path)
    assert said.stderr.startswith("error: Expected the number of a trial of s.")
    waiting = show(create_study(define(GRID, name="w"), create_storage(study_url)), 0)
    assert (waiting.state, waiting.value, waiting.worker) == ("waiting", None, None)
