"""Columns of an orthogonal array that can be had whole or in pieces, as textbooks do.

Three columns of two levels that form a line, (A, B, AxB), are one column of four levels: of four
runs with one pair of levels in A and B all have the same level in AxB, so that the pair says all.
The other way round a column of four levels is three of two, and one of six is one of two and one of
three. Strength 2 stays, since what takes the place of columns depends on these alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import combinations

from studies.designs.tables import Column, Table, check_strength, n_levels, table


@dataclass(frozen=True)
class Part:
    """A column of an array, and the columns that may stand in its place.

    Attributes:
        whole: The column.
        pieces: The columns that may stand in its place, together; none for most sizes.
        merged: Whether it is the pieces that the array has, not the whole.
    """

    whole: Column
    pieces: tuple[Column, ...] = ()
    merged: bool = False


@cache
def parts(file: str) -> tuple[Part, ...]:
    """Return the columns of one of the arrays `FILES`, each whole and in pieces.

    Raises:
        RuntimeError: Some pieces, or wholes, are not of strength 2 with the rest.
    """
    array = table(file)
    lines = _disjoint_lines(array)
    in_lines = {column for line in lines for column in line}
    found = [
        *(Part(column, _pieces(column)) for column in array.columns if column not in in_lines),
        *(Part(_four(*line[:2]), line, merged=True) for line in lines),
    ]
    check_strength(f"{array.name} in wholes", [part.whole for part in found])
    pieces = [column for part in found for column in part.pieces or [part.whole]]
    check_strength(f"{array.name} in pieces", pieces)
    return tuple(found)


def _four(a: Column, b: Column) -> Column:
    return tuple(2 * x + y for x, y in zip(a, b, strict=True))


def _pieces(column: Column) -> tuple[Column, ...]:
    ways: list[tuple[int, ...]] = []
    if n_levels(column) == 4:
        ways = [(0, 0, 1, 1), (0, 1, 0, 1), (0, 1, 1, 0)]
    elif n_levels(column) == 6:
        ways = [(0, 0, 0, 1, 1, 1), (0, 1, 2, 0, 1, 2)]
    return tuple(tuple(way[level] for level in column) for way in ways)


def _disjoint_lines(array: Table) -> list[tuple[Column, ...]]:
    """Return as many lines as can be had of an array's columns of two levels, none sharing one."""
    twos = [column for column in array.columns if n_levels(column) == 2]
    through: dict[int, list[tuple[int, ...]]] = {place: [] for place in range(len(twos))}
    for line in _lines(twos):
        for place in line:
            through[place].append(line)
    if not any(through.values()):
        return []
    # The columns are the points of a projective space over two elements: 2^m - 1 points, of which
    # lines cover all if m is even, and all but four at best if m is odd.
    n = len(twos)
    most = n // 3 if n % 3 == 0 else (n - 4) // 3
    chosen = next(_search(frozenset(through), through, most, n - 3 * most))
    return [tuple(twos[place] for place in line) for line in chosen]


def _lines(twos: Sequence[Column]) -> Iterator[tuple[int, ...]]:
    for line in combinations(range(len(twos)), 3):
        if len(set(zip(*(twos[place] for place in line), strict=True))) == 4:
            yield line


def _search(
    free: frozenset[int],
    through: dict[int, list[tuple[int, ...]]],
    wanted: int,
    spare: int,
) -> Iterator[list[tuple[int, ...]]]:
    """Yield ways to choose `wanted` lines of the `free` columns, leaving out `spare` columns."""
    if not wanted:
        yield []
        return
    first = min(free)
    for line in through[first]:
        if free.issuperset(line):
            for others in _search(free.difference(line), through, wanted - 1, spare):
                yield [line, *others]
    if spare:
        yield from _search(free - {first}, through, wanted, spare - 1)
