"""One lane on TensorFlow: Keras's own training step, an epoch in one graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np

from objectives.head import Array
from objectives.training.lanes import (
    DeviceArrays,
    LaneState,
    evaluation_batches,
    loss_and_prediction,
)

if TYPE_CHECKING:
    import tensorflow as tf

    from objectives.training.program import Program


class TensorflowSteps:
    """What is traced of a program.

    Args:
        program: The program.
    """

    max_lanes = 1

    def __init__(self, program: Program) -> None:
        import tensorflow as tf

        self.traces = 0
        self.program = program
        self._model = program.model
        self.train_steps = tf.function(self._train_steps, autograph=False)
        self.scores = tf.function(self._scores, autograph=False)

    def memory(self) -> None:
        """Tell nothing, since there is one lane only; see `objectives.training.lanes.Steps`."""

    def lane(self, data: DeviceArrays) -> TensorflowLane:
        """Make the one lane; see `objectives.training.lanes.Steps`."""
        return TensorflowLane(self, data)

    def _train_steps(
        self, x: tf.Tensor, y: tf.Tensor, order: tf.Tensor, start: tf.Tensor, stop: tf.Tensor
    ) -> None:
        import tensorflow as tf

        self.traces += 1
        size = self.program.batch_size
        full, rest = divmod(order.shape[0], size)

        def step(rows: tf.Tensor) -> None:
            self._model.train_step((tf.gather(x, rows), tf.gather(y, rows)))

        def body(i: tf.Tensor) -> tuple[tf.Tensor]:
            step(order[i * size : (i + 1) * size])
            return (i + 1,)

        def last() -> tf.Tensor:
            step(order[full * size :])
            return tf.constant(0)

        # One step after the other: each reads the weights that the one before it wrote.
        until = tf.minimum(stop, full)
        (done,) = tf.while_loop(lambda i: i < until, body, [start], parallel_iterations=1)
        if rest:
            with tf.control_dependencies([done]):
                tf.cond(stop > full, last, lambda: tf.constant(0))

    def _scores(self, x: tf.Tensor, y: tf.Tensor, order: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        def score(rows: tf.Tensor) -> tf.Tensor:
            outputs = self._model(tf.gather(x, rows), training=False)
            return loss_and_prediction(self.program.head, tf.gather(y, rows), outputs)

        floats = tf.as_dtype(keras.backend.floatx())
        return tf.map_fn(score, order, fn_output_signature=floats, parallel_iterations=1)


class TensorflowLane:
    """The variables of a program themselves; see `objectives.training.lanes.Lanes`."""

    size = 1

    def __init__(self, steps: TensorflowSteps, data: DeviceArrays) -> None:
        self._steps = steps
        self._program = steps.program
        self._data = data
        self._kept: list[Array] = []

    def put(self, lanes: Sequence[int], states: Sequence[LaneState]) -> None:
        """Bring the lane to a state; see `objectives.training.lanes.Lanes`."""
        (state,) = states
        variables = self._program.variables
        for variable, value in zip(variables, state, strict=False):
            variable.assign(value)
        self._kept = state[len(variables) :]

    def get(self, lane: int) -> LaneState:
        """Copy the state; see `objectives.training.lanes.Lanes`."""
        return [*(variable.numpy() for variable in self._program.variables), *self._kept]

    def begin_epoch(self, rates: Array) -> None:
        """Set the learning rate; see `objectives.training.lanes.Lanes`."""
        self._program.model.optimizer.learning_rate = rates[0]
        self._program.model.reset_metrics()

    def train(self, order: Array, start: int, stop: int) -> None:
        """Take gradient steps; see `objectives.training.lanes.Lanes`."""
        # As tensors: a Python number or an array would be a constant, traced for each value.
        x, y, *_ = self._data
        tensor = keras.ops.convert_to_tensor
        bounds = (tensor(start, dtype="int32"), tensor(stop, dtype="int32"))
        self._steps.train_steps(x, y, tensor(order[0]), *bounds)

    def metrics(self) -> dict[str, Array]:
        """Return the epoch's metrics; see `objectives.training.lanes.Lanes`."""
        found = self._program.model.get_metrics_result()
        return {name: np.asarray([float(value)]) for name, value in found.items()}

    def evaluate(self) -> Array:
        """Evaluate the validation pictures; see `objectives.training.lanes.Lanes`."""
        *_, x, y = self._data
        order = keras.ops.convert_to_tensor(evaluation_batches(x.shape, 1))
        scores: Array = self._steps.scores(x, y, order).numpy()
        return scores.reshape(1, -1, scores.shape[-1])[:, : x.shape[0]]

    def keep(self, lanes: Sequence[int]) -> None:
        """Keep the present weights; see `objectives.training.lanes.Lanes`."""
        if len(lanes) > 0:
            self._kept = [variable.numpy() for variable in self._program.weight_variables]

    def kept(self, lane: int) -> list[Array]:
        """Copy the weights kept; see `objectives.training.lanes.Lanes`."""
        return list(self._kept)

    def resized(self, lanes: Sequence[int], size: int) -> TensorflowLane:
        """Refuse, since there is no other; see `objectives.training.lanes.Lanes`."""
        raise ValueError(
            f"Expected one trial at a time on TensorFlow. Received: size={size}. "
            "Networks train side by side on JAX only: set KERAS_BACKEND=jax."
        )
