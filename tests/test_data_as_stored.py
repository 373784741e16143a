"""Arrays as a file has them: split, checked, and with the digest that other studies have."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from objectives import DataOptions
from objectives.data import datasets, npz
from objectives.data.encoding import AS_STORED
from objectives.errors import DataError

RNG = np.random.default_rng(0)
CLASSES = np.repeat([3, 7], 50)


def stored(folder: Path, **arrays: Any) -> str:
    """Write an .npz of 100 training rows and 10 test rows, some arrays replaced; None for none."""
    own = {
        "x_train": RNG.random((100, 5)),
        "y_train": CLASSES,
        "x_test": RNG.random((10, 5)),
        "y_test": CLASSES[:10],
    }
    own = {name: array for name, array in (own | arrays).items() if array is not None}
    np.savez(folder / "own.npz", **own)
    return str(folder / "own.npz")


@pytest.mark.parametrize(
    ("x", "y"),
    [
        (RNG.random((100, 5)), CLASSES),  # float64 stays so
        (RNG.integers(0, 50, (100, 7)), CLASSES),  # tokens
        (RNG.random((100, 4, 3), np.float32), RNG.random(100)),
        (RNG.random((100, 4), np.float32), RNG.random((100, 2))),
        (
            RNG.integers(0, 256, (100, 4, 4), np.uint8),
            np.eye(4, dtype=np.float32)[np.arange(100) % 4],
        ),
        (RNG.integers(0, 256, (100, 4, 4), np.uint8), CLASSES[:, None]),
        (RNG.random((100, 4)), np.arange(100)),  # integers that are no classes
        (RNG.random((100, 4)) > 0.5, CLASSES == 3),
    ],
)
def test_inputs_and_labels_of_any_shape_come_as_they_are(tmp_path: Path, x: Any, y: Any) -> None:
    name = stored(tmp_path, x_train=x, y_train=y)
    data = datasets.load(name, DataOptions(validation_fraction=0.2), AS_STORED)
    assert (data.x_train.dtype, data.y_train.dtype) == (x.dtype, y.dtype)
    assert data.x_train.shape == (80, *x.shape[1:])
    assert data.y_validation.shape == (20, *y.shape[1:])
    everything = np.concatenate([data.x_train, data.x_validation]).reshape(100, -1)
    assert sorted(map(tuple, everything)) == sorted(map(tuple, x.reshape(100, -1)))


def test_classes_are_split_one_by_one_and_a_size_is_kept(tmp_path: Path) -> None:
    options = DataOptions(validation_fraction=0.2, train_size=40)
    data = datasets.load(stored(tmp_path), options, AS_STORED)
    assert np.unique(data.y_train, return_counts=True)[1].tolist() == [20, 20]
    assert np.unique(data.y_validation, return_counts=True)[1].tolist() == [10, 10]
    numbers = stored(tmp_path, y_train=RNG.random(100))
    assert len(datasets.load(numbers, options, AS_STORED).x_train) == 40


def test_a_validation_part_is_taken_as_it_is(tmp_path: Path) -> None:
    x, y = RNG.random((12, 5)), RNG.random(12)
    name = stored(tmp_path, y_train=RNG.random(100), x_val=x, y_val=y)
    data = datasets.load(name, DataOptions(), AS_STORED)
    np.testing.assert_array_equal(data.x_validation, x)
    np.testing.assert_array_equal(data.y_validation, y)
    assert len(data.x_train) == 100


def test_the_digest_is_that_which_built_in_networks_have_of_the_data(tmp_path: Path) -> None:
    pictures = RNG.integers(0, 256, (100, 4, 4), np.uint8)
    name = stored(tmp_path, x_train=pictures, x_test=pictures[:10])
    options = DataOptions()
    for each in (name, "digits"):
        own, built_in = (datasets.load(each, options, e).sha256 for e in (AS_STORED, None))
        assert own == built_in
    other = stored(tmp_path, x_train=pictures, x_test=pictures[:10], y_train=CLASSES[::-1].copy())
    assert datasets.load(other, options, AS_STORED).sha256 != built_in


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"y_train": CLASSES[:99]}, "inputs (100, 5), labels (99,)"),
        ({"x_train": np.where(np.eye(100, 5) == 1, np.nan, 1.0)}, "inputs in the training part"),
        ({"y_train": np.where(np.arange(100) == 7, np.inf, 1.0)}, "first at [7]"),
        ({"x_train": np.array(["a", "b"] * 50)}, "Received: <U1"),
        ({"x_train": np.zeros((0, 5)), "y_train": np.zeros(0)}, "inputs (0, 5)"),
        ({"x_val": np.zeros((5, 4)), "y_val": CLASSES[:5]}, "shape (4,)"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(
    tmp_path: Path, arrays: dict[str, Any], words: str
) -> None:
    with pytest.raises(DataError) as caught:
        datasets.load(stored(tmp_path, **arrays), DataOptions(), AS_STORED)
    assert words in str(caught.value)


def test_of_the_test_part_no_value_is_told(tmp_path: Path) -> None:
    x, y = datasets.load_test(stored(tmp_path), DataOptions(), AS_STORED)
    assert (x.shape, y.tolist()) == ((10, 5), CLASSES[:10].tolist())
    for arrays in (
        {"x_test": np.full((10, 5), np.nan)},
        {"x_test": np.zeros((10, 6))},
        {"y_test": np.zeros(10)},
    ):
        with pytest.raises(DataError, match="the test part") as caught:
            datasets.load_test(stored(tmp_path, **arrays), DataOptions(), AS_STORED)
        assert "first at" not in str(caught.value)


def test_a_part_is_read_once_for_a_new_study(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[str] = []
    real = npz.read_part
    monkeypatch.setattr(npz, "read_part", lambda file, part: read.append(part) or real(file, part))
    datasets.load_checked(stored(tmp_path), DataOptions(), AS_STORED)
    assert read == ["train", "test"]
