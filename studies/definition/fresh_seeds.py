"""The range of seeds that no search uses, so that a confirmation has seeds that chose nothing."""

from __future__ import annotations

from studies.definition.study import StudyDefinition
from studies.errors import DefinitionError
from studies.space.parse_space import SEED

FRESH_SEEDS = 1_000_000_000  # the first one; all fit the 32 bits, with a sign, of every backend
LARGEST_START = 900_000_000  # 1000 replicates of 100,000 points, which a study has at most, follow


def check_searched_seeds(definition: StudyDefinition, *, always: bool = False) -> None:
    """Check that a search has no seed of the range that confirmations take theirs from.

    Args:
        definition: The study.
        always: Whether to check a study of known settings too, which chooses none of them.

    Raises:
        DefinitionError: It may have one.
    """
    if definition.search.design == "settings" and not always:
        return
    why = f"hpo confirm takes fresh seeds, those from {FRESH_SEEDS:,} on, which no search may use"
    if definition.search.seed >= LARGEST_START:
        raise DefinitionError(
            "search.seed",
            f"Expected a seed below {LARGEST_START:,}, since its replicates count on from it: "
            f"{why}. Received: seed={definition.search.seed}.",
        )
    given = definition.factors.fixed.get(SEED)
    values = [given] if given is not None else definition.factors.values_of(SEED)
    table = "fixed" if given is not None else "space"
    for seed in values:
        if int(seed) >= FRESH_SEEDS:
            raise DefinitionError(
                f"{table}.{SEED}",
                f"Expected a seed below {FRESH_SEEDS:,}: {why}. Received: seed={seed}.",
            )
