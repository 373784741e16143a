"""Each kind of data set: what it says of itself, and digests and splits that must never change."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from objectives.cache import cache_folder
from objectives.data import datasets, downloads, sources
from objectives.data.options import DataOptions
from objectives.data.sources import source_of
from objectives.errors import DataError, DataNotFoundError, UnknownNameError


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("HPO_DATA", raising=False)


@pytest.fixture
def made(tmp_path: Path) -> dict[str, str]:
    """Make an .npz and a folder of clocks; return the names of all kinds of data sets."""
    numbers = np.arange(60).astype(np.uint8)
    x = np.broadcast_to(numbers[:, None, None], (60, 4, 5)).copy()
    y = numbers % 3
    np.savez(tmp_path / "tiny.npz", x_train=x, y_train=y, x_test=x[:20], y_test=y[:20])
    folder = tmp_path / "mine"
    folder.mkdir()
    np.save(folder / "images.npy", np.arange(50 * 30 * 40).reshape(50, 30, 40).astype(np.uint8))
    np.save(folder / "labels.npy", np.stack([np.arange(50) % 12, np.arange(50) % 60], axis=1))
    return {
        "digits": "digits",
        "clock": "clock",
        "tiny.npz": str(tmp_path / "tiny.npz"),
        "mine": str(folder),
    }


def fingerprint(*arrays: Any) -> str:
    """Return the beginning of a digest of arrays with their types and shapes."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(
            f"{array.dtype}{array.shape}".encode() + np.ascontiguousarray(array).tobytes()
        )
    return digest.hexdigest()[:16]


DIGITS = "6612d0a064c751fd7079814cd865c2d615efca2a3c305c612a4b5f50d85d97ad"
CLOCKS = "7ae792842c0e98c8f837e1e27fd549a8a807235bb548c18d12a3a46cd9daf27b"
NPZ = "23dd8398eedf72f05eedeeb6811e2742c758bf1cf00799a7340ead0bae675c97"


@pytest.mark.parametrize(
    ("kind", "options", "sha256", "search", "test"),
    [
        ("digits", {}, DIGITS, "449312473dbc2823", "a2eed9fb1689fa6f"),
        ("digits", {"train_size": 100}, DIGITS, "ffef2f4c5edfdef4", "a2eed9fb1689fa6f"),
        (
            "digits", {"seed": 4, "validation_fraction": 0.2, "train_size": 1143}, DIGITS,
            "680ef7bf80bc1dfc", "a2eed9fb1689fa6f",
        ),
        (
            "clock", {"size": 16, "n_images": 100, "seed": 3}, CLOCKS,
            "bdc6017a2622fda5", "7848a27b4a716e00",
        ),
        (
            "clock", {"size": 16, "n_images": 100, "seed": 3, "train_size": 7}, CLOCKS,
            "ae1c088a618fa37b", "7848a27b4a716e00",
        ),
        ("tiny.npz", {}, NPZ, "4c0400dc35af31a5", "3e91d2121946df98"),
        (
            "tiny.npz", {"seed": 5, "validation_fraction": 0.2, "train_size": 24}, NPZ,
            "5a2e271ddd428a0d", "3e91d2121946df98",
        ),
        (
            "tiny.npz", {"seed": 5, "validation_fraction": 0.2, "train_size": 47}, NPZ,
            "530a5a7f2775c5e8", "3e91d2121946df98",
        ),
        (
            "mine", {}, "dac9a7d87f8d3d1236fa5f284dfbd5a9af7ca171488d098a97d4535ef322c933",
            "bc1ba104d635d7b7", "c62683b07795af81",
        ),
        (
            "mine", {"train_size": 9, "seed": 2},
            "a71308d476048459da6314b392337bd8e21e73fdd785510125a004cdadc0011b",
            "28f386fcf61d4ace", "dea07e73f25c1e52",
        ),
    ],
)  # fmt: skip
def test_digests_that_studies_store_and_splits_stay_the_same(
    made: dict[str, str], kind: str, options: dict[str, Any], sha256: str, search: str, test: str
) -> None:
    chosen = DataOptions(**options)
    data = datasets.load(made[kind], chosen)
    assert data.sha256 == sha256
    arrays = data.x_train, data.y_train, data.x_validation, data.y_validation
    assert fingerprint(*arrays) == search
    assert fingerprint(*datasets.load_test(made[kind], chosen)) == test


@pytest.mark.parametrize(
    ("kind", "labels", "text", "provenance"),
    [
        ("digits", "class", "5", {}),
        ("mnist", "class", "5", {}),
        ("tiny.npz", "class", "5", {}),
        ("clock", "minute", "12:05", {"renderer": 2}),
        ("mine", "minute", "12:05", {}),
    ],
)
def test_what_a_source_says_of_itself(
    made: dict[str, str], kind: str, labels: str, text: str, provenance: dict[str, int]
) -> None:
    source = source_of(made.get(kind, kind))
    assert source.name == made.get(kind, kind)
    assert (source.labels, source.label_text(5)) == (labels, text)
    assert source.provenance == provenance


def test_sizes_are_known_before_anything_is_read(made: dict[str, str]) -> None:
    options = DataOptions(validation_fraction=0.25)
    assert source_of("digits").training_size(options) == 1437 - 360
    assert source_of("cifar10").training_size(options) == 37_500
    assert source_of("cifar10").input_shape(options) == (32, 32, 3)
    clocks = DataOptions(size=20, n_images=101)
    assert source_of("clock").training_size(clocks) == 81
    assert source_of("clock").input_shape(clocks) == (20, 20, 1)
    assert source_of(made["mine"]).training_size(DataOptions()) == 40
    assert source_of(made["tiny.npz"]).training_size(options) is None
    assert source_of(made["tiny.npz"]).input_shape(options) is None


def test_what_is_missing_is_made_or_downloaded(
    made: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = DataOptions()
    for kind in ("digits", "tiny.npz", "mine"):
        source_of(made[kind]).prepare(options)
    source_of("clock").prepare(DataOptions(size=16, n_images=10))
    assert len(list(cache_folder("clocks").glob("v*-16-10-*/images.npy"))) == 1
    fetched: list[str] = []
    monkeypatch.setattr(downloads, "fetch", fetched.append)
    for ask in (
        source_of("mnist").prepare,
        source_of("mnist").examine,
        source_of("digits").examine,
    ):
        ask(options)
    assert fetched == ["mnist"] * 2
    monkeypatch.setenv("HPO_DATA", str(tmp_path))
    (tmp_path / "mnist.npz").touch()
    source_of("mnist").prepare(options)
    assert fetched == ["mnist"] * 2


def test_a_file_that_is_not_there_has_no_labels_of_its_own_and_an_error_when_asked(
    tmp_path: Path,
) -> None:
    source = source_of(str(tmp_path / "none.npz"))
    assert source.labels == "class"
    for ask in (source.check, source.prepare, source.read, source.read_test):
        with pytest.raises(UnknownNameError, match=r"^Expected a data set, one of .*none\.npz"):
            ask(DataOptions())


def test_options_belong_to_the_sources_that_name_them(made: dict[str, str]) -> None:
    with pytest.raises(
        DataError,
        match=r"^Expected rotation only for rendered clocks\. "
        r"Received: rotation=5\.0 for 'mnist'\.$",
    ):
        sources.check("mnist", DataOptions(rotation=5.0))
    sources.check("clock", DataOptions(rotation=5.0, size=20, n_images=10))
    with pytest.raises(DataError, match=r"^Expected n_images only for rendered clocks\."):
        sources.check(made["mine"], DataOptions(n_images=10))


def test_a_download_that_fails_is_a_file_that_is_not_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    def fail() -> None:
        raise Exception("URL fetch failure")

    monkeypatch.setattr(keras.datasets.mnist, "load_data", fail)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    with pytest.raises(DataNotFoundError, match="URL fetch failure") as caught:
        source_of("mnist").read(DataOptions())
    assert isinstance(caught.value, FileNotFoundError)


WAITS = """
import sys
from filelock import FileLock, Timeout
try:
    FileLock(sys.argv[1], timeout=0).acquire()
except Timeout:
    print("held")
"""


def test_other_processes_wait_while_a_download_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import keras

    said = []

    def download() -> Any:
        command = [sys.executable, "-c", WAITS, str(tmp_path / "keras" / "mnist.lock")]
        said.append(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        labels = np.arange(60_000) % 10
        pictures = np.zeros((60_000, 2, 2), np.uint8)
        return (pictures, labels), (pictures[:10_000], labels[:10_000])

    monkeypatch.setattr(keras.datasets.mnist, "load_data", download)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    assert len(source_of("mnist").read(DataOptions()).y) == 60_000
    assert said == ["held\n"]


@pytest.mark.skipif(sys.platform != "linux", reason="the folder is another one elsewhere")
def test_the_cache_is_where_the_environment_says_or_in_the_home_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert cache_folder("jax") == tmp_path / "cache" / "hpo" / "jax"
    for unset in (lambda: monkeypatch.setenv("XDG_CACHE_HOME", ""),
                  lambda: monkeypatch.delenv("XDG_CACHE_HOME")):  # fmt: skip
        unset()
        assert cache_folder("clocks") == Path.home() / ".cache" / "hpo" / "clocks"
