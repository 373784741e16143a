"""A contact sheet: a sample of pictures of a data set, each with its label."""

import math

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from objectives.data.datasets import Dataset
from objectives.data.sources import source_of
from objectives.types import Array

CELL, CAPTION = 150, 18  # pixels: the least side of a picture, and the height of its label


def contact_sheet(data: Dataset) -> Image.Image:
    """Draw all training pictures of a sample; see `objectives.data.datasets.sample`.

    Returns:
        A picture of mode "RGB".
    """
    n = len(data.x_train)
    columns = max(1, round(math.sqrt(n * 1.5)))
    height, width, _ = data.x_train.shape[1:]
    factor = max(1, round(CELL / max(height, width)))
    cell = (width * factor, height * factor + CAPTION)
    rows = -(-n // columns)
    sheet = Image.new("RGB", (columns * cell[0], rows * cell[1]), "white")
    label_text = source_of(data.name).label_text
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(CAPTION * 0.7)
    for place in range(n):
        left, top = place % columns * cell[0], place // columns * cell[1]
        picture = _picture(data.x_train[place], data.scale).resize(
            (width * factor, height * factor), Image.Resampling.NEAREST
        )
        sheet.paste(picture, (left, top))
        middle = (left + cell[0] / 2, top + cell[1] - CAPTION / 2)
        y = int(data.y_train[place])
        text = str(data.labels[y]) if data.labels else label_text(y)
        pen.text(middle, text, "black", font, anchor="mm")
    return sheet


def _picture(x: Array, scale: float) -> Image.Image:
    pixels = (np.clip(x / scale, 0, 1) * 255).round().astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if x.shape[-1] == 1 else pixels[..., :3])
