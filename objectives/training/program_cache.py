"""The programs of this process, and the data set that is on its device."""

from collections import OrderedDict
from collections.abc import Callable, Hashable

import keras

from objectives.data.datasets import Dataset
from objectives.training.lanes import DeviceArrays
from objectives.training.program import Program


class ProgramCache:
    """The programs used last, by structure, and the data set on the device.

    Args:
        size: The number of programs kept; the least recently used one is dropped first.

    Attributes:
        built: How many programs have been built so far.
    """

    def __init__(self, size: int = 8) -> None:
        self.built = 0
        self._size = size
        self._programs: OrderedDict[Hashable, Program] = OrderedDict()
        self._data: Dataset | None = None
        self._arrays: DeviceArrays = ()

    def get(self, structure: Hashable, build: Callable[[], Program]) -> Program:
        """Return the program of a structure; build it first if it is not in the cache."""
        if structure not in self._programs:
            self._programs[structure] = build()
            self.built += 1
        self._programs.move_to_end(structure)
        while len(self._programs) > self._size:
            self._programs.popitem(last=False)
        return self._programs[structure]

    def place(self, data: Dataset) -> DeviceArrays:
        """Return a data set's arrays on the device; copy them only if another set was there."""
        if self._data is not data:
            arrays = data.train, data.validation
            self._arrays = keras.tree.map_structure(keras.ops.convert_to_tensor, arrays)
            self._data = data
        return self._arrays
