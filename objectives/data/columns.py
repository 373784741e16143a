"""How the columns of a table become what networks take: numbers standardized, categories one-hot.

It is found from the training part alone, and stored with the study as JSON: the fitted transformers
of scikit-learn could only be kept by pickle, which nothing here reads. A test finds its numbers
equal to those of scikit-learn's ColumnTransformer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from objectives.errors import DataError
from objectives.types import Array

if TYPE_CHECKING:
    import pandas as pd

MOST_CATEGORIES = 100
"""Different texts that a column may have in any case; more, only if half as many as rows."""
FIRST_ROW = 2  # of a CSV file that has the names in its first line


@dataclass(frozen=True)
class Number:
    """A column of numbers.

    Attributes:
        name: Its name.
        filled: What stands for a missing value: the median.
        mean: The mean.
        deviation: The standard deviation; 1 where all numbers are the same.
    """

    name: str
    filled: float
    mean: float
    deviation: float


@dataclass(frozen=True)
class Category:
    """A column of text.

    Attributes:
        name: Its name.
        values: The texts, in order; None where one is missing, which is a category too.
    """

    name: str
    values: Sequence[str | None]


@dataclass(frozen=True)
class Columns:
    """What the inputs of a network are made of.

    Attributes:
        numbers: The columns of numbers, which come first.
        categories: The columns of text.
    """

    numbers: Sequence[Number]
    categories: Sequence[Category]

    @classmethod
    def fit(cls, train: pd.DataFrame) -> Columns:
        """Find how to encode columns.

        Args:
            train: The training part, without what it is to predict.

        Raises:
            DataError: A column is neither numbers nor text, or cannot be told apart.
        """
        numbers: list[Number] = []
        categories: list[Category] = []
        for name in map(str, train.columns):
            column = train[name]
            if is_text(column):
                categories.append(_category(name, column))
            else:
                numbers.append(_number(name, column))
        if not numbers and not categories:
            raise DataError("Expected columns to learn from. Received: none beside the target.")
        return cls(numbers, categories)

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Columns:
        """Return what `to_json` has returned."""
        return cls(
            [Number(**each) for each in stored["numbers"]],
            [Category(**each) for each in stored["categories"]],
        )

    @property
    def names(self) -> list[str]:
        """The names of all columns."""
        return [*(each.name for each in self.numbers), *(each.name for each in self.categories)]

    def to_json(self) -> dict[str, Any]:
        """Return it as it is stored with a study."""
        return asdict(self)

    def encode(self, table: pd.DataFrame) -> Array:
        """Encode the rows of a table.

        Returns:
            The numbers, then for each category whether it is that: (n, inputs), float32.

        Raises:
            DataError: A column is missing, or has text in place of numbers.
        """
        missing = [name for name in self.names if name not in table]
        if missing:
            raise DataError(
                f"Expected the columns that the study was made with. Received: none called "
                f"{', '.join(missing)}."
            )
        parts = [_standardized(number, table[number.name]) for number in self.numbers]
        parts += [part for c in self.categories for part in _one_hot(c, table[c.name])]
        with np.errstate(over="ignore"):  # infinity, which is refused where rows are read
            return np.stack(parts, axis=1).astype(np.float32)


def is_text(column: pd.Series[Any]) -> bool:
    """Tell whether a column is text, and not numbers.

    Raises:
        DataError: It is neither, or numbers with a text among them.
    """
    import pandas as pd

    if pd.api.types.is_numeric_dtype(column.dtype):  # bool too
        return False
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        raise DataError(
            f"Expected numbers or text in column {column.name}. Received: dates. Leave it out: "
            f'drop = ["{column.name}"]; or split by it: time = "{column.name}".'
        )
    there = column.dropna().astype(str)
    parsed = pd.to_numeric(there, errors="coerce")
    n_numbers = int(parsed.notna().sum())
    if 0 < len(there) - n_numbers < n_numbers:
        raise _text_among_numbers(column, parsed)
    return True


def numbers_of(column: pd.Series[Any]) -> Array:
    """Return a column as numbers, float64, NaN where one is missing.

    Raises:
        DataError: It has text.
    """
    import pandas as pd

    parsed = pd.to_numeric(column, errors="coerce")
    if (parsed.isna() & column.notna()).any():
        raise _text_among_numbers(column, parsed)
    found: Array = parsed.to_numpy(np.float64, na_value=np.nan)
    return found


def weights_of(column: pd.Series[Any], part: str) -> Array:
    """Return a column as weights of examples, (n,), float32.

    Args:
        column: What each row counts.
        part: The part that the rows are, for errors.

    Raises:
        DataError: One is missing or below 0, or all are 0.
    """
    values = numbers_of(column)
    is_wrong = ~np.isfinite(values) | (values < 0)
    if is_wrong.any():
        place = column.index[is_wrong][0]
        where = (
            ""
            if part == "test"
            else f" {shown(column.loc[place])} in line {int(place) + FIRST_ROW}"
        )
        raise DataError(
            f"Expected a number from 0 in each row of column {column.name}, the weight. "
            f"Received:{where or ' others in the test part'}."
        )
    if not values.any():
        raise DataError(
            f"Expected rows of a weight above 0 in the {part} part, by column {column.name}. "
            "Received: 0 in each."
        )
    return values.astype(np.float32)


def deviation(values: Array) -> float:
    """Return the standard deviation of numbers, (n,), float64; 1 where all are the same.

    Of many times .1 NumPy's is 1e-17, by rounding, and would make 1e16 of a later .2. So it is
    compared with what rounding can make, by the rule of scikit-learn's `StandardScaler`.
    """
    epsilon, n = float(np.finfo(np.float64).eps), len(values)
    variance, mean = float(values.var()), float(values.mean())
    is_constant = variance <= n * epsilon * variance + (n * mean * epsilon) ** 2
    return 1.0 if is_constant else float(values.std())


def shown(value: Any) -> str:
    """Return a value of a table as an error tells it: text in quotes, none where it is missing."""
    import pandas as pd

    if isinstance(value, str):
        return repr(value)
    return "none" if pd.api.types.is_scalar(value) and pd.isna(value) else str(value)


def _text_among_numbers(column: pd.Series[Any], parsed: pd.Series[Any]) -> DataError:
    place = parsed.index[parsed.isna() & column.loc[parsed.index].notna()][0]
    return DataError(
        f"Expected numbers in column {column.name}. Received: {column.loc[place]!r} in line "
        f"{int(place) + FIRST_ROW}. Mend it, or leave it empty."
    )


def _number(name: str, column: pd.Series[Any]) -> Number:
    values = numbers_of(column)
    if np.isinf(values).any():
        place = int(column.index[np.isinf(values)][0])
        raise DataError(
            f"Expected finite numbers in column {name}. Received: {column.loc[place]} in line "
            f"{place + FIRST_ROW}."
        )
    if np.isnan(values).all():
        raise DataError(
            f"Expected a value of column {name} in the training part. Received: none. "
            f'Leave it out: drop = ["{name}"].'
        )
    filled = float(np.nanmedian(values))
    whole = np.where(np.isnan(values), filled, values)
    return Number(name, filled, float(whole.mean()), deviation(whole))


def _category(name: str, column: pd.Series[Any]) -> Category:
    values = sorted(column.dropna().astype(str).unique())
    if len(values) > max(MOST_CATEGORIES, len(column) / 2):
        raise DataError(
            f"Expected categories in column {name}. Received: {len(values)} different texts in "
            f'{len(column)} rows. Leave it out: drop = ["{name}"].'
        )
    return Category(name, [*values, None] if column.isna().any() else values)


def _standardized(number: Number, column: pd.Series[Any]) -> Array:
    values = numbers_of(column)
    values = np.where(np.isnan(values), number.filled, values)
    standardized: Array = (values - number.mean) / number.deviation
    return standardized


def _one_hot(category: Category, column: pd.Series[Any]) -> list[Array]:
    missing, text = column.isna().to_numpy(), column.astype(str).to_numpy()
    return [missing if value is None else (text == value) & ~missing for value in category.values]
