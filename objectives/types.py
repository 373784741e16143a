"""The types that several folders of this package share."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

Array = np.ndarray[Any, Any]
Arrays = Any
"""An array, (n, ...), or a dict, list or tuple of such ones: what Keras takes as x and y."""
Batch = tuple[Arrays, ...]
"""x and y, or x, y and the weights of the examples, (n,): some of a data set, or all of it."""
Direction = Literal["maximize", "minimize"]
Labels = Literal["class", "minute"]
"""What labels are: classes from 0, or minutes of the dial from 0 to 719."""
Progress = Callable[[int, int], None]
"""Takes how many more pictures are rendered, and how many there will be in all."""
