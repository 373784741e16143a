"""Which main effects of a design are confounded with which two-factor interactions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from studies.statistics.factorial import Array, Codes, block, two_factor_interactions

LEAST = 1e-6  # a smaller share is rounding
WHOLE = 1 - LEAST


@dataclass(frozen=True)
class Alias:
    """A main effect that cannot be told from an interaction.

    Attributes:
        factor: The factor of the main effect.
        interaction: The two factors of the interaction.
        share: How much of the main effect's contrasts those of the interaction make up: 1 where the
            main effect may be the interaction in full.
    """

    factor: str
    interaction: tuple[str, str]
    share: float

    @property
    def is_whole(self) -> bool:
        """Whether all of the main effect may be the interaction."""
        return self.share >= WHOLE


def aliases(codes: Codes, sizes: Mapping[str, int], factors: Sequence[str]) -> list[Alias]:
    """Return the aliases of main effects in the runs of a design, by factor.

    An interaction's contrasts, less what the main effects of its own factors explain, are compared
    with those of each other main effect: the mean of the squared canonical correlations is the
    share. It is found from the matrix, whatever array that is.

    Args:
        codes: The levels of each run.
        sizes: The number of levels of each factor.
        factors: The factors, two levels or more each.
    """
    own = {name: _basis(block(codes, sizes, (name,)), []) for name in factors}
    found = []
    for pair in two_factor_interactions(factors):
        beside = [own[name] for name in pair]
        product = _basis(block(codes, sizes, pair), beside)
        for name in factors:
            if name in pair or not own[name].size:
                continue
            share = float((product.T @ own[name]).__pow__(2).sum() / own[name].shape[1])
            if share > LEAST:
                found.append(Alias(name, (pair[0], pair[1]), min(share, 1.0)))
    order = {name: place for place, name in enumerate(factors)}
    return sorted(found, key=lambda each: (order[each.factor], -each.share))


def _basis(columns: Array, beside: Sequence[Array]) -> Array:
    """Return an orthonormal basis of columns, less their mean and what is `beside` them."""
    n = len(columns)
    nuisance = np.concatenate([np.full((n, 1), n**-0.5), *beside], axis=1)
    base, _ = np.linalg.qr(nuisance)
    left = columns - base @ (base.T @ columns)
    u, size, _ = np.linalg.svd(left, full_matrices=False)
    return np.asarray(u[:, size > 1e-8 * max(1.0, float(np.linalg.norm(columns)))])
