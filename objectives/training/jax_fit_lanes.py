"""Lanes on JAX that compute what Keras's `fit` does: its training step and its test step."""

from __future__ import annotations

from typing import Any

import jax

from objectives.data.arrays import count, rows
from objectives.training.jax_lanes import JaxLanes, JaxSteps, State, each_lane
from objectives.training.template import Template
from objectives.types import Array, Batch


class JaxFitSteps(JaxSteps):
    """What JAX compiles for a template, once for each number of lanes.

    Args:
        network: The `Template`.
    """

    def __init__(self, network: Template) -> None:
        super().__init__(network)
        self.lanes = JaxFitLanes
        self.test_step = jax.jit(self._test_step)
        self.test_steps = jax.jit(self._test_steps)
        self._lane_test = jax.jit(self._test_of_lane, inline=True)

    def _test_step(self, state: State, batch: Batch) -> State:
        return each_lane(self._lane_test, (state,), (batch,))

    def _test_of_lane(self, state: State, batch: Batch) -> State:
        trainable, others, optimizer, metrics = state
        _, (_, others, metrics) = self._model.test_step((trainable, others, metrics), batch)
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
