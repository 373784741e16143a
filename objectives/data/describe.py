"""Tell what a data set has, before anything is trained on it; nothing is read of the test part."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from objectives.data import datasets
from objectives.data.arrays import count, named
from objectives.data.as_stored import are_classes
from objectives.data.columns import is_text
from objectives.data.datasets import Dataset
from objectives.data.encoding import AS_STORED
from objectives.data.options import DataOptions
from objectives.data.sources import source_of
from objectives.data.table import Table
from objectives.types import Array, Arrays


@dataclass(frozen=True)
class Described:
    """Inputs, or labels, of a data set.

    Attributes:
        name: What they are, such as "inputs['title']" or a column of a table.
        form: Their shape and type, or what a column holds.
        values: Their range; of a column of text how many texts.
        missing: The rows without a value.
    """

    name: str
    form: str
    values: str
    missing: int


@dataclass(frozen=True)
class Description:
    """What a data set has.

    Attributes:
        n_train: Examples to train on.
        n_validation: Examples to validate on.
        parts: Inputs and labels, or the columns of a table.
        classes: Label -> its examples to train and to validate on; none where they are no classes.
    """

    n_train: int
    n_validation: int
    parts: Sequence[Described]
    classes: Mapping[str, tuple[int, int]]


def describe(name: str, options: DataOptions) -> Description:
    """Read what a search may see of a data set, and describe it.

    Raises:
        ObjectiveError: As `datasets.load`.
    """
    data = datasets.load(name, options, AS_STORED)
    source = source_of(name)
    parts = _columns(source, options) if isinstance(source, Table) else _arrays(data)
    n_validation = count(data.x_validation)
    return Description(data.n_train, n_validation, parts, _classes(data))


def _arrays(data: Dataset) -> list[Described]:
    found = []
    for word, arrays in (("inputs", data.x_train), ("labels", data.y_train)):
        for name, array in named(arrays).items():
            shape = ", ".join(["n", *map(str, array.shape[1:])])
            form = f"({shape}) {array.dtype}"
            found.append(Described(f"{word}{name}", form, _range(array), 0))
    return found


def _columns(table: Table, options: DataOptions) -> list[Described]:
    found = []
    for name, column in table.seen(options).items():
        there = column.dropna()
        missing = int(column.isna().sum())
        if not len(there):
            found.append(Described(str(name), "empty", "", missing))
        elif column.dtype.kind not in "iufbM" and is_text(column):
            found.append(Described(str(name), "text", f"{there.nunique()} different", missing))
        else:
            values = f"{there.min():g} to {there.max():g}" if there.dtype.kind in "iuf" else ""
            found.append(Described(str(name), str(column.dtype), values, missing))
    return found


def _classes(data: Dataset) -> dict[str, tuple[int, int]]:
    parts = data.y_train, data.y_validation
    if not _is_classes(parts[0]):
        return {}
    names = sorted({*np.unique(parts[0]).tolist(), *np.unique(parts[1]).tolist()})
    return {
        str(data.labels[name] if data.labels else name): (
            int((parts[0] == name).sum()),
            int((parts[1] == name).sum()),
        )
        for name in names
    }


def _is_classes(y: Arrays) -> bool:
    return isinstance(y, np.ndarray) and are_classes(y)


def _range(array: Array) -> str:
    return f"{array.min():g} to {array.max():g}" if array.dtype.kind in "iuf" else ""
