"""Studies on tables, by the commands: a number and a class, told of new rows as well."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import optuna
import pandas as pd
import pytest
from commands import hpo, hpo_here
from sklearn.metrics import mean_absolute_error, r2_score, root_mean_squared_error

import objectives
from objectives.data.encoding import Encoding
from objectives.head import TargetScale
from storage import history_of
from studies import load_definition
from studies.definition.check_network import check_encoding
from studies.errors import DefinitionError

README = (Path(__file__).parents[1] / "README.md").read_text()
STUDY = """
name = "{name}"
objective = "{objective}"
dataset = "houses.csv"
metric = "{metric}"
backend = "jax"
[data]
target = "{target}"
drop = ["id"]
split = "part"
[search]
design = "grid"
[fixed]
epochs = {epochs}
batch_size = 32
[space]
learning_rate = [0.0001, 0.01]
"""
NET = """
import keras
def build(trial):
    model = keras.Sequential([keras.layers.Dense(8, "relu"), keras.layers.Dense(2, "softmax")])
    rate = trial.suggest_float("learning_rate", 1e-4, 1e-1)
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    return model
"""
N = 320


def houses() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    table = pd.DataFrame({
        "id": [f"h{i}" for i in range(N)],
        "area": rng.normal(80, 20, N),
        "rooms": rng.integers(1, 7, N),
        "town": rng.choice(["Aa", "Bb"], N),
        "part": rng.choice(["train", "train", "train", "val", "test"], N),
    })  # fmt: skip
    table["price"] = 3e5 + 2e3 * (table["area"] - 80) + 4e4 * (table["town"] == "Aa")
    table["kind"] = np.where(table["area"] > 80, "house", "flat")
    table.loc[::7, "rooms"] = np.nan
    return table


def to_predict(table: pd.DataFrame, folder: Path) -> pd.DataFrame:
    """Write new.csv, the rows to validate on without what is to be predicted; return them."""
    new = table[table["part"] == "val"].drop(columns=["price", "kind", "id"])
    new.to_csv(folder / "new.csv", index=False)
    return new


def test_a_number_is_learned_and_predicted(sqlite_url: str, tmp_path: Path) -> None:
    table = houses()
    table.drop(columns="kind").to_csv(tmp_path / "houses.csv", index=False)
    (text,) = re.findall(r"```toml\n(# prices.toml.*?)```", README, flags=re.DOTALL)
    run, predict = re.findall(r"^hpo (run prices.*|predict prices.*)$", README, flags=re.MULTILINE)
    parted = text.replace("test_fraction = 0.2", 'split = "part"\ndrop = ["id"]')
    (tmp_path / "prices.toml").write_text(parted)
    fewer = ("-n2", "--set=batch_size=32", "--set=learning_rate=0.01", "--set=backend=jax")
    here = {"url": sqlite_url, "folder": tmp_path}
    stands = tmp_path / "as_it_stands"
    stands.mkdir()
    table.drop(columns=["kind", "id", "part"]).to_csv(stands / "houses.csv", index=False)
    (stands / "prices.toml").write_text(text)
    made = hpo_here("create", str(stands / "prices.toml"), "--name=as-it-stands", **here)
    assert "Study as-it-stands is ready." in made.stdout, made.stderr
    for changed, words in {
        "--set=metric=val_accuracy": "a metric of numbers, as the target has, one of val_loss",
        "--set=objective=cnn": "Expected mlp, or a network of your own",
        "--set=data.target=prize": "Did you mean price?",
        "--set=data.drop=[]": "different texts in 189 rows",
    }.items():
        metric = ("--set=metric=val_loss",) if "objective" in changed else ()
        refused = hpo_here("create", "prices.toml", changed, *metric, **here)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert words in refused.stderr
    made = hpo_here("create", "prices.toml", *fewer, **here)
    assert "2 columns of numbers are standardized, 1 of text are one-hot: 4 inputs." in made.stdout
    assert hpo(*run.split(), *fewer, **here).returncode == 0
    study = optuna.load_study(study_name="prices", storage=sqlite_url)
    new = to_predict(table, tmp_path)
    told = hpo_here(*predict.split(), **here)
    assert told.returncode == 0, told.stderr
    found = pd.read_csv(tmp_path / "predicted.csv")["predicted_price"]
    expected = table.loc[new.index, "price"]
    best = study.best_trial
    assert r2_score(expected, found) > 0.9
    for name, metric in {
        "val_rmse": root_mean_squared_error, "val_mae": mean_absolute_error, "val_r2": r2_score,
    }.items():  # fmt: skip
        value = history_of(best)[name][best.user_attrs["best_epoch"] - 1]
        assert value == pytest.approx(metric(expected, found), rel=1e-4)
    tested = hpo_here("test", "prices", **here)
    assert "r2" in tested.stdout, tested.stderr


def test_a_class_is_learned_and_predicted(sqlite_url: str, tmp_path: Path) -> None:
    table = houses()
    (tmp_path / "net.py").write_text(NET)
    here = {"url": sqlite_url, "folder": tmp_path}
    new = to_predict(table, tmp_path)
    table.drop(columns="price").to_csv(tmp_path / "houses.csv", index=False)
    for objective, name in {"mlp": "built-in", "net.py:build": "own"}.items():
        kind = {"name": name, "objective": objective, "metric": "val_accuracy", "target": "kind"}
        (tmp_path / "kind.toml").write_text(STUDY.format(**kind, epochs=20))
        ran = hpo("run", "kind.toml", **here)
        assert ran.returncode == 0, ran.stderr
        told = hpo_here("predict", name, "new.csv", "-o", f"{name}.parquet", **here)
        assert told.returncode == 0, told.stderr
        rows = pd.read_parquet(tmp_path / f"{name}.parquet")
        accuracy = (rows["predicted_kind"].to_numpy() == table.loc[new.index, "kind"]).mean()
        study = optuna.load_study(study_name=name, storage=sqlite_url)
        assert accuracy == pytest.approx(study.best_value)
        assert accuracy > 0.9
        assert rows[["output_flat", "output_house"]].sum(axis=1).to_numpy() == pytest.approx(1)
    (tmp_path / "new.csv").write_text("area,rooms,town\n80,three,Aa\n")
    refused = hpo_here("predict", "own", "new.csv", "-o", "none.csv", **here)
    assert "column rooms. Received: 'three' in line 2" in refused.stderr
    refused = hpo_here("predict", "own", "new.txt", "-o", "none.csv", **here)
    assert "Expected a file of .csv or .parquet" in refused.stderr


def test_the_command_of_the_page_writes_the_study_of_a_network_on_a_table(
    sqlite_url: str, tmp_path: Path
) -> None:
    page = (Path(__file__).parents[1] / "docs" / "own_data.md").read_text()
    (command,) = re.findall(r"`hpo (init [^`]*)`", page)
    assert "--set target=price" in " ".join(command.split())
    houses().drop(columns=["kind", "id", "part"]).to_csv(tmp_path / "houses.csv", index=False)
    net = NET.replace('2, "softmax"', "1").replace("sparse_categorical_crossentropy", "mse")
    (tmp_path / "my_net.py").write_text(net.replace('["accuracy"]', '["mae"]'))
    made = hpo_here(*command.split(), url=sqlite_url, folder=tmp_path)
    assert made.returncode == 0, made.stderr
    definition = load_definition(str(tmp_path / "mine.toml"))
    assert (definition.data.target, definition.metric) == ("price", "val_loss")
    assert set(definition.factors.factors) == {"learning_rate"}


def test_a_study_of_folds_is_ranked_by_means_and_trains_its_network_on_all(
    sqlite_url: str, tmp_path: Path
) -> None:
    table = houses().drop(columns=["kind", "part"])
    table.to_csv(tmp_path / "houses.csv", index=False)
    (text,) = re.findall(r"```toml\n(# prices.toml.*?)```", README, flags=re.DOTALL)
    (tmp_path / "folds.toml").write_text(
        text.replace("test_fraction = 0.2", 'folds = 3\ntest_fraction = 0.1\ndrop = ["id"]')
    )
    here = {"url": sqlite_url, "folder": tmp_path}
    one = ("-n1", "--set=learning_rate=0.01", "--set=backend=jax", "--set=batch_size=32")
    ran = hpo("run", "folds.toml", "--name=folds", *one, **here)
    assert ran.returncode == 0, ran.stderr
    (trial,) = optuna.load_study(study_name="folds", storage=sqlite_url).trials
    values = trial.user_attrs["fold_values"]
    assert len(values) == 3
    assert trial.value == pytest.approx(np.mean(values))
    assert len(trial.intermediate_values) == 40
    told = hpo_here("predict", "folds", "houses.csv", "-o", "told.csv", **here)
    assert told.returncode == 0, told.stderr
    found = pd.read_csv(tmp_path / "told.csv")["predicted_price"]
    assert r2_score(table["price"], found) > 0.9
    assert hpo_here("model", "folds", "-o", "best.keras", **here).returncode == 0
    tested = hpo_here("test", "folds", **here)
    assert "on the 32 examples of the test part" in tested.stdout, tested.stderr


@pytest.mark.parametrize(
    ("encoding", "metric", "remedy"),
    [
        (Encoding(labels=(0, 1, 2), table={}), "val_rmse", "Write 3.0, not 3"),
        (Encoding(labels=("a", "b"), table={}), "val_rmse", None),
        (Encoding(table={}, target=TargetScale(0.0, 1.0)), "val_accuracy", "Write 3, not 3.0"),
    ],
)
def test_how_whole_numbers_become_classes_or_numbers_is_told(
    encoding: Encoding, metric: str, remedy: str | None
) -> None:
    with pytest.raises(DefinitionError) as caught:
        check_encoding(metric, objectives.get("mlp"), encoding, 3)
    assert ("Write 3" in str(caught.value)) == (remedy is not None)
    assert (remedy or "") in str(caught.value)
