"""What creation finds out of the data, stores and tells; after a mistake there is no study."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from commands import hpo
from small_studies import table

from storage import TrialStorage
from studies import create_study
from studies.cli.encoding import data_line, outputs_line
from studies.definition.study import parse_definition
from studies.errors import DefinitionError
from studies.lookup import load_study
from studies.worker.open_studies import OpenStudy

DEEP = {
    "objective": "cnn", "fixed": {"convs_per_block": 1}, "space": {"filters": [[2], [2, 2, 2, 2]]}
}  # fmt: skip


@pytest.fixture
def file(tmp_path: Path) -> str:
    """Write float pictures from 0 to 255 of the classes 97 and 98; return the file's path."""
    x = np.random.default_rng(0).integers(0, 256, (40, 8, 8)).astype(float)
    y = np.arange(40) % 2 + 97
    np.savez(tmp_path / "mine.npz", x_train=x, y_train=y, x_test=x[:9], y_test=y[:9])
    return str(tmp_path / "mine.npz")


def change(file: str, **arrays: Any) -> None:
    """Replace arrays of a file."""
    with np.load(file) as old:
        np.savez(file, **{**old, **arrays})


def make(storage: TrialStorage, file: str, folder: Path, **lines: Any) -> optuna.Study:
    definition = parse_definition(table(dataset=file, **lines))
    return create_study(definition, storage, artifacts=folder / "artifacts")


def test_the_best_five_of_two_classes_judge_nothing(
    sqlite_storage: TrialStorage, file: str, tmp_path: Path
) -> None:
    with pytest.raises(DefinitionError, match=r"^metric: Expected more than 5 .* Received: 2\."):
        make(sqlite_storage, file, tmp_path, metric="val_top_5_accuracy")
    assert optuna.get_all_study_names(sqlite_storage) == []


def test_a_metric_of_two_labels_is_refused_where_one_judges(
    sqlite_storage: TrialStorage, file: str, tmp_path: Path
) -> None:
    with np.load(file) as old:
        x = old["x_train"]
    change(file, x_val=x[:9], y_val=np.full(9, 98))
    with pytest.raises(DefinitionError, match=r"^metric: Expected at least two .* for val_auc"):
        make(sqlite_storage, file, tmp_path, metric="val_auc")
    assert optuna.get_all_study_names(sqlite_storage) == []
    assert make(sqlite_storage, file, tmp_path, metric="val_f1").study_name == "s"
    change(file, y_val=np.arange(9) % 2 + 97)
    assert make(sqlite_storage, file, tmp_path, metric="val_auc", name="t").study_name == "t"


def test_a_study_stores_its_divisor_and_its_labels(
    sqlite_storage: TrialStorage, file: str, tmp_path: Path
) -> None:
    study = make(sqlite_storage, file, tmp_path)
    assert study.user_attrs["data_encoding"] == {"scale": 255.0, "labels": [97, 98]}
    told = "Pixels are divided by 255, by their type and maximum; [data] scale sets it."
    assert data_line(study) == told
    assert outputs_line(study) == "Its 2 outputs stand for the labels 97, 98, in this order."
    set_by_hand = make(sqlite_storage, file, tmp_path, name="t", data={"scale": 100})
    assert set_by_hand.user_attrs["data_encoding"]["scale"] == 100
    assert data_line(set_by_hand) == "Pixels are divided by 100, as [data] scale says."
    plain = make(sqlite_storage, "digits", tmp_path, name="u")
    assert plain.user_attrs["data_encoding"] == {"scale": 255.0, "labels": list(range(10))}
    assert (data_line(plain), outputs_line(plain)) == (None, None)
    # Going on reads no data, and keeps what is stored.
    change(file, x_train=np.zeros(3))
    again = make(sqlite_storage, file, tmp_path)
    assert again.user_attrs["data_encoding"] == {"scale": 255.0, "labels": [97, 98]}


def test_a_study_of_an_earlier_version_gets_no_divisor_when_it_goes_on(
    sqlite_storage: TrialStorage, file: str, tmp_path: Path
) -> None:
    study = make(sqlite_storage, file, tmp_path)
    with sqlite_storage.transaction() as connection:
        connection.exec_driver_sql("DELETE FROM study_user_attributes WHERE key = 'data_encoding'")
    again = make(sqlite_storage, file, tmp_path)
    assert "data_encoding" not in again.user_attrs
    assert (data_line(again), outputs_line(again)) == (None, None)
    found, definition = load_study(study.study_name, sqlite_storage)
    opened = OpenStudy(found, definition, 1, "", tmp_path, found.user_attrs.get("data_encoding"))
    assert opened.dataset is not None
    assert opened.dataset.encoding is None


@pytest.mark.parametrize(
    ("arrays", "lines", "words"),
    [
        ({"x_train": np.full((40, 8, 8), np.nan)}, {}, r"^dataset: Expected finite pixels"),
        ({"y_train": np.full(40, 3)}, {}, r"^dataset: .*two classes.*label=3"),
        ({"y_test": np.full(9, 3)}, {}, r"^dataset: .*labels in the test part.*label=3"),
        ({"x_test": np.zeros((9, 8, 7))}, {}, r"^dataset: .*shape \(8, 8, 1\)"),
        ({}, {"data": {"train_size": 37}}, r"^dataset: .*at most the 36 examples"),
        ({}, {"data": {"train_size": 1}}, r"^dataset: .*at least the 2 classes"),
        ({}, DEEP, r"^space \(filters=.*Expected at least 2 pixels a side in block 4 of 4"),
    ],
)
def test_a_mistake_leaves_no_study_and_a_mended_one_can_be_made(
    sqlite_storage: TrialStorage,
    file: str,
    tmp_path: Path,
    arrays: dict[str, Any],
    lines: dict[str, Any],
    words: str,
) -> None:
    with np.load(file) as whole:
        good = dict(whole)
    change(file, **arrays)
    with pytest.raises(DefinitionError, match=words):
        make(sqlite_storage, file, tmp_path, **lines)
    assert optuna.get_all_study_names(sqlite_storage) == []
    change(file, **good)
    study = make(sqlite_storage, file, tmp_path, objective=lines.get("objective", "mlp"))
    assert optuna.get_all_study_names(sqlite_storage) == [study.study_name]


@pytest.mark.parametrize("spoil", [lambda file: file.write_bytes(b"text"), lambda _: None])
def test_the_command_tells_the_divisor_or_the_mistake_in_one_line(
    sqlite_url: str, file: str, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    spoil(Path(file))
    is_good = Path(file).stat().st_size > 4
    toml = tmp_path / "mine.toml"
    toml.write_text(
        f'name = "s"\nobjective = "mlp"\ndataset = "{file}"\nsearch.n_trials = 1\n'
        "[space]\ndropout = { low = 0.1, high = 0.5 }\n"
    )
    said = hpo("create", str(toml), url=sqlite_url, folder=tmp_path)
    assert said.returncode == (0 if is_good else 1)
    if is_good:
        assert said.stdout.startswith("Pixels are divided by 255, by their type and maximum;")
    else:
        assert "dataset: Expected a whole .npz file" in said.stderr
        assert file in said.stderr
        assert not (tmp_path / "hpo.db").exists()
