"""Compile without optimizing what runs only once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keras

_FLAG = "jax_disable_most_optimizations"


@contextmanager
def compiled_quickly() -> Iterator[None]:
    """Compile on JAX without optimizing, such as what draws the first weights of a network.

    That takes no time to run, and two to three seconds to optimize for each shape of a weight.
    """
    if keras.backend.backend() != "jax":
        yield
        return
    import jax

    before = jax.config.read(_FLAG)
    jax.config.update(_FLAG, True)
    try:
        yield
    finally:
        jax.config.update(_FLAG, before)
