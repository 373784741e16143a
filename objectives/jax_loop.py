"""Epochs on JAX: Keras's own stateless training step in one compiled loop."""

from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from objectives.scores import weighted_sums

State = Any
"""Trainable, non-trainable, optimizer and metric variables, in the order of `train_step`."""


class JaxLoop:
    """Runs an epoch of a compiled Keras model as one XLA program.

    Args:
        model: Compiled, its optimizer and metrics built.
    """

    def __init__(self, model: keras.Model) -> None:
        self.traces = 0
        self._model = model
        # XLA's convolutions on a CPU are about six times as slow inside a loop as outside it.
        has_convolution = any(isinstance(layer, keras.layers.Conv2D) for layer in model.layers)
        self._step_by_step = has_convolution and jax.default_backend() == "cpu"
        self._train_step = jax.jit(self._traced_train_step)
        self._train_steps = jax.jit(self._traced_train_steps)
        self._score = jax.jit(self._traced_score)
        self._scores = jax.jit(self._traced_scores)

    def train(self, x: Any, y: Any, order: np.ndarray[Any, Any], steps: int) -> None:
        """Take gradient steps; see `objectives.program.Loop`."""
        state = self._state()
        if self._step_by_step:
            for batch in order[:steps]:
                state = self._train_step(state, x, y, batch)
        else:
            state = self._train_steps(state, x, y, order, steps)
        for variable, value in zip(self._variables(), jax.tree.leaves(state), strict=True):
            variable.assign(value)

    def evaluate(
        self, x: Any, y: Any, order: np.ndarray[Any, Any], weight: np.ndarray[Any, Any]
    ) -> tuple[float, float]:
        """Sum cross-entropy and correct answers; see `objectives.program.Loop`."""
        state = self._state()[:2]
        if self._step_by_step:
            sums = jnp.zeros(2)
            for batch, counts in zip(order, weight, strict=True):
                sums += self._score(state, x, y, batch, counts)
        else:
            sums = self._scores(state, x, y, order, weight)
        return float(sums[0]), float(sums[1])

    def _groups(self) -> tuple[list[keras.Variable], ...]:
        model = self._model
        return (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        )

    def _variables(self) -> list[keras.Variable]:
        return [variable for group in self._groups() for variable in group]

    def _state(self) -> State:
        return tuple([variable.value for variable in group] for group in self._groups())

    def _traced_train_step(self, state: State, x: Any, y: Any, batch: Any) -> State:
        self.traces += 1
        return self._step(state, x, y, batch)

    def _traced_train_steps(self, state: State, x: Any, y: Any, order: Any, steps: Any) -> State:
        self.traces += 1

        def body(i: Any, state: State) -> State:
            return self._step(state, x, y, order[i])

        return jax.lax.fori_loop(0, steps, body, state)

    def _step(self, state: State, x: Any, y: Any, batch: Any) -> State:
        _, state = self._model.train_step(state, (x[batch], y[batch]))
        return tuple(list(group) for group in state)

    def _traced_score(self, state: State, x: Any, y: Any, batch: Any, weight: Any) -> jax.Array:
        probabilities, _ = self._model.stateless_call(*state, x[batch], training=False)
        return jnp.stack(weighted_sums(y[batch], probabilities, weight))

    def _traced_scores(self, state: State, x: Any, y: Any, order: Any, weight: Any) -> jax.Array:
        def body(i: Any, sums: jax.Array) -> jax.Array:
            return sums + self._traced_score(state, x, y, order[i], weight[i])

        return jax.lax.fori_loop(0, len(order), body, jnp.zeros(2))
