"""Data sets: where they are found, what is refused, how they are split."""

import http.server
import os
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from objectives.data import datasets, sources
from objectives.data.options import DataOptions
from objectives.data.permutation import permutation
from objectives.data.sources import source_of
from objectives.errors import UnknownNameError

Arrays = dict[str, np.ndarray[Any, Any]]


def tiny(n: int = 60, n_test: int = 20, n_classes: int = 3) -> Arrays:
    """Make pictures of 4x5 pixels, all of the value of their number, in turns of each class."""
    arrays: Arrays = {}
    for part, size in (("train", n), ("test", n_test)):
        numbers = np.arange(size).astype(np.uint8)
        arrays[f"x_{part}"] = np.broadcast_to(numbers[:, None, None], (size, 4, 5)).copy()
        arrays[f"y_{part}"] = numbers % n_classes
    return arrays


def save(path: Path, arrays: Arrays) -> str:
    np.savez(path, **arrays)
    return str(path)


def real(name: str) -> str:
    """Return a real data set's name, or skip the test where its file is not there."""
    file = Path(os.environ.get("HPO_DATA", ""), name if name.endswith(".npz") else f"{name}.npz")
    if not file.is_file():
        pytest.skip(f"HPO_DATA has no {file.name}: the real pictures are not tested")
    return name


def test_digits_are_scaled_split_and_stratified() -> None:
    data = datasets.load("digits", DataOptions())
    x_test, y_test = datasets.load_test("digits")
    assert data.x_train.shape == (1293, 8, 8, 1)
    assert data.x_validation.shape == (144, 8, 8, 1)
    assert x_test.shape == (360, 8, 8, 1)
    assert (data.x_train.dtype, data.y_train.dtype) == (np.uint8, np.int32)
    assert (data.x_train.min(), data.x_train.max(), data.n_classes) == (0, 255, 10)
    for labels in (data.y_validation, y_test):
        assert np.ptp(np.bincount(labels)) <= 3
    parts = [{x.tobytes() for x in part} for part in (data.x_train, data.x_validation, x_test)]
    assert not parts[0] & parts[1]
    assert not (parts[0] | parts[1]) & parts[2]


@pytest.mark.parametrize(
    ("name", "shape"), [("mnist", (54_000, 28, 28, 1)), ("fashion_mnist", (54_000, 28, 28, 1))]
)
def test_real_sets_are_found_in_hpo_data(name: str, shape: tuple[int, ...]) -> None:
    data = datasets.load(real(name), DataOptions())
    assert data.x_train.shape == shape
    assert (data.x_train.dtype, data.n_classes, len(data.x_validation)) == (np.uint8, 10, 6000)
    assert source_of(name).input_shape(DataOptions()) == shape[1:]


def test_a_part_of_a_real_set_goes_by_its_path() -> None:
    data = datasets.load(real("cifar10_25k.npz"), DataOptions(train_size=1000))
    assert data.x_train.shape == (1000, 32, 32, 3)
    assert (np.bincount(data.y_train) == 100).all()


def test_split_is_the_same_for_the_same_seed_only(tmp_path: Path) -> None:
    file = save(tmp_path / "tiny.npz", tiny())
    one, same, other = (datasets.load(file, DataOptions(seed=seed)) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.x_train, same.x_train)
    assert (one.x_validation != other.x_validation).any()
    assert one.sha256 == other.sha256


def test_train_size_leaves_the_validation_part_alone(tmp_path: Path) -> None:
    file = save(tmp_path / "tiny.npz", tiny())
    options = {"validation_fraction": 0.2, "seed": 5}
    whole = datasets.load(file, DataOptions(**options))
    part = datasets.load(file, DataOptions(**options, train_size=24))
    all_of_it = datasets.load(file, DataOptions(**options, train_size=48))
    np.testing.assert_array_equal(whole.x_validation, part.x_validation)
    assert np.bincount(part.y_train).tolist() == [8, 8, 8]
    assert np.bincount(whole.y_validation).tolist() == [4, 4, 4]
    assert {x.tobytes() for x in part.x_train} < {x.tobytes() for x in whole.x_train}
    np.testing.assert_array_equal(whole.x_train, all_of_it.x_train)
    with pytest.raises(ValueError, match=r"at most the 48 examples.*Received: train_size=49\."):
        datasets.load(file, DataOptions(**options, train_size=49))


@pytest.mark.parametrize("size", [3, 4, 46, 47, 48])
def test_a_train_size_may_be_any_from_the_number_of_classes_on(tmp_path: Path, size: int) -> None:
    file = save(tmp_path / "tiny.npz", tiny())
    options = DataOptions(validation_fraction=0.2, train_size=size)
    assert len(datasets.load(file, options).x_train) == size


@pytest.mark.parametrize(
    ("options", "labels", "said"),
    [
        ({"train_size": 2}, [20, 20, 20], r"at least the 3 classes\. Received: train_size=2\."),
        (
            {"validation_fraction": 0.02},
            [20, 20, 20],
            r"each of 3 classes .*Received: validation_fraction=0\.02, which makes 58 and 2 ",
        ),
        ({}, [20, 1, 20], r"two examples of each class.*Received: one of class 1\."),
    ],
)
def test_classes_that_cannot_be_divided_are_an_error(
    tmp_path: Path, options: dict[str, Any], labels: list[int], said: str
) -> None:
    y = np.repeat(np.arange(3), labels)
    file = tmp_path / "tiny.npz"
    np.savez(file, x_train=np.zeros((len(y), 4, 4), np.uint8), y_train=y)
    with pytest.raises(ValueError, match=said):
        datasets.load(str(file), DataOptions(**options))


def test_fingerprint_tells_data_apart(tmp_path: Path) -> None:
    arrays = tiny()
    first = datasets.load(save(tmp_path / "one.npz", arrays), DataOptions()).sha256
    arrays["x_train"][0, 0, 0] += 1
    assert datasets.load(save(tmp_path / "two.npz", arrays), DataOptions()).sha256 != first


def test_loading_never_reads_the_test_part(tmp_path: Path) -> None:
    # Reading this array would be an error: it is a pickle.
    arrays = tiny() | {"x_test": np.array([object()])}
    file = save(tmp_path / "tiny.npz", arrays)
    assert len(datasets.load(file, DataOptions()).x_train) == 54
    with pytest.raises(ValueError, match="allow_pickle=False"):
        datasets.load_test(file)


def test_pickles_are_refused(tmp_path: Path) -> None:
    file = save(tmp_path / "tiny.npz", tiny() | {"y_train": np.array([object()] * 60)})
    with pytest.raises(ValueError, match="allow_pickle=False"):
        datasets.load(file, DataOptions())


def test_layouts_that_are_brought_to_one(tmp_path: Path) -> None:
    arrays = tiny()
    arrays["y_train"] = arrays["y_train"][:, None]
    for part in ("x_train", "x_test"):
        arrays[part] = arrays[part] / 255
    data = datasets.load(save(tmp_path / "tiny.npz", arrays), DataOptions())
    assert data.x_train.shape == (54, 4, 5, 1)
    assert (data.x_train.dtype, data.y_train.shape) == (np.float32, (54,))
    assert data.x_train.max() < 1
    x_test, y_test = datasets.load_test(str(tmp_path / "tiny.npz"))
    assert (x_test.shape, y_test.dtype) == ((20, 4, 5, 1), np.int32)


def without_labels(arrays: Arrays) -> None:
    del arrays["y_train"]


def too_few_labels(arrays: Arrays) -> None:
    arrays["y_train"] = arrays["y_train"][:-1]


def flat_pictures(arrays: Arrays) -> None:
    arrays["x_train"] = arrays["x_train"].reshape(60, -1)


def wide_integers(arrays: Arrays) -> None:
    arrays["x_train"] = arrays["x_train"].astype(np.int64)


def float_labels(arrays: Arrays) -> None:
    arrays["y_train"] = arrays["y_train"].astype(float)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (without_labels, r"the arrays x_train and y_train .* Received: x_test, x_train, y_test\."),
        (too_few_labels, r"labels \(n,\).* Received: pictures \(60, 4, 5, 1\), labels \(59,\)\."),
        (flat_pictures, r"Received: pictures \(60, 20\)"),
        (wide_integers, r"Expected uint8, uint16, bool or float .* Received: pictures int64"),
        (float_labels, r"integers or text, .* labels float64\."),
    ],
)
def test_files_that_are_no_pictures_with_labels(
    tmp_path: Path, spoil: Callable[[Arrays], None], message: str
) -> None:
    arrays = tiny()
    spoil(arrays)
    file = save(tmp_path / "tiny.npz", arrays)
    with pytest.raises(ValueError, match=message):
        datasets.load(file, DataOptions())


def test_a_path_is_looked_up_in_hpo_data_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "tiny.npz", tiny())
    monkeypatch.setenv("HPO_DATA", str(tmp_path))
    sources.check("/elsewhere/tiny.npz", DataOptions())
    assert datasets.load("/elsewhere/tiny.npz", DataOptions()).n_classes == 3
    assert source_of("/elsewhere/tiny.npz").input_shape(DataOptions()) is None


def test_a_table_that_is_not_there_is_told_as_that(tmp_path: Path) -> None:
    gone = str(tmp_path / "gone.csv")
    with pytest.raises(UnknownNameError, match=r"There is no such file: .*gone.csv"):
        sources.check(gone, DataOptions(target="kind"))


def test_unknown_name_suggests_the_nearest() -> None:
    assert sources.names() == ("cifar10", "clock", "digits", "fashion_mnist", "mnist")
    for name in sources.names():
        sources.check(name, DataOptions())
    with pytest.raises(ValueError, match=r"Received: fashon_mnist. Did you mean fashion_mnist\?"):
        sources.check("fashon_mnist", DataOptions())
    with pytest.raises(ValueError, match=r"Received: /no/file.npz.*HPO_DATA"):
        datasets.load("/no/file.npz", DataOptions())


def test_part_of_a_known_set_under_its_name_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save(tmp_path / "mnist.npz", tiny())
    monkeypatch.setenv("HPO_DATA", str(tmp_path))
    with pytest.raises(ValueError, match=r"all 60000 train pictures of mnist. Received: 60 in"):
        datasets.load("mnist", DataOptions())
    with pytest.raises(ValueError, match=r"all 10000 test pictures of mnist. Received: 20 in"):
        datasets.load_test("mnist")


def stand_in_for_keras(monkeypatch: pytest.MonkeyPatch, load_data: Callable[[], Any]) -> None:
    """Put a downloader into Keras's place: these tests must not use the network."""
    module = types.ModuleType("keras.datasets.mnist")
    module.load_data = load_data  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keras", types.ModuleType("keras"))
    monkeypatch.setitem(sys.modules, "keras.datasets", types.ModuleType("keras.datasets"))
    monkeypatch.setitem(sys.modules, "keras.datasets.mnist", module)


def test_without_file_and_network_the_error_says_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise Exception("URL fetch failure on https://example.org")

    stand_in_for_keras(monkeypatch, fail)
    monkeypatch.setenv("HPO_DATA", str(tmp_path))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    with pytest.raises(FileNotFoundError, match=r"URL fetch failure.*Put mnist.npz.*HPO_DATA"):
        datasets.load("mnist", DataOptions())


def test_download_is_kept_off_standard_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def download() -> Any:
        assert (tmp_path / "keras" / "mnist.lock").exists()
        print("Downloading")
        labels = np.arange(60_000) % 10
        pictures = np.zeros((60_000, 2, 2), np.uint8)
        return (pictures, labels), (pictures[:10_000], labels[:10_000])

    stand_in_for_keras(monkeypatch, download)
    monkeypatch.setenv("HPO_DATA", "")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    assert len(datasets.load("mnist", DataOptions()).x_validation) == 6000
    assert len(datasets.load_test("mnist")[0]) == 10_000
    assert capsys.readouterr() == ("", "Downloading\n" * 3)  # a test part is compared


DOWNLOAD = """
import sys
import keras.src.datasets.mnist as module
from objectives import DataOptions
from objectives.data import datasets
get_file = module.get_file
def from_here(**given):
    return get_file(**given | {"origin": sys.argv[1], "file_hash": None})
module.get_file = from_here
print(len(datasets.load("mnist", DataOptions()).x_validation))
"""


def test_keras_downloads_once_with_a_progress_bar(tmp_path: Path) -> None:
    arrays = tiny(60_000, 10_000, 10)
    file = Path(save(tmp_path / "mnist.npz", arrays))
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(tmp_path))

        def log_request(self, *_: Any) -> None:
            asked.append(self.path)

    environment = {**os.environ, "HPO_DATA": "", "KERAS_HOME": str(tmp_path / "keras")}
    environment["KERAS_BACKEND"] = "numpy"  # TensorFlow takes twice as long to import
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        origin = f"http://127.0.0.1:{server.server_port}/mnist.npz"
        command = [sys.executable, "-c", DOWNLOAD, origin]
        done = [
            subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            for _ in range(2)
        ]
        server.shutdown()
    assert [d.stdout for d in done] == ["6000\n"] * 2
    assert "Downloading data from http://127.0.0.1" in done[0].stderr
    size = file.stat().st_size
    assert f"{size}/{size}" in done[0].stderr
    assert asked == ["/mnist.npz"]


@pytest.mark.parametrize(
    "options", [{"train_size": 0}, {"validation_fraction": 1.0}, {"seed": -1}, {"split": 1}]
)
def test_options_out_of_bounds_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        DataOptions(**options)


def test_permuted_pixels_are_the_same_pixels_in_one_order_in_every_part(tmp_path: Path) -> None:
    arrays = tiny()
    for part in ("x_train", "x_test"):
        arrays[part] = np.arange(arrays[part].size, dtype=np.uint8).reshape(arrays[part].shape)
        arrays[part] = np.stack([arrays[part], 255 - arrays[part]], axis=-1)  # two channels
    file = save(tmp_path / "tiny.npz", arrays)
    plain, one = DataOptions(), DataOptions(permute_pixels=True)
    data, moved = datasets.load(file, plain), datasets.load(file, one)
    order = permutation(0, 20)
    assert sorted(order) == list(range(20)) != list(order)
    tests = datasets.load_test(file, plain)[0], datasets.load_test(file, one)[0]
    parts = [(data.x_train, moved.x_train), (data.x_validation, moved.x_validation), tests]
    for before, after in parts:
        flat = before.reshape(len(before), 20, 2)
        np.testing.assert_array_equal(after, flat[:, order].reshape(before.shape))
    np.testing.assert_array_equal(data.y_train, moved.y_train)
    digests = {
        datasets.load(file, options).sha256
        for options in (plain, one, one, DataOptions(permute_pixels=True, seed=1))
    }
    assert len(digests) == 3
    assert (data.permuted, moved.permuted) == (False, True)
    whole, *_ = datasets.load_folds(file, DataOptions(permute_pixels=True, folds=3))
    assert whole.sha256 == moved.sha256
    known = {picture.tobytes() for picture in moved.x_train}
    assert {picture.tobytes() for picture in datasets.sample(file, one, 9).x_train} <= known


def test_the_permutation_is_the_one_of_every_version_of_numpy() -> None:
    """A kept network of a permuted study is of use only with the permutation of its training."""
    assert permutation(0, 10).tolist() == [2, 8, 4, 9, 1, 6, 7, 3, 0, 5]
