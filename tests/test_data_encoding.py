"""What pixels are divided by, classes by the rank of labels, and parts of data that are used."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from picture_files import Arrays, N, arrays, saver

from objectives.data import datasets, downloads
from objectives.data.contact_sheet import contact_sheet
from objectives.data.encoding import BEFORE, Encoding, divisor, from_json
from objectives.data.options import DataOptions
from objectives.data.sources import source_of
from objectives.errors import DataError


@pytest.fixture
def save(tmp_path: Path) -> Callable[[Arrays], str]:
    """Write arrays into a file; return its path."""
    return saver(tmp_path)


@pytest.mark.parametrize(
    "labels",
    [
        np.array([7, 8, 2**32 + 7]),
        np.array([7, 5_000_000_000, 5_000_000_001]),
        np.array([1, 2**63, 2**64 - 1], np.uint64),
        np.array([97, 98, 99]),
        np.array([0, 1000, 2000], np.int32),
        np.array([-5, 0, 5], np.int8),
    ],
)
def test_any_integers_are_classes_by_their_rank(
    save: Callable[[Arrays], str], labels: np.ndarray[Any, Any]
) -> None:
    content = arrays()
    plain = datasets.load(save(content), DataOptions())
    content["y_train"], content["y_test"] = labels[content["y_train"]], labels[content["y_test"]]
    data = datasets.load(save(content), DataOptions())
    assert data.n_classes == 3
    assert data.labels == tuple(labels.tolist())
    assert data.y_train.dtype == np.int32
    np.testing.assert_array_equal(data.y_train, plain.y_train)
    np.testing.assert_array_equal(datasets.load_test(data.name)[1], arrays()["y_test"])
    stored = source_of(data.name).examine(DataOptions()).encoding
    assert from_json(stored.to_json()).labels == labels.tolist()
    assert contact_sheet(data).width > 0


def test_labels_that_are_not_those_of_the_study_are_refused(save: Callable[[Arrays], str]) -> None:
    file = save(arrays())
    with pytest.raises(DataError, match=r"that the study trains: 3 classes, .*: label=0\."):
        datasets.load(file, DataOptions(), Encoding(255.0, (7, 8, 9)))


@pytest.mark.parametrize(
    ("make", "scale"),
    [
        (lambda x: x, 255),
        (lambda x: x.astype(float), 255),
        (lambda x: x.astype(np.float16), 255),
        (lambda x: x / 255, 1),
        (lambda x: x / 255 * 1.02, 1),
        (lambda x: (x / 127.5 - 1) * 3, 1),
        (lambda x: (x > 127).astype(np.uint8), 1),
        (lambda x: x > 127, 1),
        (lambda x: x.astype(np.uint16) * 257, 65535),
        (lambda x: x.astype(np.uint16), 255),
    ],
)
def test_the_divisor_fits_the_maximum_and_can_be_set(
    save: Callable[[Arrays], str], make: Callable[[Any], Any], scale: int
) -> None:
    content = arrays()
    content["x_train"], content["x_test"] = make(content["x_train"]), make(content["x_test"])
    file = save(content)
    assert source_of(file).examine(DataOptions()).encoding.scale == scale
    data = datasets.load(file, DataOptions())
    assert data.scale == scale
    assert data.x_train.dtype in (np.uint8, np.float32)
    np.testing.assert_allclose(np.sort(data.x_train, None)[-1], content["x_train"].max(), rtol=1e-3)
    assert source_of(file).examine(DataOptions(scale=16.0)).encoding.scale == 16
    assert datasets.load(file, DataOptions(), Encoding(3.0, (0, 1, 2))).scale == 3
    assert datasets.load_test(file)[0].dtype == data.x_train.dtype


def test_a_study_of_an_earlier_version_goes_on_as_it_was(save: Callable[[Arrays], str]) -> None:
    content = arrays() | {"x_val": arrays()["x_test"], "y_val": arrays()["y_test"]}
    content["y_train"] = content["y_train"] * 1000
    content["y_test"] = content["y_test"] * 1000
    for dtype, scale in ((np.uint8, 255), (np.float32, 1)):
        content["x_train"] = content["x_train"].astype(dtype)
        content["x_test"] = content["x_test"].astype(dtype)
        data = datasets.load(save(content), DataOptions(), BEFORE)
        assert (data.scale, data.n_classes, data.labels) == (scale, 2001, ())
        assert set(data.y_train) == {0, 1000, 2000}
        assert len(data.x_train) + len(data.x_validation) == N
        assert max(datasets.load_test(data.name, DataOptions(), BEFORE)[1]) == 2000
    content["x_train"] = content["x_train"].astype(np.uint16)
    with pytest.raises(DataError, match=r"a study of an earlier version.*Received: uint16"):
        datasets.load(save(content), DataOptions(), BEFORE)


@pytest.mark.parametrize("names", [("x_val", "y_val"), ("x_validation", "y_validation")])
def test_a_validation_part_of_a_file_is_used(
    save: Callable[[Arrays], str], names: tuple[str, str]
) -> None:
    content, x = arrays(), arrays()["x_train"][:9] // 2
    x[:, 0, 1] = 255
    first = datasets.load(save(content), DataOptions()).sha256
    content |= {names[0]: x, names[1]: np.arange(9) % 2}
    data = datasets.load(save(content), DataOptions(train_size=50))
    np.testing.assert_array_equal(data.x_validation[..., 0], x)
    assert data.y_validation.tolist() == [0, 1] * 4 + [0]
    assert len(data.x_train) == 50
    assert len(datasets.load(data.name, DataOptions()).x_train) == N
    assert data.sha256 != first
    source = source_of(data.name)
    with pytest.raises(DataError, match=r"no validation_fraction for .*mine\.npz.*=0\.2\."):
        source.examine(DataOptions(validation_fraction=0.2))
    with pytest.raises(DataError, match=r"at most the 60 examples"):
        source.examine(DataOptions(train_size=61))


@pytest.mark.parametrize(
    ("dtype", "high", "scale"), [(np.uint8, 255, 255), (np.uint8, 1, 1), (np.float32, 1, 1)]
)
def test_the_divisor_of_a_folder_of_clocks(
    tmp_path: Path, dtype: Any, high: int, scale: int
) -> None:
    pictures = (np.arange(4800) % 2 * high).astype(dtype).reshape(300, 4, 4)
    np.save(tmp_path / "images.npy", pictures)
    np.save(tmp_path / "labels.npy", np.stack([np.arange(300) % 12, np.arange(300) % 60], axis=1))
    examined = source_of(str(tmp_path)).examine(DataOptions())
    assert (examined.encoding.scale, examined.shape) == (scale, (4, 4, 1))
    assert datasets.load(str(tmp_path), DataOptions()).scale == scale
    spoiled = np.load(tmp_path / "images.npy").astype(np.float32)
    spoiled[251, 2, 3] = np.nan
    np.save(tmp_path / "images.npy", spoiled)
    with pytest.raises(DataError, match=r"Received: nan at \[251, 2, 3\], the first place"):
        source_of(str(tmp_path)).examine(DataOptions())


def test_what_is_rendered_or_downloaded_is_known_without_reading_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setenv("HPO_DATA", str(tmp_path))
    examined = source_of("clock").examine(DataOptions(size=20, n_images=100))
    assert (examined.encoding, examined.shape) == (Encoding(255.0), (20, 20, 1))
    monkeypatch.setattr(downloads, "fetch", lambda name: None)
    examined = source_of("mnist").examine(DataOptions())
    assert (examined.encoding, examined.shape) == (Encoding(255.0, tuple(range(10))), (28, 28, 1))
    (tmp_path / "mnist.npz").write_bytes(b"")
    with pytest.raises(DataError, match=r"mnist\.npz, which cannot be read"):
        source_of("mnist").examine(DataOptions())


@pytest.mark.parametrize(
    ("dtype", "low", "high", "scale"),
    [
        ("bool", 0, 1, 1),
        ("bool", 0, 0, 1),
        ("uint8", 0, 0, 1),
        ("uint8", 0, 1, 1),  # a mask
        ("uint8", 0, 16, 1),  # digits as scikit-learn has them
        ("uint8", 0, 100, 255),
        ("uint8", 0, 255, 255),
        ("uint16", 0, 1, 1),
        ("uint16", 0, 255, 255),  # bytes in a wider type
        ("uint16", 0, 1023, 255),
        ("uint16", 0, 4095, 255),
        ("uint16", 0, 16383, 65535),
        ("uint16", 0, 65535, 65535),
        ("float", 0, 1, 1),
        ("float", 0, 1.02, 1),
        ("float", 0, 17.3, 1),  # digits, resized
        ("float", 0, 250, 255),
        ("float", 0, 271.5, 255),  # bytes, resized
        ("float", 0, 4200, 255),
        ("float", 0, 6e4, 65535),
        ("float", -0.4, 2.8, 1),  # standardized
        ("float", -0.4, 40, 1),
        ("float", -1, 1, 1),
    ],
)
def test_the_divisor_by_type_and_maximum(dtype: str, low: float, high: float, scale: int) -> None:
    assert divisor(dtype, low, high) == scale
