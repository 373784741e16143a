"""What `fit` reads of data that come batch by batch, from any batch on.

A trial that goes on from a checkpoint sees the batches that it would have seen. So nothing may
depend on what was read before: the batches of a `PyDataset`, which Keras would shuffle by a random
state that no checkpoint has, are in an order that follows from the seed and the pass alone.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

import keras

from objectives.data.streams import has_hooks, is_function, length
from objectives.training.schedule import epoch_order
from objectives.types import Array


class Passes(keras.utils.PyDataset):  # type: ignore[misc]
    """The batches of a `PyDataset`; of one that ends each pass has an order of its own.

    Args:
        stream: The data.
        seed: The seed of the orders.
        first: The batch to begin with, from 0, counted through all passes.
    """

    num_batches = None  # for Keras: there is no end, and no order but this one

    def __init__(self, stream: Any, seed: int, first: int) -> None:
        super().__init__(stream.workers, stream.use_multiprocessing, stream.max_queue_size)
        self._stream = stream
        self._seed = seed
        self._first = first
        self._known: tuple[int, Array] = (-1, epoch_order(0, seed, 0))  # of the last pass asked for

    def __getitem__(self, i: int) -> Any:
        """Return a batch."""
        n = length(self._stream)
        if n is None:
            return self._stream[self._first + i]
        number, place = divmod(self._first + i, n)
        known = self._known
        if known[0] != number:
            known = self._known = number, epoch_order(n, self._seed, number + 1)
        return self._stream[int(known[1][place])]


def is_ordered(stream: Any) -> bool:
    """Tell whether the trial says which batch comes next: of a `PyDataset` without hooks.

    With hooks, as one that shuffles in `on_epoch_end`, Keras must read it itself.
    """
    return isinstance(stream, keras.utils.PyDataset) and not has_hooks(stream)


def begun(stream: Any, n: int, seed: int) -> Any:
    """Return what `fit` reads to see a stream from its n-th batch on, from 0."""
    if is_function(stream):
        return (batch for batch in islice(stream(), n, None))  # Keras wants a generator
    if is_ordered(stream):
        return Passes(stream, seed, n)
    if n == 0:
        return stream
    return (stream if length(stream) is None else stream.repeat()).skip(n)
