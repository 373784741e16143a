"""Find out whether a network with code of a user's computes the same each time, on JAX.

Its code was compared as text and values: see `own_code`. Here it runs, on one fixed batch.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import jax
import keras
import numpy as np

from objectives.training.keras_internals import variable_groups
from objectives.training.structure import Structure, UnreadableStructureError, read
from objectives.types import Array, Batch

_TOLERANCE = {"float64": 1e-8, "float32": 1e-3}  # of the largest number; else 0.05


@dataclass(frozen=True, eq=False)
class Tried:
    """What a network with code of a user's does on a batch.

    Attributes:
        numbers: The loss and its gradients, dropout off.
        has_convolution: Whether it computes a convolution, which a user's layer may do by itself.
    """

    numbers: Sequence[Array]
    has_convolution: bool


def loss_and_gradients(model: keras.Model, state: Any, batch: Batch) -> list[jax.Array]:
    """Return a network's loss on a batch, dropout off, and its gradients.

    Args:
        model: The compiled network.
        state: The values of its variables, in groups.
        batch: Some examples.
    """
    trainable, others, _, metrics = state
    x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
    compute = jax.value_and_grad(model.compute_loss_and_updates, has_aux=True)
    (loss, _), gradients = compute(trainable, others, metrics, x, y, weights, training=False)
    return [loss, *gradients]


def check_own_code(model: keras.Model, structure: Structure, batch: Batch) -> Tried:
    """Run a network on a batch; what it computes is then compared with what its program does.

    Args:
        model: The compiled network, all of whose variables exist.
        structure: What was read of it.
        batch: Some examples.

    Raises:
        UnreadableStructureError: It changes what no step of a program changes.
    """
    changed: list[str] = []
    drawn = _random_states()

    def call(batch: Batch) -> Any:
        x, y, weights = keras.utils.unpack_x_y_sample_weight(batch)
        mapping = [(v, v.value) for group in variable_groups(model) for v in group]
        with keras.StatelessScope(mapping) as scope:
            outputs = model(x, training=True)
            model.compute_loss(x, y, outputs, weights, training=True)
            model.compute_metrics(x, y, outputs, weights)
        changed.extend(v.path for v in structure.others if scope.get_current_value(v) is not None)
        return outputs

    try:
        traced = jax.make_jaxpr(call)(batch)
        groups = tuple([v.value for v in group] for group in variable_groups(model))
        found = [np.asarray(each) for each in loss_and_gradients(model, groups, batch)]
    except Exception as error:  # `fit` shows whether it is a mistake
        raise UnreadableStructureError("its code cannot be tried on a batch") from error
    if changed:
        raise UnreadableStructureError(f"its code changes {changed[0]}, which is not a layer's")
    if _random_states() != drawn:
        raise UnreadableStructureError("its code draws random numbers that are not a layer's")
    if read(model).key != structure.key:
        raise UnreadableStructureError("its code keeps something from call to call")
    return Tried(found, "conv_general_dilated" in str(traced))


def _random_states() -> tuple[str, str]:
    """Return the states of the generators of Python and NumPy."""
    return repr(random.getstate()), repr(np.random.get_state(legacy=False))


def agree(one: Sequence[Array], other: Sequence[Array]) -> bool:
    """Tell whether two ways to the same loss and gradients have found the same."""
    return len(one) == len(other) and all(map(_agree, one, other))


def _agree(one: Array, other: Array) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    tolerance = _TOLERANCE.get(str(one.dtype), 0.05)
    most = np.max(np.abs(one), initial=0.0)
    difference = np.abs(one.astype(float) - other.astype(float))
    return bool(np.all(difference <= tolerance * max(most, 1e-3)))
