"""Which clocks a rendered set holds, and where it is kept."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from objectives.cache import cache_folder
from objectives.types import Array

RENDERER_VERSION = 2
"""Raised with every change to the pictures that `objectives.clock.render` draws for a seed."""


@dataclass(frozen=True)
class Rendering:
    """The settings of a rendered set of clocks.

    Attributes:
        size: Height and width of a picture in pixels.
        n_images: The number of pictures, spread evenly over the minutes of the dial.
        seed: The seed of everything random.
        rotation: The largest angle in degrees by which a dial is turned, either way.
    """

    size: int = 75
    n_images: int = 18_000
    seed: int = 0
    rotation: float = 180.0

    @property
    def folder(self) -> Path:
        """The folder of the set, in the user's cache."""
        name = f"v{RENDERER_VERSION}-{self.size}-{self.n_images}-{self.seed}-{self.rotation!r}"
        return cache_folder("clocks") / name

    @property
    def minutes(self) -> Array:
        """The times that the pictures show, in minutes of the dial, (n_images,)."""
        return np.arange(self.n_images) * 720 // self.n_images
