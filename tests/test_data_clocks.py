"""Clocks as data sets: rendered ones, and folders of the user's own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from small_studies import table

from objectives import DataOptions
from objectives.data import datasets, sources
from objectives.data.sources import source_of
from studies.definition.study import parse_definition


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return


def folder_of(path: Path, images: Any, labels: Any) -> Path:
    """Write a user's folder."""
    path.mkdir(exist_ok=True)
    np.save(path / "images.npy", images)
    np.save(path / "labels.npy", labels)
    return path


def some(n: int = 50) -> tuple[Any, Any]:
    images = np.arange(n * 30 * 40).reshape(n, 30, 40).astype(np.uint8)
    return images, np.stack([np.arange(n) % 12, np.arange(n) % 60], axis=1)


def test_a_search_never_sees_the_test_part() -> None:
    options = DataOptions(size=16, n_images=100, seed=3)
    data = datasets.load("clock", options)
    x_test, y_test = datasets.load_test("clock", options)
    assert (len(data.x_train), len(data.x_validation), len(x_test)) == (80, 10, 10)
    assert data.n_classes == 720
    seen = {picture.tobytes() for picture in (*data.x_train, *data.x_validation)}
    assert seen.isdisjoint(picture.tobytes() for picture in x_test)
    assert data.y_train.dtype == y_test.dtype == np.int32
    assert not set(y_test) & set(data.y_train)  # of 100 pictures each has a minute of its own
    assert source_of("clock").input_shape(options) == (16, 16, 1)
    assert source_of("clock").training_size(options) == 80
    assert len(datasets.load("clock", options.model_copy(update={"train_size": 7})).x_train) == 7


def test_a_sample_is_of_the_pictures_to_train_on_whether_all_are_rendered_or_not() -> None:
    options = DataOptions(size=16, n_images=100, seed=3)
    few = datasets.sample("clock", options, 5)
    data = datasets.load("clock", options)
    of_all = datasets.sample("clock", options, 5)
    assert few.x_train.shape == (5, 16, 16, 1)
    for one in (few, of_all):
        for picture, minute in zip(one.x_train, one.y_train, strict=True):
            (row,) = np.flatnonzero(data.y_train == minute)
            assert np.array_equal(picture, data.x_train[row])
    assert list(few.y_train) == list(of_all.y_train)
    assert len(datasets.sample("clock", options, 1000).x_train) == 80


def test_a_folder_is_found_as_given_and_in_the_data_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images, labels = some()
    folder = folder_of(tmp_path / "mine", images, labels)
    data = datasets.load(str(folder), DataOptions())
    assert (
        data.x_train.shape[1:] == source_of(str(folder)).input_shape(DataOptions()) == (30, 40, 1)
    )
    assert len(data.x_train) == source_of(str(folder)).training_size(DataOptions()) == 40
    assert source_of(str(folder)).labels == "minute"
    monkeypatch.setenv("HPO_DATA", str(tmp_path))
    # A study that names the folder of another machine finds it here as well.
    for name in ("mine", "/home/me/pictures/mine", "pictures/mine"):
        assert datasets.load(name, DataOptions()).sha256 == data.sha256
    floats = folder_of(tmp_path / "floats", images / 255, labels)
    assert datasets.load(str(floats), DataOptions()).x_train.dtype == np.float32


IMAGES, LABELS = some()


@pytest.mark.parametrize(
    ("images", "labels", "words"),
    [
        (IMAGES[..., None], LABELS, r"^Expected pictures \(n, height, width\).*\(50, 30, 40, 1\)"),
        (IMAGES.astype(int), LABELS, r"^Expected pictures .* of uint8 or float.*int64"),
        (IMAGES[:0], LABELS[:0], r"^Expected pictures .*\(0, 30, 40\)"),
        (IMAGES[:9], LABELS[:9], r"^Expected at least 10 pictures .*Received: 9"),
        (IMAGES, LABELS[:49], r"^Expected labels \(50, 2\) of integers.*\(49, 2\)"),
        (IMAGES, LABELS[:, 0], r"^Expected labels \(50, 2\).*\(50,\)"),
        (IMAGES, LABELS.astype(float), r"^Expected labels \(50, 2\) of integers.*float64"),
        (
            IMAGES,
            np.where([[False, True]], np.where(LABELS == 7, np.nan, LABELS), LABELS),
            r"^Expected an hour and a minute of each picture in .*/labels\.npy.*nan at \[7, 1\], ",
        ),
        (IMAGES, LABELS + 1, r"^Expected the hour .* from 0 to 11.*hour from 1 to 12"),
        (IMAGES, LABELS * [1, 2], r"^Expected the minute .* from 0 to 59.*minute from 0 to 98"),
        (IMAGES, LABELS - 1, r"^Expected the hour .*hour from -1 to 10"),
    ],
)
def test_a_folder_that_holds_something_else_is_refused_before_training(
    tmp_path: Path, images: Any, labels: Any, words: str
) -> None:
    folder = folder_of(tmp_path / "mine", images, labels)
    with pytest.raises(ValueError, match=words):
        sources.check(str(folder), DataOptions())


def test_float_pictures_are_from_0_to_1(tmp_path: Path) -> None:
    for values in (IMAGES.astype(float), np.where(IMAGES == 7, np.nan, IMAGES / 255)):
        folder = folder_of(tmp_path / "mine", values, LABELS)
        with pytest.raises(ValueError, match=r"^Expected (float .* from 0 to 1|finite pixels)"):
            datasets.load(str(folder), DataOptions())
    # Bytes given as floats, as is easily done, are found before a study is written.
    folder = folder_of(tmp_path / "mine", IMAGES.astype(np.float32), LABELS)
    with pytest.raises(ValueError, match=r"^dataset: Expected float pictures from 0 to 1.*uint8"):
        parse_definition(table(objective="clock", dataset=str(folder)))


def test_a_name_that_is_no_data_set_is_told_all_that_is() -> None:
    with pytest.raises(ValueError, match=r"one of clock, cifar10, digits.*mean clock.*labels.npy"):
        sources.check("clok", DataOptions())


def test_a_folder_that_lacks_a_file_or_has_a_pickle_is_refused(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "mine", IMAGES, LABELS)
    np.save(folder / "labels.npy", np.array([{"hour": 1}]), allow_pickle=True)
    with pytest.raises(ValueError, match=r"^Expected an array of numbers in .*labels.npy"):
        sources.check(str(folder), DataOptions())
    (folder / "labels.npy").unlink()
    with pytest.raises(ValueError, match=r"^Expected labels.npy in .*no such file"):
        sources.check(str(folder), DataOptions())


def test_options_of_rendered_clocks_belong_to_these(tmp_path: Path) -> None:
    folder = folder_of(tmp_path / "mine", IMAGES, LABELS)
    for name in ("digits", str(folder)):
        with pytest.raises(ValueError, match=r"^Expected size only for rendered clocks and"):
            sources.check(name, DataOptions(size=75))
    for name in ("clock", str(folder)):
        with pytest.raises(ValueError, match=r"^Expected no validation_fraction for clocks"):
            sources.check(name, DataOptions(validation_fraction=0.2))
