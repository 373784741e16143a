"""The design by an orthogonal array: every pair of levels of two factors equally often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from studies.designs.fitting import MOST_LEVELS, Fit, nearest, smallest
from studies.designs.grid import grid
from studies.designs.tables import n_levels
from studies.errors import DefinitionError
from studies.space.factor import Scalar
from studies.space.space import Space, each_once


@dataclass(frozen=True)
class OrthogonalDesign:
    """An orthogonal array in the levels of a space.

    Attributes:
        points: Its runs, in the array's order. An array may have a run more than once.
        array: Its name; None for the grid, where no array is smaller.
        n_grid: The number of points of the grid.
        repeated: Factor -> the level that its column has more often than the others, since it has
            more levels than the factor.
    """

    points: tuple[dict[str, Scalar], ...]
    array: str | None
    n_grid: int
    repeated: Mapping[str, Scalar]

    def to_json(self) -> dict[str, Any]:
        """Return all but the points, as it is stored with the study."""
        return {
            "array": self.array,
            "runs": len(self.points),
            "different": sum(1 for _ in each_once(self.points)),
            "grid": self.n_grid,
            "repeated": dict(self.repeated),
        }


def orthogonal(space: Space, dummy_levels: bool | Mapping[str, Any]) -> OrthogonalDesign:
    """Return the smallest orthogonal array of strength 2 that holds all factors.

    Args:
        space: The search space, without conditions.
        dummy_levels: Whether factors may stand in columns of more levels, which repeat the first
            one of the factor; or, by factor, the level that is repeated.

    Raises:
        DefinitionError: No array holds the factors, or a range has no step.
    """
    sizes = {name: factor.n_levels() for name, factor in space.factors.items()}
    varied = {name: size for name, size in sizes.items() if size > 1}
    fit = None
    if len(varied) > 2:  # of two factors the grid has each pair once
        fit = _fit(space, varied, dummy_levels)
    if fit is None or fit.n_runs >= space.grid_size:
        return OrthogonalDesign(tuple(grid(space)), None, space.grid_size, {})
    levels = {name: list(factor.levels()) for name, factor in space.factors.items()}
    repeated = {
        name: _repeated(space, name, dummy_levels)
        for name, column in fit.columns.items()
        if n_levels(column) > sizes[name]
    }
    for name, level in repeated.items():
        levels[name] += [level] * (n_levels(fit.columns[name]) - sizes[name])
    points = tuple(
        {name: levels[name][fit.columns[name][run] if name in varied else 0] for name in sizes}
        for run in range(fit.n_runs)
    )
    return OrthogonalDesign(points, fit.name, space.grid_size, repeated)


def _repeated(space: Space, name: str, dummy_levels: bool | Mapping[str, Any]) -> Scalar:
    factor = space.factors[name]
    if isinstance(dummy_levels, Mapping):
        return factor.choice_of(dummy_levels[name], f"search.dummy_levels.{name}")
    return factor.levels()[0]


def _fit(space: Space, sizes: Mapping[str, int], dummy_levels: bool | Mapping[str, Any]) -> Fit:
    for name, size in sizes.items():
        if size > MOST_LEVELS:
            raise DefinitionError(
                f"space.{name}",
                f"Expected at most {MOST_LEVELS} levels for an orthogonal array: no array here has "
                f"a column of more. Received: {size}. Take {MOST_LEVELS}, or the design "
                f'"grid" ({space.grid_size:,} points) or "random".',
            )
    allowed = sizes if dummy_levels is True else dummy_levels or ()
    fit = smallest(sizes, frozenset(allowed).intersection(sizes))
    if fit is None:
        raise DefinitionError("space", _no_array(space, sizes))
    return fit


def _no_array(space: Space, sizes: Mapping[str, int]) -> str:
    remedies = []
    if (near := nearest(sizes)) is not None:
        other, fit = near
        remedies.append(f"The nearest sizes that one holds are {in_words(other)}: {fit.name}.")
    with_dummies = smallest(sizes, frozenset(sizes))
    if with_dummies is not None:
        remedies.append(
            f"With dummy_levels = true they fit in {with_dummies.name}, some levels more often "
            "than others."
        )
    remedies.append(f'The design "grid" has {space.grid_size:,} points.')
    return (
        "Expected factors that an orthogonal array holds. Received: "
        f"{in_words(sizes)}. {' '.join(remedies)}"
    )


def in_words(sizes: Mapping[str, int]) -> str:
    """Return numbers of levels as text: `2 factors of 3 levels, 1 of 4`."""
    counts = {n: list(sizes.values()).count(n) for n in sorted(set(sizes.values()))}
    (first, k), *others = counts.items()
    words = f"{k} factor{'s' * (k > 1)} of {first} levels"
    return ", ".join([words, *(f"{k} of {n}" for n, k in others)])
