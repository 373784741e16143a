"""Weights that stand for the first ones of a network that is looked at and never trained.

To find what a user's function builds it is called hundreds of times. On JAX each draw is compiled
for the shape of its weight, which takes longer than all else. NumPy has nothing to compile: within
the context below Keras's own initializers draw by it, other numbers from the same distributions.
Whoever reads a weight gets one that could have been drawn. An initializer that is not Keras's, and
a seed that draws change, such as a `SeedGenerator`, are left as they are.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np

from objectives.training.initial_weights import truncated_normal
from objectives.training.keras_internals import backend_random, initializers_use
from objectives.types import Array

Shape = tuple[int, ...]


@contextmanager
def stand_in_weights() -> Iterator[None]:
    """Let the weights of networks that are built be drawn by NumPy, on JAX."""
    if keras.backend.backend() != "jax":
        yield
        return
    with initializers_use(_Random(), _Ops()):
        yield


class _Random:
    """Stands for `keras.random`: its functions, of which some draw by NumPy."""

    def __getattr__(self, name: str) -> Any:
        drawn = getattr(backend_random, name)
        return _drawn_by_numpy(_DRAWS[name], drawn) if name in _DRAWS else drawn


class _Ops:
    """Stands for `keras.ops`: its functions, of which some compute by NumPy."""

    def __getattr__(self, name: str) -> Any:
        return _OPS.get(name) or getattr(keras.ops, name)


def _uniform(shape: Shape, low: float, high: float, rng: np.random.Generator) -> Array:
    return np.float32(low) + np.float32(high - low) * rng.random(shape, np.float32)


def _normal(shape: Shape, mean: float, deviation: float, rng: np.random.Generator) -> Array:
    return np.float32(mean) + np.float32(deviation) * rng.standard_normal(shape, np.float32)


def _truncated(shape: Shape, mean: float, deviation: float, rng: np.random.Generator) -> Array:
    return np.float32(mean) + np.float32(deviation) * truncated_normal(shape, rng)


def _drawn_by_numpy(draw: Callable[..., Array], by_keras: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of `keras.random` that draws float32 from a whole number as seed."""
    signature = inspect.signature(by_keras)

    def drawn(*args: Any, **kwargs: Any) -> Any:
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        shape, *numbers, dtype, seed = bound.arguments.values()
        is_plain = all(isinstance(number, int | float) for number in numbers)
        is_float32 = (dtype or keras.config.floatx()) == "float32"
        if not (is_plain and is_float32 and isinstance(seed, int)):
            return by_keras(*args, **kwargs)
        rng = np.random.default_rng(abs(seed))
        return keras.ops.convert_to_tensor(draw(tuple(shape), *numbers, rng))

    return drawn


def _filled(by_numpy: Callable[..., Array]) -> Callable[..., Any]:
    def filled(shape: Shape, dtype: Any = None) -> Any:
        name = keras.backend.standardize_dtype(dtype)
        return keras.ops.convert_to_tensor(by_numpy(shape, np.float32), dtype=name)

    return filled


def _qr(matrix: Any) -> tuple[Any, Any]:
    q, r = np.linalg.qr(keras.ops.convert_to_numpy(matrix))
    return keras.ops.convert_to_tensor(q), keras.ops.convert_to_tensor(r)


_DRAWS = {"uniform": _uniform, "normal": _normal, "truncated_normal": _truncated}
_OPS: dict[str, Callable[..., Any]] = {
    "zeros": _filled(np.zeros),
    "ones": _filled(np.ones),
    "qr": _qr,
}
