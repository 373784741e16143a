"""A checkpoint is read as it was written, or not at all."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from objectives.errors import CheckpointError
from objectives.hyperparameters import Hyperparameters
from objectives.training.checkpoint import Checkpoint, load
from objectives.training.epochs import Epochs

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


def test_a_checkpoint_of_an_earlier_version_is_resumed(tmp_path: Path) -> None:
    """Version 0.1 wrote these keys, and named the last improvement with an underscore."""
    history = {"loss": [0.9, 0.8, 0.7], "val_loss": [0.5, 0.6, 0.7]}
    course = {"epoch": 3, "history": history, "best_epoch": 1, "_reference_epoch": 1}
    np.savez(tmp_path / "lane.npz", np.arange(3))
    digest = hashlib.sha256((tmp_path / "lane.npz").read_bytes())
    digest.update(json.dumps(course, sort_keys=True).encode())
    words = json.dumps({"course": course, "sha256": digest.hexdigest()})
    (tmp_path / "lane.json").write_text(words)
    read = load(tmp_path / "lane.npz")
    epochs = Epochs(Hyperparameters(early_stopping_patience=3), "val_loss", False, n_epochs=9)
    epochs.resume(read.epochs)
    assert (epochs.completed, epochs.best, epochs.history) == (3, 1, history)
    assert course.items() <= epochs.state().items()
    epochs.record({"loss": 0.6, "val_loss": 0.8})  # the third epoch without improvement
    assert (epochs.completed, epochs.stopped) == (4, "early_stopping")
    assert epochs.value() == 0.5
    read.save(tmp_path / "again.npz")  # what is written now is what was written then
    assert json.loads((tmp_path / "again.json").read_text())["course"] == course


def test_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "lane.npz")


@pytest.mark.parametrize("text", ["", '{"course": {', "{}", "[]", '{"course": {}}'])
def test_half_of_a_file_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "lane.npz"
    some(1).save(file)
    file.with_suffix(".json").write_text(text)
    with pytest.raises(CheckpointError, match="Expected a checkpoint as it was written"):
        load(file)


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
    with pytest.raises(CheckpointError, match="Expected a checkpoint as it was written"):
        load(file)
