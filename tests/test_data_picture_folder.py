"""Folders of pictures: parts, classes by name, sizes and channels, and files that are none."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from objectives import DataOptions
from objectives.data import datasets, sources
from objectives.data.encoding import AS_STORED
from objectives.errors import DataError


def picture(folder: Path, name: str, value: int, mode: str = "RGB", size: int = 8) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    color = value if mode in ("L", "I;16") else (value, 0, 255)[: 3 if mode == "RGB" else None]
    Image.new(mode, (size, size), color).save(folder / name)


def classes(folder: Path, n: int = 10, **look: Any) -> Path:
    """Write `n` pictures of each of two classes, whose first channel tells which one it is."""
    for i in range(n):
        picture(folder / "b_dogs", f"{i:02}.png", 200 + i, **look)
        picture(folder / "a_cats", f"{i:02}.bmp", 100 + i, **look)
    return folder


def examine(folder: Path, **options: Any) -> Any:
    return sources.source_of(str(folder)).examine(DataOptions(**options))


def test_without_parts_they_are_split_by_class(tmp_path: Path) -> None:
    classes(tmp_path, 20)
    (tmp_path / "a_cats" / ".DS_Store").write_text("hidden")
    options = DataOptions(test_fraction=0.2, validation_fraction=0.25)
    found = examine(tmp_path, test_fraction=0.2, validation_fraction=0.25)
    assert (found.encoding.labels, found.encoding.scale) == (("a_cats", "b_dogs"), 255)
    assert found.shape == (8, 8, 3)
    data = datasets.load(str(tmp_path), options, found.encoding)
    x, y = datasets.load_test(str(tmp_path), options, found.encoding)
    assert (data.n_train, len(data.x_validation), len(x)) == (24, 8, 8)
    assert np.bincount(data.y_train).tolist() == [12, 12]
    everything = np.concatenate([data.x_train, data.x_validation, x])[:, 0, 0, 0]
    assert sorted(everything) == [*range(100, 120), *range(200, 220)]  # each once
    assert ((x[:, 0, 0, 0] >= 200) == (y == 1)).all()


def test_parts_are_taken_as_they_are_and_own_networks_get_them_as_stored(tmp_path: Path) -> None:
    for part, n in {"train": 4, "val": 3, "test": 2}.items():
        classes(tmp_path / part, n, mode="L")
    found = examine(tmp_path)
    assert found.shape == (8, 8, 1)
    data = datasets.load(str(tmp_path), DataOptions(), found.encoding)
    assert (data.n_train, len(data.x_validation)) == (8, 6)
    own = datasets.load_checked(str(tmp_path), DataOptions(), AS_STORED)
    assert (own.x_train.dtype, own.y_train.tolist()) == (np.uint8, [0] * 4 + [1] * 4)
    assert own.labels == ("a_cats", "b_dogs")
    assert len(datasets.load_test(str(tmp_path), DataOptions(), AS_STORED)[1]) == 4


@pytest.mark.parametrize("encoding", [None, AS_STORED])
@pytest.mark.parametrize("parts", [(), ("train", "validation")])
def test_without_a_test_part_no_other_stands_for_it(
    tmp_path: Path, parts: tuple[str, ...], encoding: Any
) -> None:
    for part in parts or (".",):
        classes(tmp_path / part)
    with pytest.raises(DataError, match=r"Expected a test part of .* Received: none"):
        datasets.load_test(str(tmp_path), DataOptions(), encoding)


def test_pictures_are_brought_to_one_size_and_one_number_of_channels(tmp_path: Path) -> None:
    classes(tmp_path)
    picture(tmp_path / "a_cats", "large.png", 50, size=20)
    picture(tmp_path / "a_cats", "gray.png", 77, mode="L")
    picture(tmp_path / "a_cats", "deep.png", 77 * 256, mode="I;16")
    with pytest.raises(DataError, match=r"Expected \[data\] size, .* 8x8 and 20x20"):
        examine(tmp_path)
    options = DataOptions(size=16)
    data = datasets.load(str(tmp_path), options, examine(tmp_path, size=16).encoding)
    assert data.x_train.shape[1:] == (16, 16, 3)
    pixels = np.concatenate([data.x_train, data.x_validation])[:, 5, 5]
    assert (pixels == [77, 77, 77]).all(1).sum() == 2  # 16 bits are not cut off
    line = sources.source_of(str(tmp_path)).announcement(DataOptions(size=256, channels=1))
    assert (
        line == f"Reading 23 pictures of {tmp_path} as 256x256x1: 1 MiB of memory in each worker."
    )
    gray = sources.source_of(str(tmp_path)).examine(DataOptions(size=16, channels=1))
    assert gray.shape == (16, 16, 1)


def test_a_search_reads_no_picture_of_the_test_part(tmp_path: Path) -> None:
    for part in ("train", "validation", "test"):
        classes(tmp_path / part, 3)
    encoding = examine(tmp_path).encoding
    for file in (tmp_path / "test" / "a_cats").iterdir():
        file.write_bytes(b"broken since then")
    assert datasets.load(str(tmp_path), DataOptions(), encoding).n_train == 6
    with pytest.raises(DataError, match="3 that cannot"):
        datasets.load_test(str(tmp_path), DataOptions(), encoding)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda f: (f / "a_cats" / "00.bmp").write_bytes(b"no picture"), "a_cats/00.bmp. Remove"),
        (lambda f: (f / "a_cats" / "notes.txt").write_text("words"), "notes.txt, which is none"),
        (lambda f: (f / "c_owls").mkdir(), "in {}/c_owls. Received: an empty folder"),
        (lambda f: picture(f / "c_owls", "one.png", 1), "one of class c_owls"),
        (lambda f: picture(f / "train" / "a", "one.png", 1), "at least two"),
    ],
)
def test_what_is_no_folder_of_pictures_is_refused(tmp_path: Path, spoil: Any, words: str) -> None:
    classes(tmp_path)
    spoil(tmp_path)
    with pytest.raises(DataError) as caught:
        examine(tmp_path)
    assert words.format(tmp_path) in str(caught.value)


def test_an_empty_folder_and_options_of_others_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="Expected a folder for each class"):
        sources.check(str(tmp_path), DataOptions())
    with pytest.raises(DataError, match="channels only for a folder of pictures"):
        sources.check("digits", DataOptions(channels=3))
    with pytest.raises(DataError, match=r"test_fraction=0.99, which makes 0 and 20"):
        examine(classes(tmp_path), test_fraction=0.99)
