"""Clocks: what is rendered, folders of a user's own, and how they are divided."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from commands import is_alive, wait_until
from small_studies import table

from objectives import DataOptions
from objectives.clock.dataset import read, rendered, split
from objectives.clock.dial import draw_dial, draw_style
from objectives.clock.render import render
from objectives.clock.rendering import RENDERER_VERSION, Rendering
from objectives.data import datasets, sources
from objectives.data.sources import source_of
from studies.definition.study import parse_definition

# The mean shades of 4x4 parts of one picture.
BLOCKS = [[74, 91, 110, 98], [90, 134, 162, 119], [101, 171, 176, 142], [104, 141, 133, 134]]


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


# What is rendered.


def test_a_seed_gives_the_same_picture_and_another_seed_another() -> None:
    one = render(100, 75, (0, 7))
    assert (one.shape, one.dtype) == ((75, 75), np.uint8)
    np.testing.assert_array_equal(one, render(100, 75, (0, 7)))
    for other in ((0, 8), (1, 7)):
        assert (render(100, 75, other) != one).mean() > 0.5


def test_sizes_show_the_same_clock() -> None:
    small = [render(200, 50, (0, seed)).ravel() for seed in range(6)]
    large = [render(200, 150, (0, seed)) for seed in range(6)]
    reduced = [picture.reshape(50, 3, 50, 3).mean(axis=(1, 3)).ravel() for picture in large]
    likeness = np.corrcoef(small, reduced)[:6, 6:]  # but for the noise, which is each size's own
    assert np.diag(likeness).min() > likeness[~np.eye(6, dtype=bool)].max()


def test_hands_show_the_minute_and_the_hour_hand_moves_between_the_hours() -> None:
    style = draw_style(np.random.default_rng(0))
    dials = [np.asarray(draw_dial(minute, style, 300).getchannel("L")) for minute in range(720)]
    assert len({dial.tobytes() for dial in dials}) == 720
    # An hour apart the minute hand is the same and only the middle of the dial differs.
    different = np.argwhere(dials[60] != dials[0])
    assert np.hypot(*(different - 150).T).max() < 0.7 * 150
    # Half an hour apart the minute hand points the other way, which the rim's side shows.
    different = np.argwhere(dials[30] != dials[0])
    assert np.hypot(*(different - 150).T).max() > 0.6 * 150


def test_the_hands_point_where_the_time_says() -> None:
    """The hour hand half a degree a minute, the minute hand six, clockwise from the top."""
    style = draw_style(np.random.default_rng(0))
    hands = replace(
        style, ink=style.face, rim=style.face, hands=0, tail=0.0, taper=1.0,
        hour_hand=(0.5, 0.03), minute_hand=(0.9, 0.03),
    )  # fmt: skip
    y, x = np.indices((400, 400)) - 199.5
    angle, distance = np.degrees(np.arctan2(x, -y)) % 360, np.hypot(x, y) / 200
    for minute in (0, 1, 90, 215, 347, 480, 661, 719):
        dark = np.asarray(draw_dial(minute, hands, 400).getchannel("L")) < style.face / 2
        far = dark & (distance > 0.6) & (distance < 0.85)
        assert apart(angle[far], minute % 60 * 6).max() < 3
        near = dark & (distance > 0.3) & (distance < 0.45)
        others = near & (apart(angle, minute % 60 * 6) > 4)
        if minute != 0:
            assert others.any()
            assert apart(angle[others], minute / 2).max() < 4


def apart(one: Any, other: float) -> Any:
    """Return the degrees between angles, the shorter way round."""
    return np.abs((one - other + 180) % 360 - 180)


def test_a_version_of_the_renderer_has_its_own_pictures() -> None:
    """Sets are kept by the version, so so a change of what is rendered must raise it."""
    assert RENDERER_VERSION == 2
    picture = render(200, 60, (5,)).astype(float)
    blocks = picture.reshape(4, 15, 4, 15).mean(axis=(1, 3))
    np.testing.assert_allclose(blocks, BLOCKS, atol=3)  # libraries may round in their own ways


def test_twelve_is_anywhere_unless_dials_are_not_turned() -> None:
    def turn_of(rotation: float, seed: int) -> int:
        """Return by how many quarters a dial is turned, as the hour hand at 12 and 6 tells."""
        # What differs between 12:00 and 6:00 is the hour hand: darker or brighter, up or down.
        noon, six = (render(minute, 60, (seed,), rotation).astype(float) for minute in (0, 360))
        y, x = np.indices(noon.shape) - 29.5
        inside = np.hypot(x, y) < 18
        change = (noon - six) * inside
        angle = np.arctan2((change * x).sum(), -(change * y).sum())
        return round(angle / (np.pi / 2)) % 4

    assert len({turn_of(0.0, seed) for seed in range(12)}) == 1
    assert len({turn_of(180.0, seed) for seed in range(24)}) == 4


def test_a_set_is_rendered_once_and_kept() -> None:
    told: list[tuple[int, int]] = []
    rendering = Rendering(size=16, n_images=250)
    folder = rendered(rendering, lambda done, total: told.append((done, total)))
    assert sum(done for done, _ in told) == 250
    assert {total for _, total in told} == {250}
    x, y = read(folder)
    assert (x.shape, x.dtype) == ((250, 16, 16, 1), np.uint8)
    assert len(set(y)) == 250
    assert y.max() > 700
    for i in (0, 249):
        np.testing.assert_array_equal(x[i, ..., 0], render(int(y[i]), 16, (0, i)))
    again = rendered(rendering, lambda done, total: pytest.fail("rendered twice"))
    assert again == folder
    assert rendered(Rendering(size=16, n_images=250, seed=1)) != folder


# Without a guard, as in a user's script; and ignoring signals, as the executor child does.
RENDERS = """
import os, signal, sys
from objectives.clock.dataset import rendered
from objectives.clock.rendering import Rendering

signal.signal(signal.SIGTERM, signal.SIG_IGN)
print(rendered(Rendering(size=100, n_images=int(sys.argv[1]))), flush=True)
"""


def test_a_process_that_ignores_signals_renders_and_leaves_none_behind(tmp_path: Path) -> None:
    script = tmp_path / "renders.py"
    script.write_text(RENDERS)

    def start(n: int) -> subprocess.Popen[str]:
        command = [sys.executable, str(script), str(n)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
        return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True)

    assert start(200).communicate(timeout=60)[0].strip().endswith("100-200-0-180.0")
    renders = start(20_000)
    wait_until(lambda: len(descendants(renders.pid)) > 2, "processes are started")
    known = descendants(renders.pid)
    renders.kill()
    renders.communicate(timeout=60)
    wait_until(lambda: not any(map(is_alive, known)), "they end with their parent")


def descendants(pid: int) -> list[int]:
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [i for child in map(int, children) for i in (child, *descendants(child))]


# How they are divided.


def sizes(parts: Mapping[str, Any]) -> dict[str, int]:
    return {name: len(part) for name, part in parts.items()}


def test_each_minute_gives_20_pictures_to_train_on_and_5_held_out() -> None:
    minutes = np.repeat(np.arange(720), 25)
    parts = split(minutes, seed=0)
    assert sizes(parts) == {"train": 14_400, "validation": 1_800, "test": 1_800}
    counts = {name: np.bincount(minutes[part], minlength=720) for name, part in parts.items()}
    assert set(counts["train"]) == {20}
    assert set(counts["validation"]) == set(counts["test"]) == {2, 3}
    everything = np.concatenate(list(parts.values()))
    assert sorted(everything) == list(range(18_000))
    other = split(minutes, seed=1)
    assert sorted(other["test"]) != sorted(parts["test"])


def test_in_a_small_set_no_kind_of_minute_is_on_one_side_only() -> None:
    minutes = np.repeat(np.arange(720), 5)
    parts = split(minutes, seed=0)
    assert sizes(parts) == {"train": 2_880, "validation": 360, "test": 360}
    for part in parts.values():
        assert set(minutes[part] % 2) == {0, 1}
        assert set(minutes[part] % 10) == set(range(10))
    alone = split(np.arange(720), seed=0)
    assert len(set(alone["train"] % 5)) == 5
    assert sizes(split(np.arange(10), 0)) == {"train": 8, "validation": 1, "test": 1}


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


# Folders.


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
        with pytest.raises(ValueError, match=r"^Expected float pictures from 0 to 1"):
            datasets.load(str(folder), DataOptions())
    # Bytes given as floats, as is easily done, are found before a study is written.
    folder = folder_of(tmp_path / "mine", IMAGES.astype(np.float32), LABELS)
    with pytest.raises(ValueError, match=r"^dataset: Expected float pictures from 0 to 1.*uint8"):
        parse_definition(table(objective="clock", dataset=str(folder)))


def test_a_name_that_is_no_data_set_is_told_all_that_is() -> None:
    with pytest.raises(ValueError, match=r"one of cifar10, clock, digits.*mean clock.*labels.npy"):
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
        with pytest.raises(ValueError, match=r"^Expected size for rendered clocks only"):
            sources.check(name, DataOptions(size=75))
    for name in ("clock", str(folder)):
        with pytest.raises(ValueError, match=r"^Expected no validation_fraction for clocks"):
            sources.check(name, DataOptions(validation_fraction=0.2))
