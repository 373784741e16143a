"""A checkpoint is read as it was written, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from objectives.training.checkpoint import Checkpoint, load

EPOCHS = {"epoch": 2, "history": {"loss": [0.5, 0.25]}, "best_epoch": 1}


def some(value: float) -> Checkpoint:
    arrays = [
        np.full((2, 3), value, np.float32),
        np.asarray(7, np.int32),
        np.zeros((0,), np.uint32),
    ]
    return Checkpoint(arrays, EPOCHS | {"best_epoch": int(value)})


def test_what_is_read_is_what_was_written(tmp_path: Path) -> None:
    file = tmp_path / "lane.npz"
    for value in (1, 2):  # the second in the place of the first
        some(value).save(file)
        read = load(file)
        assert read.epochs == some(value).epochs
        for array, written in zip(read.state, some(value).state, strict=True):
            assert array.dtype == written.dtype
            np.testing.assert_array_equal(array, written)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["lane.json", "lane.npz"]


def test_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "lane.npz")


@pytest.mark.parametrize("changed", ["arrays", "words", "interrupted"])
def test_files_that_do_not_belong_together_are_refused(tmp_path: Path, changed: str) -> None:
    file = tmp_path / "lane.npz"
    some(1).save(file)
    words = file.with_suffix(".json")
    if changed == "arrays":
        broken = bytearray(file.read_bytes())
        broken[len(broken) // 2] ^= 1
        file.write_bytes(broken)
    elif changed == "words":
        words.write_text(words.read_text().replace('"epoch": 2', '"epoch": 3'))
    else:  # killed between the two files
        before = words.read_text()
        some(2).save(file)
        words.write_text(before)
    with pytest.raises(ValueError, match="Expected a checkpoint as it was written"):
        load(file)
