"""How lanes are moved: single lanes in and out of stacked arrays, on JAX.

An accelerator's arrays stay where they are, and JAX compiles each movement once for each number of
lanes. On a CPU NumPy does the same without any program to compile, in the memory that JAX uses.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import jax
import jax.numpy as jnp
import numpy as np

from objectives.types import Array

Stacked = list[Any]
"""Arrays of (lanes, ...), of JAX or of NumPy."""


class Movements(Protocol):
    """What can be done to stacked arrays. Those given are not used any more, but by `pick`."""

    def put(
        self, stacked: Stacked, lanes: Sequence[int], states: Sequence[Sequence[Array]]
    ) -> Stacked:
        """Set lanes to states, one for each."""

    def pick(self, stacked: Stacked, lane: int) -> list[Array]:
        """Return a copy of a lane."""

    def take(self, stacked: Stacked, lanes: Array) -> Stacked:
        """Return these lanes only, in this order."""

    def keep(self, kept: Stacked, new: Stacked, chosen: Array) -> Stacked:
        """Return the new values of the chosen lanes, (lanes,), and the kept ones of the others."""


class HostMovements:
    """Movements on a CPU."""

    def put(
        self, stacked: Stacked, lanes: Sequence[int], states: Sequence[Sequence[Array]]
    ) -> Stacked:
        """Set lanes; see `Movements`."""
        arrays = [np.array(each) for each in stacked]
        for lane, state in zip(lanes, states, strict=True):
            for array, value in zip(arrays, state, strict=True):
                array[lane] = value
        return _to_jax(arrays)

    def pick(self, stacked: Stacked, lane: int) -> list[Array]:
        """Return a copy of a lane; see `Movements`."""
        return [np.array(np.asarray(each)[lane]) for each in stacked]

    def take(self, stacked: Stacked, lanes: Array) -> Stacked:
        """Return these lanes; see `Movements`."""
        return _to_jax([np.asarray(each)[lanes] for each in stacked])

    def keep(self, kept: Stacked, new: Stacked, chosen: Array) -> Stacked:
        """Return the new values of chosen lanes; see `Movements`."""
        pairs = zip(map(np.asarray, kept), map(np.asarray, new), strict=True)
        return _to_jax([np.where(_beside(chosen, value), value, old) for old, value in pairs])


class DeviceMovements:
    """Movements on an accelerator."""

    def __init__(self) -> None:
        self._put = jax.jit(_put, donate_argnums=0)
        self._pick = jax.jit(lambda stacked, lane: [each[lane] for each in stacked])
        self._take = jax.jit(lambda stacked, lanes: [each[lanes] for each in stacked])
        self._keep = jax.jit(_keep, donate_argnums=0)

    def put(
        self, stacked: Stacked, lanes: Sequence[int], states: Sequence[Sequence[Array]]
    ) -> Stacked:
        """Set lanes; see `Movements`."""
        if len(stacked[0]) == 1:
            return [jnp.array(value[None]) for value in states[0]]
        # One by one: JAX would compile a program for each number of lanes that are put at once.
        for lane, state in zip(lanes, states, strict=True):
            stacked = self._put(stacked, np.int32(lane), state)
        return stacked

    def pick(self, stacked: Stacked, lane: int) -> list[Array]:
        """Return a copy of a lane; see `Movements`."""
        if len(stacked[0]) == 1:
            return [np.array(value)[0] for value in stacked]
        return [np.asarray(value) for value in self._pick(stacked, np.int32(lane))]

    def take(self, stacked: Stacked, lanes: Array) -> Stacked:
        """Return these lanes; see `Movements`."""
        taken: Stacked = self._take(stacked, lanes)
        return taken

    def keep(self, kept: Stacked, new: Stacked, chosen: Array) -> Stacked:
        """Return the new values of chosen lanes; see `Movements`."""
        values: Stacked = self._keep(kept, new, chosen)
        return values


def movements() -> Movements:
    """Return the movements for this process's device."""
    return HostMovements() if jax.default_backend() == "cpu" else DeviceMovements()


def _to_jax(arrays: list[Array]) -> Stacked:
    """Give arrays that nobody changes any more to JAX, which may use their memory."""
    stacked: Stacked = jax.device_put(arrays)
    return stacked


def _put(stacked: list[jax.Array], lane: Any, values: Sequence[Any]) -> list[jax.Array]:
    return [
        jax.lax.dynamic_update_index_in_dim(each, value, lane, 0)
        for each, value in zip(stacked, values, strict=True)
    ]


def _keep(kept: list[jax.Array], new: list[jax.Array], chosen: jax.Array) -> list[jax.Array]:
    pairs = zip(kept, new, strict=True)
    return [jnp.where(_beside(chosen, value), value, old) for old, value in pairs]


def _beside(chosen: Any, value: Any) -> Any:
    """Shape a choice of lanes, (lanes,), so that it goes with stacked values."""
    return chosen.reshape(-1, *[1] * (value.ndim - 1))
