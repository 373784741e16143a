"""Find all variables that can be reached from a network: what a trial's state consists of."""

from __future__ import annotations

import functools
import sys
from collections.abc import Sequence
from types import CellType, FunctionType, MethodType
from typing import Any

import keras

from objectives.training.keras_internals import global_random_state

_HOLD_VARIABLES = (
    keras.layers.Layer,
    keras.losses.Loss,
    keras.metrics.Metric,
    keras.optimizers.Optimizer,
    keras.random.SeedGenerator,
    keras.regularizers.Regularizer,
)
# Objects of these packages that are none of the above hold no variable of their own.
_OTHERS = {*sys.stdlib_module_names, "jax", "jaxlib", "keras", "ml_dtypes", "numpy", "tensorflow"}


def variables(model: keras.Model) -> list[keras.Variable]:
    """Return all variables that can be reached from a network, in an order of its structure.

    These are more than its weights: the states of its random generators, its optimizer or
    optimizers, its metrics, what its functions close over, and the random generator of this thread.
    """
    found: dict[int, keras.Variable] = {}
    seen: dict[int, Any] = {}  # with the objects, whose ids would otherwise be used again
    waiting: list[Any] = [model]
    while waiting:
        value = waiting.pop()
        if id(value) in seen:
            continue
        seen[id(value)] = value
        if isinstance(value, keras.Variable):
            found[id(value)] = value
        else:
            waiting.extend(reversed(_parts(value)))
    random = global_random_state()
    return list((found | {id(random): random}).values())


def _parts(value: Any) -> Sequence[Any]:
    """Return what an object holds that may be a variable or hold one."""
    match value:
        case dict():
            return list(value.values())
        case list() | tuple():
            return list(value)
        case FunctionType():
            return (value.__closure__, value.__defaults__, value.__kwdefaults__)
        case CellType():
            return (getattr(value, "cell_contents", None),)  # none before it is assigned
        case MethodType():
            return (value.__self__, value.__func__)
        case functools.partial():
            return (value.func, value.args, value.keywords)
    is_users = type(value).__module__.partition(".")[0] not in _OTHERS and hasattr(
        value, "__dict__"
    )
    if isinstance(value, _HOLD_VARIABLES) or (is_users and not isinstance(value, type)):
        return list(vars(value).values())
    return ()
