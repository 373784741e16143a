"""Lanes on JAX that compute what Keras's `fit` does: its training step and its test step."""

from __future__ import annotations

from typing import Any

import jax

from objectives.training.jax_lanes import JaxLanes, JaxSteps, State, each_lane
from objectives.training.template import Template
from objectives.types import Array


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

    def _test_step(self, state: State, x: Any, y: Any) -> State:
        return each_lane(self._lane_test, (state,), (x, y))

    def _test_of_lane(self, state: State, x: Any, y: Any) -> State:
        trainable, others, optimizer, metrics = state
        _, (_, others, metrics) = self._model.test_step((trainable, others, metrics), (x, y))
        return trainable, list(others), optimizer, list(metrics)

    def _test_steps(self, state: State, x: Any, y: Any) -> State:
        size = min(self.network.batch_size, len(x))
        full, rest = divmod(len(x), size)

        def body(i: Any, state: State) -> State:
            rows = (jax.lax.dynamic_slice_in_dim(part, i * size, size) for part in (x, y))
            return self._test_step(state, *rows)

        state = jax.lax.fori_loop(0, full, body, state)
        return self._test_step(state, x[full * size :], y[full * size :]) if rest else state


class JaxFitLanes(JaxLanes):
    """The states of lanes, stacked, validated by Keras's test step."""

    _steps: JaxFitSteps

    def validate(self) -> dict[str, Array]:
        """Evaluate all validation examples as Keras's `evaluate` does, and return its metrics.

        Returns:
            Each metric, (lanes,), named without `val_`. The loss has the penalties, as in Keras.
        """
        *_, x, y = self._data
        self._reset_metrics()
        if self._steps.step_by_step:
            size = self._steps.network.batch_size
            for start in range(0, len(x), size):
                rows = slice(start, start + size)
                self._state = self._steps.test_step(self._state, x[rows], y[rows])
        else:
            self._state = self._steps.test_steps(self._state, x, y)
        return self.metrics()
