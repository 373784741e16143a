"""The seeds that known settings get later on, in a study of these alone.

They stand in an attribute of the study, not in its definition: another number of seeds makes no
other study of it, as another number of trials does not.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from studies.attributes import ADDED_SEEDS_KEY


@dataclass(frozen=True)
class AddedSeeds:
    """Seeds that some settings of a study have got at once.

    Attributes:
        settings: The places of these settings in `search.enqueue`, from 0.
        first: The replicate that these seeds begin with: `search.seed` and so many.
        n: How many there are.
    """

    settings: Sequence[int]
    first: int
    n: int


def added_seeds(attributes: Mapping[str, Any]) -> list[AddedSeeds]:
    """Return the seeds that were added to a study, in their order.

    Args:
        attributes: The user attributes of the study.
    """
    return [AddedSeeds(**each) for each in attributes.get(ADDED_SEEDS_KEY, ())]
