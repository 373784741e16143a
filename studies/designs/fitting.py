"""Find the smallest orthogonal array that holds factors, and a column for each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from studies.designs.merging import Part, parts
from studies.designs.tables import FILES, Column, n_levels, table

MOST_LEVELS = 6  # of a column of any array


@dataclass(frozen=True)
class Fit:
    """Factors in an orthogonal array.

    Attributes:
        name: The array's name.
        n_runs: Its runs.
        columns: A column for each factor. One with more levels than its factor has needs dummies.
        n_dummies: How many levels such columns have too many, together.
        n_changed: How many columns are had by splitting or merging.
    """

    name: str
    n_runs: int
    columns: Mapping[str, Column]
    n_dummies: int
    n_changed: int


def smallest(sizes: Mapping[str, int], dummies: frozenset[str] = frozenset()) -> Fit | None:
    """Return the smallest array that holds factors; None if there is none.

    Args:
        sizes: The number of levels of each factor, two or more.
        dummies: The factors that may have a column with more levels than they have.
    """
    best: Fit | None = None
    for file in FILES:
        if best is not None and table(file).n_runs > best.n_runs:
            break
        found = _fit(file, sizes, dummies)
        if found is not None and (best is None or _cost(found) < _cost(best)):
            best = found
    return best


def nearest(sizes: Mapping[str, int]) -> tuple[dict[str, int], Fit] | None:
    """Return the numbers of levels nearest to these that an array holds, and that array.

    Factors that have equally many levels stay so.
    """
    counts = sorted(set(sizes.values()))
    ways = product(range(2, MOST_LEVELS + 1), repeat=len(counts))

    def change(way: Sequence[int]) -> int:
        return sum(abs(way[counts.index(n)] - n) for n in sizes.values())

    for way in sorted(ways, key=change):
        other = {name: way[counts.index(n)] for name, n in sizes.items()}
        found = smallest(other)
        if found is not None:
            return other, found
    return None


def _cost(fit: Fit) -> tuple[int, int, int]:
    return fit.n_runs, fit.n_dummies, fit.n_changed


def _fit(file: str, sizes: Mapping[str, int], dummies: frozenset[str]) -> Fit | None:
    """Give each factor a column, those of most levels first: they can take the fewest."""
    stock = _Stock(parts(file))
    columns: dict[str, Column] = {}
    for name in sorted(sizes, key=lambda name: (-sizes[name], name in dummies)):
        size = sizes[name]
        # With twice as many levels as its factor a column is one of half as many, too.
        enough = range(size, 2 * size) if name in dummies else [size]
        column = next(filter(None, map(stock.take, enough)), None)
        if column is None:
            return None
        columns[name] = column
    array = table(file)
    n_dummies = sum(n_levels(column) - sizes[name] for name, column in columns.items())
    n_changed = sum(column not in array.columns for column in columns.values())
    return Fit(array.name, array.n_runs, {n: columns[n] for n in sizes}, n_dummies, n_changed)


class _Stock:
    """The columns of an array that no factor has yet."""

    def __init__(self, every: Sequence[Part]) -> None:
        # A column that has no pieces first, so that few are taken to pieces.
        self._parts = sorted(every, key=lambda part: (len(part.pieces), part.merged))
        self._pieces: list[Column] = []

    def take(self, size: int) -> Column | None:
        """Return a column with this number of levels; None if there is none left."""
        for part in self._parts:
            if n_levels(part.whole) == size:
                self._parts.remove(part)
                return part.whole
        if not any(n_levels(piece) == size for piece in self._pieces):
            for part in self._parts:
                if any(n_levels(piece) == size for piece in part.pieces):
                    self._parts.remove(part)
                    self._pieces += part.pieces
                    break
        for piece in self._pieces:
            if n_levels(piece) == size:
                self._pieces.remove(piece)
                return piece
        return None
