"""The figures of a trial that reads clocks."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path

import numpy as np
from PIL import Image

from objectives.clock import figures

Y = np.array([0, 61, 719, 300])
READ = np.array([10.0, 61.0, 1.0, 660.0])


def test_the_worst_pictures_and_the_errors_are_drawn(tmp_path: Path) -> None:
    x = np.zeros((4, 20, 20, 1), np.uint8)
    files = figures.draw(tmp_path, x, Y, READ)
    assert [file.name for file in files] == ["worst.png", "errors.png"]
    for file in files:
        with Image.open(file) as picture:
            assert picture.format == "PNG"
            assert np.asarray(picture.convert("L")).std() > 5


def test_errors_are_averaged_by_hour_and_five_minutes() -> None:
    error = np.array([10, 0, 2, 360])
    cells = figures.heat_map(Y, error)
    assert cells.shape == (12, 12)
    assert (cells[0, 0], cells[1, 0], cells[11, 11], cells[5, 0]) == (10, 0, 2, 360)
    assert np.isnan(cells).sum() == 140
    assert figures.heat_map(np.array([3, 4]), np.array([1, 2]))[0, 0] == 1.5


def test_plots_hold_every_picture() -> None:
    x = np.arange(4 * 400, dtype=np.uint8).reshape(4, 20, 20, 1)
    shown = {name: json.loads(text) for name, text in figures.plots(x, Y, READ).items()}
    assert list(shown) == ["clock-worst", "clock-errors", "clock-heat-map"]
    assert shown["clock-errors"]["layout"]["yaxis"]["title"]["text"].endswith("(minutes)")
    # A cell of the heat map is from its first minute to the next one's.
    (heat,) = shown["clock-heat-map"]["data"]
    assert (heat["x"][:2], heat["x"][-1], heat["y"]) == ([0, 5], 60, list(range(13)))
    words = [note["text"] for note in shown["clock-worst"]["layout"]["annotations"]]
    # A line each: on a page of 1,000 pixels a picture is a hundred wide.
    assert words[:2] == [
        "5:00<br>read as 11:00<br>360 minutes", "12:00<br>read as 12:10<br>10 minutes",
    ]  # fmt: skip
    for each, i in zip(shown["clock-worst"]["data"], (3, 0, 2, 1), strict=True):
        picture = Image.open(io.BytesIO(base64.b64decode(each["source"].partition(",")[2])))
        np.testing.assert_array_equal(np.asarray(picture.convert("L")), x[i, ..., 0])


def test_float_pictures_are_shown_as_the_same_bytes() -> None:
    x = np.arange(4 * 60, dtype=np.uint8).reshape(4, 10, 6, 1)
    scaled = (x / 255).astype(np.float32)
    assert figures.plots(scaled, Y, READ) == figures.plots(x, Y, READ)
