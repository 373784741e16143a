"""Figures of how well a network reads clocks: files of a trial, and plots for its study's page."""

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import plotly.graph_objects as go
from matplotlib.figure import Figure
from PIL import Image
from plotly.subplots import make_subplots

from objectives.clock.metrics import common_sense_error, time_of
from objectives.types import Array

WORST = 8
BIN = 5  # minutes in a cell of the heat map


def draw(folder: Path, x: Array, y: Array, predicted: Array) -> list[Path]:
    """Draw the eight worst pictures with both times, and the error over the dial.

    Args:
        folder: Where the files go.
        x: Pictures, (n, h, w, 1).
        y: Their times in minutes of the dial, (n,).
        predicted: The times read, likewise.

    Returns:
        The PNG files.
    """
    predicted = predicted.astype(int)
    error = common_sense_error(y.astype(int), predicted)
    files = {"worst.png": _worst(x, y, predicted, error), "errors.png": _errors(y, error)}
    for name, figure in files.items():
        figure.savefig(folder / name, dpi=100)
    return [folder / name for name in files]


def plots(x: Array, y: Array, predicted: Array) -> dict[str, str]:
    """Plot the same figures for a browser.

    Args:
        x: Pictures, (n, h, w, 1).
        y: Their times in minutes of the dial, (n,).
        predicted: The times read, likewise.

    Returns:
        Name -> Plotly's JSON.
    """
    predicted = predicted.astype(int)
    error = common_sense_error(y.astype(int), predicted)
    scatter = go.Figure(go.Scattergl(x=y / 60, y=error, mode="markers", marker={"size": 4}))
    scatter.update_layout(
        title=_title("Error of the best trial over the dial (validation)"),
        xaxis_title="true time (hours)",
        yaxis_title="common-sense error (minutes)",
    )
    heat = go.Figure(
        # x and y are the edges of the cells, one more than there are cells.
        go.Heatmap(
            z=heat_map(y, error), x=[*range(0, 61, BIN)], y=[*range(13)], colorscale="Viridis"
        )
    )
    heat.update_layout(
        title=_title("Mean error of the best trial by hour and minute (validation)"),
        xaxis_title="minute",
        yaxis_title="hour",
        yaxis_autorange="reversed",
    )
    worst = _worst_plot(x, y, predicted, error)
    shown = {"clock-worst": worst, "clock-errors": scatter, "clock-heat-map": heat}
    return {name: str(figure.to_json()) for name, figure in shown.items()}


def _worst_plot(x: Array, y: Array, predicted: Array, error: Array) -> go.Figure:
    worst = _worst_of(y, predicted, error)
    captions = [words.replace(", ", "<br>").replace("\n", "<br>") for _, words in worst]
    pictures = make_subplots(
        2,
        WORST // 2,
        subplot_titles=captions,
        horizontal_spacing=0.02,
        vertical_spacing=0.25,  # three lines of a caption
    )
    for place, (i, _) in enumerate(worst):
        row, column = divmod(place, WORST // 2)
        pictures.add_trace(go.Image(source=_data_url(_pixels(x[i]))), row + 1, column + 1)
    pictures.update_xaxes(visible=False)
    pictures.update_yaxes(visible=False)
    pictures.update_annotations(font_size=11)
    # On a page of 1,000 pixels a picture has a hundred.
    margins = {"l": 20, "r": 20, "t": 110, "b": 20}
    pictures.update_layout(
        title=_title("Worst readings of the best trial (validation)"), margin=margins
    )
    return pictures


def _title(words: str) -> dict[str, Any]:
    """Return a title that is seen whole on a page of 1,000 pixels, of which a plot has half."""
    return {"text": words, "font": {"size": 13}}


def heat_map(y: Array, error: Array) -> Array:
    """Return the mean error by hour and five minutes, (12, 12); NaN for cells without pictures."""
    cell = (y // 60) * (60 // BIN) + y % 60 // BIN
    n_cells = 12 * 60 // BIN
    sums = np.bincount(cell, error, minlength=n_cells)
    counts = np.bincount(cell, minlength=n_cells)
    means: Array = np.divide(sums, counts, out=np.full(n_cells, np.nan), where=counts > 0)
    return means.reshape(12, -1)


def _worst(x: Array, y: Array, predicted: Array, error: Array) -> Figure:
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    figure.suptitle("The worst readings of the validation pictures")
    for place, (i, words) in enumerate(_worst_of(y, predicted, error)):
        axes = figure.add_subplot(2, WORST // 2, place + 1)
        axes.imshow(_pixels(x[i]), cmap="gray")
        axes.set_title(words, fontsize=9)
        axes.set_axis_off()
    return figure


def _worst_of(y: Array, predicted: Array, error: Array) -> list[tuple[int, str]]:
    """Return the worst readings, the very worst first, as (index, caption)."""
    return [
        (int(i), f"{time_of(y[i])}, read as {time_of(predicted[i])}\n{error[i]} minutes")
        for i in np.argsort(-error, kind="stable")[:WORST]
    ]


def _pixels(picture: Array) -> Image.Image:
    scaled = picture if picture.max() > 1 else (picture * 255).round().astype(np.uint8)
    return Image.fromarray(scaled[..., 0])


def _data_url(picture: Image.Image) -> str:
    """Return a picture as a `data:` URL."""
    file = io.BytesIO()
    picture.save(file, "PNG")
    return f"data:image/png;base64,{base64.b64encode(file.getvalue()).decode()}"


def _errors(y: Array, error: Array) -> Figure:
    figure = Figure(figsize=(10, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    left.scatter(y / 60, error, s=4)
    left.set(xlabel="true time (hours)", ylabel="common-sense error (minutes)", xlim=(0, 12))
    cells = right.imshow(
        heat_map(y, error), aspect="auto", extent=(0, 60, 12, 0), interpolation="nearest"
    )
    right.set(xlabel="minute", ylabel="hour")
    figure.colorbar(cells, ax=right, label="mean error (minutes)")
    return figure
