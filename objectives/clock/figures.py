"""What a network reads well and badly: pictures of a trial, and plots for its study's page."""

from pathlib import Path

import numpy as np
import plotly.graph_objects as go
from matplotlib.figure import Figure

from objectives.clock.measure import common_sense_error, time_of
from objectives.head import Array

WORST = 8
BIN = 5  # minutes of the minute hand that a cell of the heat map holds


def draw(folder: Path, x: Array, y: Array, predicted: Array) -> list[Path]:
    """Draw the eight worst pictures with both times, and the error over the dial.

    Args:
        folder: Where the files go.
        x: Pictures, (n, h, w, 1).
        y: Their times in minutes of the dial, (n,).
        predicted: What was read, likewise.

    Returns:
        The files, PNG.
    """
    predicted = predicted.astype(int)
    error = common_sense_error(y.astype(int), predicted)
    files = {"worst.png": _worst(x, y, predicted, error), "errors.png": _errors(y, error)}
    for name, figure in files.items():
        figure.savefig(folder / name, dpi=100)
    return [folder / name for name in files]


def plots(y: Array, predicted: Array) -> dict[str, str]:
    """Plot the error over the dial, for a browser.

    Args:
        y: Times in minutes of the dial, (n,).
        predicted: What was read, likewise.

    Returns:
        Name -> Plotly's JSON.
    """
    error = common_sense_error(y.astype(int), predicted.astype(int))
    scatter = go.Figure(go.Scattergl(x=y / 60, y=error, mode="markers", marker={"size": 4}))
    scatter.update_layout(
        title="Error of the best trial over the dial (validation)",
        xaxis_title="true time (hours)",
        yaxis_title="common-sense error (minutes)",
    )
    heat = go.Figure(
        go.Heatmap(z=heat_map(y, error), x=np.arange(0, 60, BIN), colorscale="Viridis")
    )
    heat.update_layout(
        title="Mean error of the best trial by hour and minute (validation)",
        xaxis_title="minute",
        yaxis_title="hour",
    )
    return {"clock-errors": str(scatter.to_json()), "clock-heat-map": str(heat.to_json())}


def heat_map(y: Array, error: Array) -> Array:
    """Return the mean error by hour and five minutes, (12, 12); NaN where there is no picture."""
    cell = (y // 60) * (60 // BIN) + y % 60 // BIN
    n_cells = 12 * 60 // BIN
    sums = np.bincount(cell, error, minlength=n_cells)
    counts = np.bincount(cell, minlength=n_cells)
    means: Array = np.divide(sums, counts, out=np.full(n_cells, np.nan), where=counts > 0)
    return means.reshape(12, -1)


def _worst(x: Array, y: Array, predicted: Array, error: Array) -> Figure:
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    figure.suptitle("The worst readings of the validation pictures")
    for place, i in enumerate(np.argsort(-error, kind="stable")[:WORST]):
        axes = figure.add_subplot(2, WORST // 2, place + 1)
        axes.imshow(x[i, ..., 0], cmap="gray")
        words = f"{time_of(y[i])}, read as {time_of(predicted[i])}\n{error[i]} minutes"
        axes.set_title(words, fontsize=9)
        axes.set_axis_off()
    return figure


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
