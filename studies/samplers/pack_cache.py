"""What the TPE samplers of one pack compute once and share."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from optuna.trial import FrozenTrial

if TYPE_CHECKING:
    from studies.samplers.parzen import ArrayParzenEstimator


@dataclass
class Fit:
    """The finished trials in one search space, with the running ones that were converted so far.

    Attributes:
        names: The sampled parameters, then the fixed ones.
        good: The density of the good trials.
        numbers: The numbers of the other trials, in order.
        others: The parameters of the other trials: shape (trials, names).
        running: Number -> a running trial and its parameters, None if it lacks one of the names.
    """

    names: tuple[str, ...]
    good: ArrayParzenEstimator
    numbers: np.ndarray
    others: np.ndarray
    running: dict[int, tuple[FrozenTrial, list[float] | None]] = field(default_factory=dict)


@dataclass
class PackCache:
    """The finished trials of a study and what was fitted to them, each computed when needed.

    Attributes:
        finished: The trials that are complete or pruned.
        halves: Those divided into the good ones and the others.
        fits: The fits, by the search space.
    """

    finished: list[FrozenTrial] | None = None
    halves: tuple[list[FrozenTrial], list[FrozenTrial]] | None = None
    fits: dict[tuple[object, ...], Fit] = field(default_factory=dict)
