"""Data that no network can learn or be tested on, and files that hold none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from picture_files import Arrays, N, arrays, saver

from objectives.data.options import DataOptions
from objectives.data.sources import source_of
from objectives.errors import DataError


@pytest.fixture
def save(tmp_path: Path) -> Callable[[Arrays], str]:
    """Write arrays into a file; return its path."""
    return saver(tmp_path)


def nan(content: Arrays) -> None:
    content["x_train"] = content["x_train"] / 255
    content["x_train"][17, 3, 4] = np.nan
    content["x_train"][20, 0, 0] = np.inf


def missing_label(content: Arrays) -> None:
    content["y_train"] = content["y_train"].astype(float)
    content["y_train"][17:19] = np.nan


def missing_label_in_test(content: Arrays) -> None:
    content["y_test"] = content["y_test"].astype(float)
    content["y_test"][3] = np.nan


def infinite_in_color(content: Arrays) -> None:
    content["x_train"] = np.repeat(content["x_train"][..., None] / 255, 3, -1)
    content["x_train"][2, 3, 4, 1] = 1e300


def one_class(content: Arrays) -> None:
    content["y_train"] = np.full(N, 7)


def channels_first(content: Arrays) -> None:
    content["x_train"] = np.repeat(content["x_train"][:, None], 3, 1)


def one_channel_first(content: Arrays) -> None:
    content["x_train"] = content["x_train"][:, None]


def nan_in_test(content: Arrays) -> None:
    content["x_train"], content["x_test"] = content["x_train"] / 255, content["x_test"] / 255
    content["x_test"][17, 3, 4] = np.nan


def nan_in_validation(content: Arrays) -> None:
    content["x_val"], content["y_val"] = content["x_test"] / 255, content["y_test"]
    content["x_train"] = content["x_train"] / 255
    content["x_val"][17, 3, 4] = np.nan


def digits_as_bytes(content: Arrays) -> None:
    content["x_train"] = content["x_train"] / 255 * 16
    content["x_test"] = content["x_test"].astype(float)


def digits_to_one(content: Arrays) -> None:
    content["x_train"] = content["x_train"] / 255
    content["x_test"] = content["x_test"] / 255 * 16


def wider_test(content: Arrays) -> None:
    content["x_train"] = content["x_train"].astype(np.uint16) * 257 // 16
    content["x_test"] = content["x_train"][:20] * 16


def another_shape(content: Arrays) -> None:
    content["x_test"] = content["x_test"][:, :, :7]


def another_type(content: Arrays) -> None:
    content["x_test"] = content["x_test"] / 255


def another_type_on_one_scale(content: Arrays) -> None:
    content["x_test"] = content["x_test"].astype(float)


def another_scale(content: Arrays) -> None:
    content["x_train"] = content["x_train"] / 255
    content["x_test"] = content["x_test"].astype(float)


def standardized(content: Arrays) -> None:
    content["x_train"] = (content["x_train"] / 255 - 0.13) / 0.31
    content["x_test"] = content["x_test"] / 255


def other_labels(content: Arrays) -> None:
    content["y_test"] = content["y_test"] + 1


def validation_without_labels(content: Arrays) -> None:
    content["x_val"] = content["x_test"]


def validation_by_another_name(content: Arrays) -> None:
    content |= {"x_valid": content["x_test"], "y_valid": content["y_test"]}


def one_hot(content: Arrays) -> None:
    content["y_train"] = np.eye(3)[content["y_train"]]


def validation_of_another_scale(content: Arrays) -> None:
    content |= {"x_val": content["x_test"] // 255, "y_val": content["y_test"]}


def text_labels(content: Arrays) -> None:
    content["y_test"] = np.array(["a"] * 20)


REFUSED = [
    (nan, r"finite pixels in the training part of .*mine\.npz\. Received: nan at \[17, 3, 4\], "),
    (missing_label, r"a label of each picture in the training part .* nan at \[17\], the first"),
    (missing_label_in_test, r"a label of each .* test part .*Received: others, whose places are"),
    (infinite_in_color, r"Received: inf at \[2, 3, 4, 1\], the first place"),
    (one_class, r"at least two classes in the training part.*Received: one, label=7\."),
    (channels_first, r"the channels last.*\(n, 3, 8, 8\)\. Turn .*np\.moveaxis\(x, 1, -1\)"),
    (one_channel_first, r"the channels last.*\(n, 1, 8, 8\)"),
    (nan_in_test, r"finite pixels in the test part of .*Received: others, whose places are not"),
    (nan_in_validation, r"finite pixels in the validation part of .*: nan at \[17, 3, 4\]"),
    (digits_as_bytes, r"in the training part, float from 0 to 16\. Received: float from 0 to 255"),
    (digits_to_one, r"in the training part, float from 0 to 1\. Received: float from 0 to 16\."),
    (wider_test, r"in the training part, uint16 from 0 to 4095\. Received: uint16 .* to 65520"),
    (another_shape, r"the training part's shape \(8, 8, 1\) in the test part.*: \(8, 7, 1\)\.$"),
    (another_type, r"as in the training part, uint8 from 0 to 255\. Received: float from 0 to 1\."),
    (another_type_on_one_scale, r"uint8 from 0 to 255\. Received: float from 0 to 255\."),
    (another_scale, r"in the training part, float from 0 to 1\. Received: float from 0 to 255\."),
    (standardized, r"float from -0\.4.* to 2\.8.*\. Received: float from 0 to 1\."),
    (other_labels, r"labels in the test part .*3 classes, from 0 to 2\. Received: label=3\."),
    (validation_without_labels, r"x_val and y_val or x_validation and y_validation in .*: x_test,"),
    (one_hot, r"labels \(60, 3\)\. Turn one-hot labels into classes with y\.argmax\(1\)\.$"),
    (validation_of_another_scale, r"in the validation part .*Received: uint8 from 0 to 1\."),
    (text_labels, r"in the test part .* that the study trains: .* Received: label=a\."),
]  # fmt: skip


OF_THE_TEST_PART = (
    nan_in_test, missing_label_in_test, another_shape, another_type, another_type_on_one_scale,
    another_scale, standardized, other_labels, text_labels, digits_as_bytes, digits_to_one,
    wider_test,
)  # fmt: skip


@pytest.mark.parametrize(("spoil", "words"), REFUSED)
def test_what_no_network_can_learn_or_be_tested_on_is_found_before_training(
    save: Callable[[Arrays], str], spoil: Callable[[Arrays], None], words: str
) -> None:
    content = arrays()
    spoil(content)
    source = source_of(save(content))
    with pytest.raises(DataError, match=words):
        source.examine(DataOptions())
    # Files can be replaced after the study was made.
    read = source.read_test if spoil in OF_THE_TEST_PART else source.read
    with pytest.raises(DataError, match=words):
        read(DataOptions())


def test_a_part_under_a_name_that_nobody_reads_is_told(save: Callable[[Arrays], str]) -> None:
    content = arrays() | {"names": np.array(["a", "b", "c"]), "y_train_fine": arrays()["y_train"]}
    assert source_of(save(content)).examine(DataOptions()).shape == (8, 8, 1)
    validation_by_another_name(content)
    with pytest.raises(DataError, match=r"as in x_val and y_val, .*: x_valid and y_valid, which"):
        source_of(save(content)).examine(DataOptions())


def test_parts_that_differ_as_samples_do_are_alike(save: Callable[[Arrays], str]) -> None:
    content = arrays() | {"x_val": arrays()["x_test"] // 4, "y_val": arrays()["y_test"]}
    content["x_test"] = content["x_test"].astype(bool).astype(np.uint8) * 100
    assert source_of(save(content)).examine(DataOptions()).shape == (8, 8, 1)
    content = {name: a / 255 if name[0] == "x" else a for name, a in content.items()}
    content["x_train"][0, 0, 0] = -0.003  # a resize
    assert source_of(save(content)).examine(DataOptions()).encoding.scale == 1
    del content["y_test"]  # nothing to evaluate on, which is allowed
    assert source_of(save(content)).examine(DataOptions()).shape == (8, 8, 1)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda whole: whole[: len(whole) // 2],
        lambda whole: whole[:100],
        lambda whole: whole.replace(b"descr", b"dxscr"),
        lambda whole: b"plain text",
        lambda whole: b"",
    ],
)
def test_a_file_that_is_cut_off_or_something_else_is_named(
    save: Callable[[Arrays], str], spoil: Callable[[bytes], bytes]
) -> None:
    file = Path(save(arrays()))
    file.write_bytes(spoil(file.read_bytes()))
    source = source_of(str(file))
    for ask in (source.examine, source.read, source.read_test):
        with pytest.raises(DataError, match=r"Expected a whole \.npz.*mine\.npz, which") as caught:
            ask(DataOptions())
        assert "allow_pickle" not in str(caught.value)


def test_a_single_array_is_no_npz(tmp_path: Path) -> None:
    np.save(tmp_path / "mine.npy", np.zeros((3, 4, 4)))
    with pytest.raises(DataError, match=r"of several arrays\. Received: .*mine\.npy, of a single"):
        source_of(str(tmp_path / "mine.npy")).examine(DataOptions())
