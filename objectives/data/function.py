"""Data sets that a function of the user's returns: `my_net.py:load` or `package.module:load`.

The function is called where data are read, in the child that trains, and only where its code is
trusted. It returns a dict of `train`, and of `validation` and `test` where there are such parts.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from inspect import isgenerator
from pathlib import Path
from typing import Any

import numpy as np

from objectives.code import source_code
from objectives.code.find_function import find_function, find_object
from objectives.code.raised import ExitsRaised, raised
from objectives.data import as_stored
from objectives.data.archives import Archive
from objectives.data.arrays import each
from objectives.data.data_source import Examples
from objectives.data.encoding import Encoding
from objectives.data.npz import Part
from objectives.data.options import DEFAULT, DataOptions
from objectives.data.streams import Streams, first_batch, is_stream, whole
from objectives.errors import DataError, ObjectiveError
from objectives.types import Batch, Progress

SEEN: tuple[Part, ...] = ("train", "validation")
PARTS = ("train", "validation", "test")
RULE = (
    "Expected a dict of train, and of validation and test where there are such parts, each (x, y) "
    "or (x, y, sample_weight)"
)


@dataclass(frozen=True)
class DataFunction(Archive):
    """What a user's function returns; it is called once.

    Its arguments are the lines of `[data]` that are no options of every data set.
    """

    own_options: frozenset[str] = frozenset({"arguments"})
    _returned: dict[str, Any] = field(default_factory=dict, compare=False)

    def check(self, options: DataOptions) -> None:
        """Check that the function is there; its code is not executed."""
        source_code.find(self.name, Path.cwd())

    def input_shape(self, options: DataOptions) -> None:
        """Return None: only calling the function would tell."""

    def training_size(self, options: DataOptions) -> None:
        """Return None: only calling the function would tell."""

    def prepare(self, options: DataOptions, progress: Progress | None = None) -> None:
        """Do nothing: the function itself fetches what it needs."""

    def read(
        self, options: DataOptions, encoding: Encoding | None = None, fold: int = 0
    ) -> Examples:
        """Read what a search may see; of what comes batch by batch, the first batches."""
        found = self._parts(options)
        if not any(is_stream(part) for part in found.values()):
            return super().read(options, encoding, fold)
        if encoding is None or not encoding.is_stored:
            raise DataError(
                f"Expected arrays from {self.name} for a built-in network. Received: data that "
                "come batch by batch, which only a network of your own takes."
            )
        if options.folds is not None:
            raise DataError(
                f"Expected no folds for data that come batch by batch, as those of {self.name}. "
                f"Received: folds={options.folds}."
            )
        streams = [found.get(part) for part in ("train", "validation")]
        if not all(map(is_stream, streams)):
            raise DataError(
                f"Expected train and validation from {self.name} that both come batch by batch. "
                "Received: only one of them. Nothing is split off such data."
            )
        batches = {part: first_batch(f"{part} of {self.name}", found[part]) for part in SEEN}
        first = as_stored.examples(self.name, batches, DEFAULT)
        return replace(first, streams=Streams(*streams))

    def has(self, part: Part, options: DataOptions) -> bool:
        """Tell whether the function returns such a part; see `Archive`."""
        return part in self._parts(options)

    def stored(self, part: Part, options: DataOptions) -> Batch:
        """Return one part; see `Archive`."""
        found = self._parts(options)
        if part not in found:
            raise DataError(
                f"Expected the part {part} of {self.name}. "
                f"Received: only {', '.join(found)}. Let the function return it."
            )
        given = found[part]
        if part == "test" and callable(given) and not is_stream(given):
            given = self._call(given, {})
        if is_stream(given):  # the first batch tells whether another part fits it
            where = f"{part} of {self.name}"
            return whole(where, given) if part == "test" else first_batch(where, given)
        return _batch(f"{part} of {self.name}", given)

    def _parts(self, options: DataOptions) -> Mapping[str, Any]:
        if not self._returned:
            try:
                function = find_function(self.name)
            except TypeError:
                kind = type(find_object(self.name)).__name__
                raise DataError(
                    f"Expected a function that returns data. Received: {self.name}, of type {kind}."
                ) from None
            returned = self._call(function, options.arguments)
            if not isinstance(returned, Mapping) or "train" not in returned:
                shown = f"a dict of {', '.join(map(str, returned))}." if returned else "nothing."
                shown = shown if isinstance(returned, Mapping) else _shown(returned)
                raise DataError(f"{RULE}, from {self.name}. Received: {shown}")
            unknown = [str(name) for name in returned if name not in PARTS]
            if unknown:
                raise DataError(f"{RULE}, from {self.name}. Received: {', '.join(unknown)}, too.")
            for part, given in returned.items():
                if isgenerator(given):
                    raise DataError(
                        f"Expected the function that makes a generator, as {part} of {self.name}: "
                        "each trial reads the data anew. Received: a generator. Return the "
                        "function, without calling it."
                    )
            self._returned.update(returned)
        return self._returned

    def _call(self, function: Any, arguments: Mapping[str, Any]) -> Any:
        try:
            with ExitsRaised():
                return function(**arguments)
        except ObjectiveError:
            raise
        except Exception as error:
            remedy = " Its arguments are the lines of [data]." if _is_of_call(error) else ""
            raise DataError(
                f"Expected a function that returns data, {self.name}. "
                f"Received: {raised(function, error)}.{remedy}"
            ) from error


def _is_of_call(error: Exception) -> bool:
    """Tell whether the arguments did not fit a function, so that no line of it was run."""
    place = error.__traceback__
    has_begun = place is not None and place.tb_next is not None
    return isinstance(error, TypeError) and "argument" in str(error) and not has_begun


def _batch(where: str, given: Any) -> Batch:
    """Return what a part is as a batch of NumPy's arrays.

    Raises:
        DataError: It is something else.
    """
    if not isinstance(given, tuple | list) or not 1 <= len(given) <= 3:
        raise DataError(f"{RULE}, as {where}. Received: {_shown(given)}")
    parts = [part for part in given if part is not None]
    if isinstance(given[0], int | float) or not parts or given[0] is None:
        raise DataError(f"{RULE}, as {where}. Received: {_shown(given)}")
    return tuple(each(_array, part) for part in map(_without_lists, parts))


def _array(part: Any) -> Any:
    array = np.asarray(part)
    # Text of pandas and of lists is objects.
    if array.dtype == object and array.size and all(isinstance(one, str) for one in array.flat):
        return array.astype(np.str_)
    return array


def _without_lists(part: Any) -> Any:
    """Turn a list of numbers or text, or of such lists, into an array: others are nested arrays."""
    inner = part
    while isinstance(inner, list) and inner:
        inner = inner[0]
    is_of_arrays = hasattr(inner, "shape") or isinstance(inner, dict | tuple)
    if isinstance(part, list) and (not is_of_arrays or isinstance(inner, np.generic)):
        return np.asarray(part)
    if isinstance(part, dict):
        return {name: _without_lists(value) for name, value in part.items()}
    return part


def _shown(thing: Any) -> str:
    if isinstance(thing, tuple | list):
        return f"{type(thing).__name__} of {len(thing)}."
    return "None. Is a `return` missing?" if thing is None else f"{type(thing).__name__}."
