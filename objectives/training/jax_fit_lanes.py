"""Lanes on JAX that compute what Keras's `fit` does: its training step and its test step."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import jax
import numpy as np
from jax.extend.core import jaxpr_as_fun

from objectives.data.arrays import count, rows
from objectives.training.jax_lanes import JaxLanes, JaxSteps, State, each_lane
from objectives.training.lanes import DeviceArrays, LaneState
from objectives.training.own_code_check import loss_and_gradients
from objectives.training.template import Template
from objectives.types import Array, Batch


class Traced:
    """A function that is called once for each shape of its arguments, and recorded.

    What it reads beside them, and whether it is called for one lane or for many, makes no
    difference afterwards.

    Args:
        function: Takes and returns arrays, nested.
    """

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function
        self._recorded: dict[Hashable, tuple[Callable[..., Any], Any]] = {}

    def __call__(self, *arguments: Any) -> Any:
        """Compute what the function computed when it was recorded."""
        leaves, tree = jax.tree.flatten(arguments)
        key = tree, tuple((leaf.shape, str(leaf.dtype)) for leaf in leaves)
        if key not in self._recorded:
            self._recorded[key] = self._record(jax.tree.map(_like, arguments))
        run, result = self._recorded[key]
        return jax.tree.unflatten(result, run(*leaves))

    def _record(self, arguments: Any) -> tuple[Callable[..., Any], Any]:
        jaxpr, shapes = jax.make_jaxpr(self._function, return_shape=True)(*arguments)
        return jaxpr_as_fun(jaxpr), jax.tree.structure(shapes)


class JaxFitSteps(JaxSteps):
    """What JAX compiles for a template, once for each number of lanes.

    The network is called here, and never again: two networks that read one global, each at its own
    time, do not meet.

    Args:
        network: The `Template`.
        data: What its trials train and validate on.
        weights: The weights of classes of its first trial; None where it has none, and all others.
    """

    def __init__(self, network: Template, data: DeviceArrays, weights: Array | None) -> None:
        super().__init__(network)
        if network.has_convolution and jax.default_backend() == "cpu":
            self.step_by_step, self.max_lanes = True, 1
        self.lanes = JaxFitLanes
        self._traced_step = Traced(super()._step_on)
        self._traced_test = Traced(self._model.test_step)
        self._traced_metrics = Traced(super()._metrics_of)
        self._loss_and_gradients = jax.jit(lambda *each: loss_and_gradients(self._model, *each))
        self.test_step = jax.jit(self._test_step)
        self.test_steps = jax.jit(self._test_steps)
        self._lane_test = jax.jit(self._test_of_lane, inline=True)
        self._trace(data, weights)

    def loss_and_gradients(self, state: LaneState, batch: Batch) -> list[Array]:
        """Return what the network computes of a batch in a state; see `own_code_check`."""
        values = iter(state)
        groups = tuple([next(values) for _ in group] for group in self.network.groups)
        return [np.asarray(each) for each in self._loss_and_gradients(groups, batch)]

    def _trace(self, data: DeviceArrays, weights: Array | None) -> None:
        training, validation = data
        state = tuple([_like(v, (1, *v.shape)) for v in group] for group in self.network.groups)
        order = jax.ShapeDtypeStruct((1, count(training)), np.int32)
        own = None if weights is None else _like(weights, (1, *weights.shape))
        jax.eval_shape(self._train_steps, state, training, order, own, 0, 1)
        jax.eval_shape(self._test_steps, state, validation)
        jax.eval_shape(self._metrics, state[3])

    def _step_on(self, state: State, batch: Batch) -> State:
        return self._traced_step(state, batch)

    def _metrics_of(self, values: list[jax.Array]) -> dict[str, jax.Array]:
        found: dict[str, jax.Array] = self._traced_metrics(values)
        return found

    def _test_step(self, state: State, batch: Batch) -> State:
        return each_lane(self._lane_test, (state,), (batch,))

    def _test_of_lane(self, state: State, batch: Batch) -> State:
        trainable, others, optimizer, metrics = state
        _, (_, others, metrics) = self._traced_test((trainable, others, metrics), batch)
        return trainable, list(others), optimizer, list(metrics)

    def _test_steps(self, state: State, examples: Batch) -> State:
        n = count(examples)
        size = min(self.network.batch_size, n)
        full, rest = divmod(n, size)

        def body(i: Any, state: State) -> State:
            def part(array: Any) -> Any:
                return jax.lax.dynamic_slice_in_dim(array, i * size, size)

            return self._test_step(state, jax.tree.map(part, examples))

        state = jax.lax.fori_loop(0, full, body, state)
        return self._test_step(state, rows(examples, slice(full * size, n))) if rest else state


class JaxFitLanes(JaxLanes):
    """The states of lanes, stacked, validated by Keras's test step."""

    _steps: JaxFitSteps

    def validate(self) -> dict[str, Array]:
        """Evaluate all validation examples as Keras's `evaluate` does, and return its metrics.

        Returns:
            Each metric, (lanes,), named without `val_`. The loss has the penalties, as in Keras.
        """
        examples = self._data[1]
        self._reset_metrics()
        if self._steps.step_by_step:
            size = self._steps.network.batch_size
            for start in range(0, count(examples), size):
                batch = rows(examples, slice(start, start + size))
                self._state = self._steps.test_step(self._state, batch)
        else:
            self._state = self._steps.test_steps(self._state, examples)
        return self.metrics()


def _like(value: Any, shape: tuple[int, ...] | None = None) -> jax.ShapeDtypeStruct:
    return jax.ShapeDtypeStruct(value.shape if shape is None else shape, value.dtype)
