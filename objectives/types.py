"""The types that several folders of this package share."""

from collections.abc import Callable
from typing import Any, Literal

import numpy as np

Array = np.ndarray[Any, Any]
Direction = Literal["maximize", "minimize"]
Labels = Literal["class", "minute"]
"""What labels are: classes from 0, or minutes of the dial from 0 to 719."""
Progress = Callable[[int, int], None]
"""Takes how many more pictures are rendered, and how many there will be in all."""
