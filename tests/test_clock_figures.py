"""The figures of a trial that reads clocks."""

from __future__ import annotations

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
    shown = figures.plots(Y, READ)
    assert set(shown) == {"clock-errors", "clock-heat-map"}
    assert json.loads(shown["clock-errors"])["layout"]["yaxis"]["title"]["text"].endswith(
        "(minutes)"
    )
