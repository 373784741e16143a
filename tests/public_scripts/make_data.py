"""Write the table and the pictures that studies beside this file read: `python make_data.py`."""

from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image


def make(folder: Path, rows=1200, pictures=400):
    """Write `houses.csv`, and the folder `birds` of two classes."""
    rng = np.random.default_rng(0)
    area = rng.normal(80, 20, rows)
    columns = {
        "price": area * 2 + rng.normal(0, 5, rows),
        "area": area,
        "rooms": rng.integers(1, 7, rows),
        "town": rng.choice(["Aa", "Bb"], rows),
        "street": rng.integers(0, rows // 4, rows),
        "kind": np.where(area + rng.normal(0, 5, rows) > 80, "house", "flat"),
    }
    folder.mkdir(parents=True, exist_ok=True)
    pd.DataFrame(columns).to_csv(folder / "houses.csv", index=False)
    for i in range(pictures):
        place = folder / "birds" / ("owl" if i % 2 else "jay")
        place.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 200, (20, 20, 3)) + (i % 2) * np.array([50, 0, 0])
        Image.fromarray(pixels.astype(np.uint8)).save(place / f"{i}.png")


if __name__ == "__main__":
    make(Path(__file__).parent / "data")
