"""The seeds of samplers."""

from __future__ import annotations

import numpy as np


def seed_for(seed: int, *numbers: int) -> int:
    """Return a seed of 32 bits that is a function of a study's seed and a trial's number.

    Args:
        seed: The seed of the study.
        numbers: The number of the trial; of a slot, those of its round and of its place.
    """
    return int(np.random.SeedSequence([seed, *numbers]).generate_state(1)[0])
