"""A contact sheet: some pictures of a data set, each with its label."""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from objectives.clock.metrics import time_of
from objectives.data.datasets import Dataset, labels
from objectives.head import Array

CELL, WORDS = 150, 18  # pixels: the least side of a picture, and the height of its label


def contact_sheet(data: Dataset, n: int, seed: int = 0) -> Image.Image:
    """Draw some training pictures of a data set, chosen at random.

    Args:
        data: The data set.
        n: How many, at most.
        seed: Which ones.

    Returns:
        A picture of mode "RGB".
    """
    chosen = np.random.default_rng(seed).permutation(len(data.x_train))[:n]
    columns = max(1, round(math.sqrt(len(chosen) * 1.5)))
    height, width, _ = data.x_train.shape[1:]
    factor = max(1, round(CELL / max(height, width)))
    cell = (width * factor, height * factor + WORDS)
    rows = -(-len(chosen) // columns)
    sheet = Image.new("RGB", (columns * cell[0], rows * cell[1]), "white")
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(WORDS * 0.7)
    for place, i in enumerate(chosen):
        left, top = place % columns * cell[0], place // columns * cell[1]
        picture = _picture(data.x_train[i]).resize(
            (width * factor, height * factor), Image.Resampling.NEAREST
        )
        sheet.paste(picture, (left, top))
        middle = (left + cell[0] / 2, top + cell[1] - WORDS / 2)
        pen.text(middle, label_of(data, int(data.y_train[i])), "black", font, anchor="mm")
    return sheet


def label_of(data: Dataset, y: int) -> str:
    """Return a label in words: a class by its number, a minute of the dial as the time."""
    return time_of(y) if labels(data.name) == "minute" else str(y)


def _picture(x: Array) -> Image.Image:
    pixels = x if x.dtype == np.uint8 else (np.clip(x, 0, 1) * 255).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if x.shape[-1] == 1 else pixels[..., :3])
