"""Settings confirmed on new divisions of the data, each a unit of the test."""

from __future__ import annotations

import random
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from commands import states
from confirmations import confirmed, searched, tell
from rich.console import Console

from objectives.data import datasets
from storage import history_of
from studies import SettingError, create_study, load_study
from studies.cli.confirm_tables import confirmation_view
from studies.confirmation.confirm import confirm_by
from studies.confirmation.looks import Wanted
from studies.confirmation.ways import Ways
from studies.definition.fresh_seeds import FRESH_SEEDS
from studies.definition.study import parse_definition
from studies.statistics.intervals import student_quantile
from studies.worker.loop import WorkerOptions, work

NETWORK: dict[str, Any] = {
    "objective": "mlp",
    "dataset": "digits",
    "metric": "val_accuracy",
    "space": {"dropout": [0.1, 0.5, 0.7]},
}


def noisy(x: float, seed: int) -> float:
    return x + 0.01 * random.Random(f"{x} {seed}").gauss(0, 1)


def test_seeds_are_dealt_over_divisions_and_each_division_counts_once(sqlite_url: str) -> None:
    searched(sqlite_url, noisy, **NETWORK)
    found = confirmed(sqlite_url, noisy, splits=7, seeds=14)
    names = [f"s-confirm-split-{number}" for number in range(1, 8)]
    assert found.confirmed_in == names
    studies = [load_study(name, sqlite_url) for name in names]
    assert [definition.data.seed for _, definition in studies] == [
        FRESH_SEEDS + i for i in range(7)
    ]
    seeds = [sorted({t.user_attrs["seed"] for t in study.trials}) for study, _ in studies]
    assert np.ravel(seeds).tolist() == list(range(FRESH_SEEDS, FRESH_SEEDS + 14))
    assert (found.unit, found.n_units, found.n_seeds) == ("divisions", 7, 2)
    assert list(found.settings["n"]) == [7, 7, 7]
    first = studies[0][0].trials[:2]
    assert found.settings["values"][0][0] == pytest.approx(np.mean([t.value for t in first]))
    # Nadeau and Bengio: the variance of a mean is (1/7 + 1/9) times that of the divisions.
    pair = found.pairs.iloc[0]
    half = student_quantile(6, 1 - 0.05 / 3) * pair["std"] * np.sqrt(1 / 7 + 1 / 9)
    assert pair["high"] - pair["difference"] == pytest.approx(half)
    assert "share examples" in found.over
    assert confirmed(sqlite_url, noisy, splits=7).pairs.equals(found.pairs)
    with pytest.raises(SettingError, match="splits=7 and seeds=14, with which"):
        confirmed(sqlite_url, noisy, splits=7, seeds=7)
    confirmed(sqlite_url, noisy)
    with pytest.raises(SettingError, match=r"which confirms one\. Name that: s"):
        confirmed(sqlite_url, noisy, source="s-confirm", splits=7)
    with pytest.raises(SettingError, match="--splits 7"):
        confirmed(sqlite_url, noisy, source="s-confirm-split-2")


def test_networks_of_each_division_are_trained_and_an_interrupted_command_goes_on(
    sqlite_url: str, tmp_path: Path
) -> None:
    tiny = {"fixed": {"epochs": 2, "hidden_units": [8]}, "data": {"train_size": 100}}
    lines = {**NETWORK, **tiny, "name": "s", "search": {"design": "grid"}}
    tell(create_study(parse_definition(lines), sqlite_url, artifacts=tmp_path), noisy)
    names = [f"s-confirm-split-{number}" for number in (1, 2, 3)]
    begun: list[str] = []

    def train(own: optuna.Study) -> bool:
        begun.append(own.study_name)
        if len(begun) == 2:
            raise KeyboardInterrupt
        # Of the second command one worker trains all that is left, since each has to start.
        return work(sqlite_url, names[: len(begun)], WorkerOptions()) > 0

    ways, wanted = Ways(train, lambda definition: definition), Wanted(top=1, splits=3, seeds=3)
    with pytest.raises(KeyboardInterrupt):
        confirm_by("s", sqlite_url, wanted, ways, [])
    studies = [load_study(name, sqlite_url)[0] for name in names]
    assert [states(study) for study in studies] == [{"COMPLETE": 1}, {"WAITING": 1}, {"WAITING": 1}]
    before = studies[0].trials
    found = confirm_by("s", sqlite_url, wanted, ways, [])
    assert begun == [names[0], names[1], names[1]]
    studies = [load_study(name, sqlite_url)[0] for name in names]
    assert studies[0].trials == before
    values = [study.trials[0].value for study in studies]
    assert found.settings["values"][0] == values
    # Each has validated on other pictures of the same data.
    assert len({trial.user_attrs["data_sha256"] for s in studies for trial in s.trials}) == 1
    assert len({tuple(history_of(study.trials[0])["val_loss"]) for study in studies}) == 3
    seen = Console(record=True, width=80, file=StringIO())
    seen.print(*confirmation_view(found))
    assert "1 setting with 3 new divisions of 1 fresh seed each" in seen.export_text()


def test_a_division_draws_another_validation_part_of_the_same_data(sqlite_url: str) -> None:
    searched(sqlite_url, noisy, **NETWORK)
    confirmed(sqlite_url, noisy, splits=7)
    options = [load_study(f"s-confirm-split-{n}", sqlite_url)[1].data for n in (1, 2)]
    one, other = (datasets.load("digits", each) for each in options)
    assert one.sha256 == other.sha256
    assert not np.array_equal(one.x_validation, other.x_validation)


@pytest.mark.parametrize(
    ("lines", "wanted", "words"),
    [
        ({}, {"splits": 6}, "Expected from 7 to 40 splits for 3 settings"),
        ({}, {"splits": 7, "seeds": 8}, "Expected a multiple of splits=7"),
        ({}, {"splits": 7, "until_clear": True}, "Expected splits or until_clear"),
        ({"data": {"folds": 3}}, {"splits": 7}, "folds=3, by which each trial"),
        (
            {
                "objective": "user_objectives:quick",
                "dataset": None,
                "space": {"x": [0.1, 0.2, 0.3]},
            },
            {"splits": 7},
            "Expected a study with a data set",
        ),
    ],
)
def test_what_cannot_be_divided_is_refused(
    sqlite_url: str, lines: dict[str, Any], wanted: dict[str, Any], words: str
) -> None:
    searched(sqlite_url, noisy, **NETWORK | lines)
    with pytest.raises(SettingError, match=words):
        confirmed(sqlite_url, noisy, **wanted)


def test_data_with_a_validation_part_of_their_own_are_refused(
    sqlite_url: str, tmp_path: Path
) -> None:
    x, y = np.random.default_rng(0).random((60, 8, 8)), np.arange(60) % 3
    file = tmp_path / "own.npz"
    np.savez(file, x_train=x, y_train=y, x_val=x, y_val=y, x_test=x, y_test=y)
    searched(sqlite_url, noisy, **NETWORK | {"dataset": str(file)})
    with pytest.raises(SettingError, match="which has a validation part of its own"):
        confirmed(sqlite_url, noisy, splits=7)


def test_where_one_seed_draws_the_test_part_too_it_is_not_drawn_anew(
    sqlite_url: str, tmp_path: Path
) -> None:
    rows = [f"{i},{i % 7},{'ab'[i % 2]}" for i in range(60)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,kind", *rows]))
    lines = NETWORK | {"dataset": str(tmp_path / "t.csv")}
    held_out = {"data": {"target": "kind", "test_fraction": 0.2}}
    searched(sqlite_url, noisy, **lines | held_out)
    with pytest.raises(SettingError, match="test_fraction, where one seed draws the test part"):
        confirmed(sqlite_url, noisy, splits=7)
    study = searched(sqlite_url, noisy, **lines | {"data": {"target": "kind"}, "name": "t"})
    confirmed(sqlite_url, noisy, source="t", splits=7)
    own = load_study("t-confirm-split-1", sqlite_url)[0]
    # The columns are fitted to the training part of this division.
    assert own.user_attrs["data_encoding"]["table"] != study.user_attrs["data_encoding"]["table"]
