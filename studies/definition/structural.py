"""Which factors of a study decide about the structure of its networks, and so their programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from objectives.hyperparameters import Hyperparameters
from studies.space.space import Space


def structural_factors(
    space: Space, kind: type[Hyperparameters], levels: Mapping[str, Sequence[Any]]
) -> Iterator[str]:
    """Yield the factors whose levels need different compiled programs, for a built-in network.

    Args:
        space: The search space.
        kind: The network's hyperparameters.
        levels: Hyperparameter name -> the values that trials can have.
    """
    unset = {**space.defaults, **space.fixed}
    for factor in space.factors.values():
        choices = [factor.hyperparameters(choice) for choice in factor.choices()]
        names = {name for sets in choices for name in sets if name in levels}
        if any(
            kind.needs_programs(name, [sets.get(name, unset.get(name)) for sets in choices], levels)
            for name in names
        ):
            yield factor.name
