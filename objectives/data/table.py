"""Tables, a row an example: .csv and .parquet files of the user's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from objectives.data import as_stored
from objectives.data.columns import FIRST_ROW, Columns, deviation, is_text, numbers_of, weights_of
from objectives.data.data_source import Examined, Examples, chosen
from objectives.data.encoding import Encoding, classes
from objectives.data.npz import Part
from objectives.data.options import DataOptions
from objectives.data.paths import places
from objectives.data.table_parts import parts_of
from objectives.errors import DataError, unknown_name
from objectives.head import TargetScale
from objectives.types import Array, Arrays, Batch, Labels, Progress

if TYPE_CHECKING:
    import pandas as pd

SUFFIXES = (".csv", ".parquet")


@dataclass(frozen=True)
class Table:
    """A table; see `objectives.data.data_source.DataSource`.

    The rows are parted first, and the columns are encoded by what the training part has.

    Attributes:
        name: The path that a study gives.
        path: Where the file is.
    """

    name: str
    path: Path
    labels: Labels = "class"
    own_options: frozenset[str] = frozenset(
        {"target", "drop", "test_fraction", "group", "time", "split", "weight"}
    )
    _read: dict[str, Any] = field(default_factory=dict, compare=False)

    def check(self, options: DataOptions) -> None:
        """Check that the options name columns of the file, of which the first line is read."""
        if options.permute_pixels:
            raise DataError(
                f"Expected permute_pixels for pictures alone. Received: {self.path.name}, a table, "
                "whose columns have no neighbours."
            )
        columns = _columns_of(self.path)
        if not as_list(options.target):
            raise DataError(
                "Expected [data] target, the column to predict, one of "
                f"{', '.join(columns)}. Received: none."
            )
        for option in ("target", "drop", "group", "time", "split", "weight"):
            value = getattr(options, option)
            for name in as_list(value):
                if name not in columns:
                    what = f"a column of {self.path.name}, for {option}"
                    raise unknown_name(what, name, columns, remedy=_by_commas(columns))
        if options.weight is not None and options.weight in as_list(options.target):
            raise DataError(
                f"Expected another column as weight than as target. Received: {options.weight}."
            )

    def input_shape(self, options: DataOptions) -> None:
        """Return None: only reading the file would tell."""

    def training_size(self, options: DataOptions) -> None:
        """Return None: only reading the file would tell."""

    def prepare(self, options: DataOptions, progress: Progress | None = None) -> None:
        """Do nothing: the file is there."""

    def announcement(self, options: DataOptions) -> str | None:
        """Return nothing; see `DataSource`."""
        return None

    def examine(self, options: DataOptions) -> Examined:
        """Read the file, and fit the columns to its training part; see `DataSource`."""
        _check_names(self.path, _not_inputs(options))
        examples = self.read(options)
        self.check_test(options)
        known = examples.encoding
        if options.folds is not None:  # for rows to predict, by a network that sees all of these
            columns = Columns.fit(self.seen(options).drop(columns=_not_inputs(options)))
            known = replace(known, table=columns.to_json())
        n_judged = min(
            len(
                np.unique(
                    _target(self._frame().iloc[self._rows(options, i)["validation"]], options)
                )
            )
            for i in range(options.folds or 1)
        )
        return Examined(known, examples.x.shape[1:], n_judged)

    def read(
        self, options: DataOptions, encoding: Encoding | None = None, fold: int = 0
    ) -> Examples:
        """Read what a search may see; see `DataSource`. Columns are fitted for each fold."""
        columns = self._columns(options, encoding, fold)
        seen: list[Part] = ["train", "validation"]
        parts = {part: self._batch(part, options, columns, fold) for part in seen}
        whole = options.model_copy(update={"folds": None})  # it is parted already
        found = as_stored.examples(self.name, parts, whole)
        known = replace(found.encoding, table=columns.to_json())
        found = replace(found, encoding=known)
        if encoding is not None and encoding.is_stored:
            return found
        return self._for_built_in(found, None if encoding is None else encoding.labels)

    def sample(self, options: DataOptions, n: int) -> Examples:
        """Read a random part of the rows to train on; see `DataSource`."""
        return chosen(self.read(options), options, n)

    def has_test(self, options: DataOptions) -> bool:
        """Tell whether rows are held out, or said to be of the test part; see `DataSource`."""
        return "test" in self._rows(options)

    def check_test(self, options: DataOptions, train: Batch | None = None) -> None:
        """Compare the test part, if there is one, with the training part; see `DataSource`."""
        if self.has_test(options):
            self.read_test(options)

    def read_test(self, options: DataOptions, encoding: Encoding | None = None) -> Batch:
        """Read the test part; see `DataSource`."""
        whole = options.model_copy(update={"folds": None})
        columns = self._columns(whole, encoding, 0)
        if not self.has_test(options):
            raise DataError(
                f"Expected a test part of {self.name}. Received: none. Make the study with "
                "[data] test_fraction = 0.2, or split."
            )
        parts: list[Part] = ["train", "test"]
        train, test = (self._batch(part, options, columns, 0) for part in parts)
        x, y, *weights = as_stored.holdout(self.name, train, test)
        if encoding is None or encoding.is_stored:
            return x, y, *weights
        return x, _as_trained(y, encoding.labels, f"the test part of {self.name}"), *weights

    def label_text(self, y: int) -> str:
        """Return the label."""
        return str(y)

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Nothing: the digest tells tables apart."""
        return {}

    def _for_built_in(self, found: Examples, labels: Sequence[int | str] | None) -> Examples:
        """Turn labels as they are stored into what built-in networks take.

        Few integers are classes, by their rank; others, and floats, are numbers to tell.
        """
        known, y = replace(found.encoding, is_stored=False), found.y
        if y.ndim > 1:
            raise DataError(
                f"Expected one column as target of a built-in network. Received: {y.shape[1]}. "
                "A network of your own takes several."
            )
        train = y[found.train]
        if known.labels is not None:  # text, which are classes already
            y = y.astype(np.int32)
        elif labels is not None or as_stored.are_classes(train):
            known = replace(known, labels=tuple(labels or np.unique(train).tolist()))
            y = _as_trained(y, known.labels, self.name)
        else:
            y = _as_trained(y, None, self.name)
            train = y[found.train].astype(np.float64)
            scale = TargetScale(float(train.mean()), deviation(train))
            known = replace(known, target=scale)
        if known.labels is not None and len(known.labels) < 2:
            raise DataError(
                f"Expected at least two classes of the target of {self.name}. "
                f"Received: one, {known.labels[0]}."
            )
        return replace(found, y=y, n_classes=len(known.labels or ()), encoding=known)

    def seen(self, options: DataOptions) -> pd.DataFrame:
        """Return the rows that a search may see, as they are in the file."""
        test = self._rows(options).get("test", np.arange(0))
        return self._frame().drop(index=self._frame().index[test])

    def _frame(self) -> pd.DataFrame:
        if "frame" not in self._read:
            self._read["frame"] = read_frame(self.path)
        frame: pd.DataFrame = self._read["frame"]
        return frame

    def _rows(self, options: DataOptions, fold: int = 0) -> Mapping[Part, Array]:
        key = f"rows {fold}"
        if key not in self._read:
            frame = self._frame()
            y = _target(frame, options)
            self._read[key] = parts_of(frame, y, options, fold)
        rows: Mapping[Part, Array] = self._read[key]
        return rows

    def _columns(self, options: DataOptions, encoding: Encoding | None, fold: int) -> Columns:
        if encoding is not None and encoding.table is not None and options.folds is None:
            return Columns.from_json(encoding.table)
        train = self._frame().iloc[self._rows(options, fold)["train"]]
        return Columns.fit(train.drop(columns=_not_inputs(options)))

    def _batch(self, part: Part, options: DataOptions, columns: Columns, fold: int) -> Batch:
        rows = self._frame().iloc[self._rows(options, fold)[part]]
        batch = columns.encode(rows), _target(rows, options)
        if options.weight is None:
            return batch
        return *batch, weights_of(rows[options.weight], part)


def find_table(path: str) -> Table | None:
    """Return the table of a path; None if there is none."""
    if Path(path).suffix.lower() not in SUFFIXES:
        return None
    found = next((place for place in places(path) if place.is_file()), None)
    return None if found is None else Table(path, found)


def read_frame(file: Path) -> pd.DataFrame:
    """Read a file of rows.

    Raises:
        DataError: It cannot be read, or has no row.
    """
    import pandas as pd

    try:
        frame = pd.read_csv(file) if file.suffix.lower() == ".csv" else pd.read_parquet(file)
    except (ValueError, OSError) as error:  # of pandas and of pyarrow
        raise _no_table(file, error) from None
    if not len(frame):
        raise DataError(f"Expected rows in {file}. Received: none.")
    frame.columns = frame.columns.map(str)
    return frame.reset_index(drop=True)


def _as_trained(y: Array, labels: Sequence[int | str] | None, where: str) -> Array:
    """Return classes of the labels, int32; without labels the numbers, float32."""
    if labels is None:
        return y.astype(np.float32)
    is_class = all(isinstance(label, str) for label in labels)  # text is one by now
    return y.astype(np.int32) if is_class else classes(y, labels, where)


def _columns_of(file: Path) -> list[str]:
    if file.suffix.lower() == ".parquet":
        return list(map(str, read_frame(file).columns))
    import pandas as pd

    try:
        return list(map(str, pd.read_csv(file, nrows=0).columns))
    except (ValueError, OSError) as error:
        raise _no_table(file, error) from None


def _no_table(file: Path, error: ValueError | OSError) -> DataError:
    reason = str(error).strip().partition("\n")[0].rstrip(".")
    remedy = " Save it in UTF-8." if isinstance(error, UnicodeDecodeError) else ""
    return DataError(f"Expected a table in {file}. Received: {reason}.{remedy}")


def _by_commas(columns: Sequence[str]) -> str:
    """Return what helps where other signs than commas part the columns."""
    others = [sign for sign in (";", "\t", "|") if len(columns) == 1 and sign in columns[0]]
    return f"Separate the columns by commas, not by {others[0]!r}." if others else ""


def _check_names(file: Path, known: Sequence[str]) -> None:
    """Check that each column has a name of its own, which pandas makes up else, as for an index.

    Args:
        file: The table.
        known: Columns that options name, by names made up too.

    Raises:
        DataError: One that no option names has no name of its own.
    """
    import pandas as pd

    names = columns = _columns_of(file)
    if is_csv := file.suffix.lower() == ".csv":
        line = pd.read_csv(file, header=None, nrows=1, dtype=str, keep_default_na=False)
        names = line.iloc[0].tolist()
    others = [i for i, name in enumerate(columns) if name not in known]
    again = [i for i in others if names[i] and names[i] in names[:i]]
    if again:
        raise DataError(
            f"Expected columns of different names in {file}. Received: "
            f"{', '.join(sorted({names[i] for i in again}))}, more than once. Rename them, or "
            f"leave them out: drop = {_as_toml(columns[i] for i in again)}."
        )
    nameless = [i for i in others if not names[i]]
    if nameless:
        numbers = ", ".join(str(i + 1) for i in nameless)
        raise DataError(
            f"Expected a name for each column of {file}. Received: none for column {numbers}"
            f"{', as where pandas has written the index' if is_csv else ''}. "
            f"Leave it out: drop = {_as_toml(columns[i] for i in nameless)}."
        )


def _as_toml(names: Iterable[str]) -> str:
    return json.dumps(list(names), ensure_ascii=False)


def as_list(value: str | Sequence[str] | None) -> list[str]:
    """Return the names of an option that may be one, several or none."""
    return [] if value is None else [value] if isinstance(value, str) else list(value)


def _not_inputs(options: DataOptions) -> list[str]:
    """Return the columns that a network does not see."""
    named = [*as_list(options.target), *as_list(options.drop)]
    others = options.group, options.time, options.split, options.weight
    named += [name for name in others if name is not None]
    return list(dict.fromkeys(named))


def _target(rows: pd.DataFrame, options: DataOptions) -> Arrays:
    """Return what is to be predicted: text or integers, (n,), or numbers, (n,) or (n, columns).

    Raises:
        DataError: A row has none.
    """
    names = as_list(options.target)
    for name in names:
        is_number = rows[name].dtype.kind == "f"
        if is_number and (infinite := np.isinf(rows[name])).any():
            line = int(rows.index[infinite][0]) + FIRST_ROW
            raise DataError(
                f"Expected finite numbers in column {name}, the target. Received: "
                f"{rows[name][infinite].iloc[0]} in line {line}."
            )
        if rows[name].isna().any():
            line = int(rows.index[rows[name].isna()][0]) + FIRST_ROW
            raise DataError(
                f"Expected a value of {name} in each row. Received: none in line {line}. "
                "Leave such rows out."
            )
    if isinstance(options.target, str):
        column = rows[options.target]
        if is_text(column):
            return column.astype(str).to_numpy(np.str_)
        is_whole = column.dtype.kind in "iub"
        return column.to_numpy() if is_whole else numbers_of(column)
    return np.stack([numbers_of(rows[name]) for name in names], axis=1)
