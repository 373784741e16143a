"""The published orthogonal arrays that pyDOE ships, each checked when it is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import distribution
from itertools import combinations
from pathlib import Path

Column = tuple[int, ...]  # the number of a level, from 0, for each run

# In the order of their runs. pyDOE's L_64_2_31 is not of strength 2: in 59 pairs of its columns
# some pairs of levels come more often than others. L_64_4_21 has 63 columns of two levels instead.
FILES = (
    "L_4_2_3",
    "L_8_2_7",
    "L_9_3_4",
    "L_12_2_11",
    "L_16_4_5",
    "L_16_2_15",
    "L_18_6_1_3_6",
    "L_25_5_6",
    "L_27_2_1_3_12",  # has 13 columns of three levels
    "L_32_2_31",
    "L_32_2_1_4_9",
    "L_36_3_23",  # has 11 columns of two levels and 12 of three
    "L_50_2_1_5_11",
    "L_54_2_1_3_25",
    "L_64_4_21",
    "L_81_3_40",
)
# To import pyDOE takes as long as all else that a command does, since it needs much of SciPy.
FOLDER = Path("pydoe", "taguchi", "orthogonal_arrays")


@dataclass(frozen=True)
class Table:
    """An orthogonal array of strength 2.

    Attributes:
        name: Its runs, and how many columns it has of each number of levels: `L18(3^6 6^1)`.
        columns: Its columns.
    """

    name: str
    columns: tuple[Column, ...]

    @property
    def n_runs(self) -> int:
        """The number of rows."""
        return len(self.columns[0])


@cache
def table(file: str) -> Table:
    """Read one of the arrays `FILES`.

    Raises:
        RuntimeError: It is not of strength 2.
    """
    path = Path(str(distribution("pydoe").locate_file(FOLDER / f"{file}.oa")))
    rows = [line.split() for line in path.read_text("ascii").splitlines()]
    columns = tuple(_from_zero(column) for column in zip(*rows, strict=True))
    sizes = sorted(Counter(map(n_levels, columns)).items())
    name = f"L{len(rows)}({' '.join(f'{size}^{n}' for size, n in sizes)})"
    check_strength(name, columns)
    return Table(name, columns)


def n_levels(column: Column) -> int:
    """Return the number of levels of a column."""
    return len(set(column))


def check_strength(name: str, columns: Sequence[Column]) -> None:
    """Check that in every two columns each pair of levels comes equally often.

    Raises:
        RuntimeError: In two columns it does not. No setting of a study can bring this about.
    """
    for (i, one), (j, other) in combinations(enumerate(columns), 2):
        pairs = Counter(zip(one, other, strict=True))
        if len(pairs) != n_levels(one) * n_levels(other) or len(set(pairs.values())) > 1:
            raise RuntimeError(
                f"Expected an orthogonal array of strength 2. Received: {name}, whose columns {i} "
                f"and {j} do not have each pair of levels equally often."
            )


def _from_zero(column: Sequence[str]) -> Column:
    place = {level: number for number, level in enumerate(sorted(set(column), key=int))}
    return tuple(place[level] for level in column)
