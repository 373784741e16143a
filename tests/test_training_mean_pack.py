"""Trials that are trained on each fold: the means of what each comes to alone, stopped by these."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd
import pytest
from sklearn.model_selection import GroupKFold, TimeSeriesSplit

import objectives
from objectives import DataOptions
from objectives.data import datasets, sources
from objectives.data.encoding import AS_STORED
from objectives.errors import DataError
from objectives.training.fit_pack import FitPack, FitTask
from objectives.training.mean_pack import FoldPack
from objectives.training.pack import Pack, TrainingTask
from objectives.training.program_cache import ProgramCache
from objectives.training_hyperparameters import TrainingHyperparameters

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
MLP = objectives.get("mlp")
OPTIONS = DataOptions(folds=3, train_size=60)
PROGRAMS = ProgramCache()


def folds_of_digits() -> list[datasets.Dataset]:
    return datasets.load_folds("digits", OPTIONS)


def task(seed: int = 0, checkpoint: Any = None, **settings: Any) -> TrainingTask:
    own = {"hidden_units": [8], "batch_size": 30, "epochs": 3, **settings}
    return TrainingTask(MLP.hyperparameters(**own), seed, "val_accuracy", True, checkpoint)


def pack_of(data: list[datasets.Dataset]) -> FoldPack:
    return FoldPack([Pack(MLP, fold, PROGRAMS) for fold in data])


def ended(pack: Any) -> Any:
    while True:
        pack.train_epoch()
        found = pack.take_ended()
        if found:
            return found[0][1]


def test_each_fold_validates_once_and_the_digest_is_one() -> None:
    data = folds_of_digits()
    everything = np.concatenate([fold.x_validation for fold in data])
    plain = datasets.load("digits", DataOptions())
    expected = np.concatenate([plain.x_train, plain.x_validation])
    assert sorted(map(bytes, everything)) == sorted(map(bytes, expected))
    assert len({fold.sha256 for fold in data}) == 1
    for fold in data:
        share = np.bincount(fold.y_validation) / len(fold.y_validation)
        assert share == pytest.approx(np.full(10, 0.1), abs=0.01)


def test_a_trial_is_the_mean_of_its_folds() -> None:
    data = folds_of_digits()
    pack = pack_of(data)
    pack.add([task()])
    result = ended(pack)
    alone = []
    for fold in data:
        own = Pack(MLP, fold, PROGRAMS)
        own.add([task()])
        alone.append(ended(own).history)
    for name, values in result.history.items():
        mean = np.mean([history[name] for history in alone], axis=0)
        np.testing.assert_allclose(values, mean, rtol=1e-5)
    best = result.best_epoch - 1
    assert result.folds.values == pytest.approx([h["val_accuracy"][best] for h in alone])
    assert result.value == pytest.approx(np.mean(result.folds.values))
    assert result.folds.best_epochs == [
        int(np.argmax(history["val_accuracy"])) + 1 for history in alone
    ]


def test_it_goes_on_from_its_checkpoint_and_stops_by_the_mean() -> None:
    data = folds_of_digits()
    first = pack_of(data)
    first.add([task(epochs=8, early_stopping_patience=1, early_stopping_min_delta=0.5)])
    whole = ended(first)
    assert (whole.stopped, whole.last_epoch) == ("early_stopping", 2)
    second = pack_of(data)
    (trial,) = second.add([task(epochs=3)])
    second.train_epoch()
    checkpoint = second.checkpoint(trial)
    undisturbed = ended(second)
    third = pack_of(data)
    third.add([task(epochs=3, checkpoint=checkpoint)])
    resumed = ended(third)
    for name, values in undisturbed.history.items():
        np.testing.assert_allclose(resumed.history[name], values, rtol=1e-5)
    assert third.trials == []


def test_a_fold_that_diverges_ends_the_trial_and_fit_trains_folds_too() -> None:
    data = [
        datasets.Dataset("own", x, y, x, y, 2, "", 1.0)
        for x, y in [(np.eye(4), np.arange(4.0)), (np.eye(4) * 1e30, np.arange(4.0))]
    ]

    def build(setting: Any) -> keras.Model:
        model = keras.Sequential([keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(1e9), "mse")
        return model

    setting = TrainingHyperparameters(epochs=4)
    pack = FoldPack([FitPack(build, fold) for fold in data])
    pack.add([FitTask(setting, {}, 0, "val_loss", maximize=False)])
    result = ended(pack)
    assert (result.stopped, result.value) == ("diverged", None)
    assert pack.trials == []


def table(folder: Path) -> tuple[str, pd.DataFrame]:
    rng = np.random.default_rng(0)
    rows = pd.DataFrame({
        "price": rng.permutation(60) * 1.5, "area": rng.normal(80, 20, 60),
        "owner": np.arange(60) // 4, "year": rng.permutation(60) + 1900,
    })  # fmt: skip
    rows.to_csv(folder / "rows.csv", index=False)
    return str(folder / "rows.csv"), rows


@pytest.mark.parametrize("by", ["group", "time", None])
def test_what_is_fitted_on_data_is_fitted_for_each_fold(tmp_path: Path, by: str | None) -> None:
    name, rows = table(tmp_path)
    column = {"group": "owner", "time": "year"}.get(str(by))
    dropped = [each for each in ("owner", "year") if each != column]
    options = DataOptions(target="price", folds=4, drop=dropped, **({by: column} if by else {}))
    sources.check(name, options)
    data = datasets.load_folds(name, options, AS_STORED)
    place = {price: i for i, price in enumerate(rows["price"])}
    held = []
    for fold in data:
        train, validation = ([place[y] for y in part] for part in (fold.y_train, fold.y_validation))
        held.append(sorted(validation))
        area = rows["area"].iloc[train]
        # The training part alone is standardized: no statistic is of a row that is held out.
        expected = (rows["area"] - area.mean()) / area.std(ddof=0)
        np.testing.assert_allclose(fold.x_train[:, 0], expected.iloc[train], rtol=1e-4, atol=1e-6)
        np.testing.assert_allclose(
            fold.x_validation[:, 0], expected.iloc[validation], rtol=1e-4, atol=1e-6
        )
    if by == "group":
        theirs = GroupKFold(4).split(rows, groups=rows["owner"].astype(str))
        assert held == [sorted(validation.tolist()) for _, validation in theirs]
    elif by == "time":
        order = np.argsort(rows["year"].to_numpy())
        theirs = TimeSeriesSplit(4).split(rows)
        assert held == [sorted(order[validation].tolist()) for _, validation in theirs]
    else:
        assert sorted(row for rows_of_fold in held for row in rows_of_fold) == list(range(60))
    stored = sources.source_of(name).examine(options).encoding.table
    assert stored["numbers"][0]["mean"] == pytest.approx(rows["area"].mean())


def examine(name: str, options: DataOptions) -> None:
    sources.source_of(name).examine(options)


@pytest.mark.parametrize(
    ("name", "given", "words"),
    [
        ("digits", {"folds": 3, "validation_fraction": 0.2}, "no validation_fraction beside"),
        ("clock", {"folds": 3}, "no folds for clocks"),
        ("few", {"folds": 5}, r"folds=5, and 3 of class 1"),
        ("parted", {"folds": 2}, "which has a validation part"),
    ],
)
def test_what_has_no_folds_is_refused(
    tmp_path: Path, name: str, given: dict[str, Any], words: str
) -> None:
    x, y = np.zeros((23, 4, 4), np.uint8), np.array([0] * 20 + [1] * 3)
    x[:, 0, 0] = 255
    more = {"x_val": x, "y_val": y} if name == "parted" else {}
    np.savez(tmp_path / "own.npz", x_train=x, y_train=y, **more)
    path = str(tmp_path / "own.npz") if name in ("few", "parted") else name
    ask = sources.check if name in ("digits", "clock") else examine
    with pytest.raises(DataError, match=words):
        ask(path, DataOptions(**given))
