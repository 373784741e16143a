"""One fixed permutation of the pixels of all pictures: what networks learn without neighbours."""

from __future__ import annotations

import numpy as np

from objectives.data.options import DataOptions
from objectives.types import Array


def permutation(seed: int, n_pixels: int) -> Array:
    """Return which pixel stands in each place, (n_pixels,).

    NumPy keeps the numbers of a `RandomState` the same in all of its versions, so that a network of
    today can be given pictures in years.
    """
    return np.random.RandomState(seed).permutation(n_pixels)


def permuted(x: Array, options: DataOptions) -> Array:
    """Return pictures, (n, h, w, c), with their pixels permuted if a study asks for that.

    All parts of a data set, and all channels, are permuted alike.
    """
    if not options.permute_pixels:
        return x
    n, height, width, channels = x.shape
    order = permutation(options.seed, height * width)
    return x.reshape(n, height * width, channels)[:, order].reshape(x.shape)
