"""One lane on TensorFlow: Keras's own training step, an epoch in one graph."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import keras
import numpy as np

from objectives.errors import SettingError
from objectives.training.class_weights import weights_of_batch
from objectives.training.compile_clock import compile_clock
from objectives.training.compiled_network import CompiledNetwork
from objectives.training.lanes import (
    DeviceArrays,
    LaneState,
    evaluation_batches,
    loss_and_prediction,
)
from objectives.types import Array, Batch

if TYPE_CHECKING:
    import tensorflow as tf


class TensorflowSteps:
    """What TensorFlow compiles for a network.

    Args:
        network: The network.

    Attributes:
        active: The lane whose state the network's variables hold.
    """

    max_lanes = 1
    doubles_after = 1.0

    def __init__(self, network: CompiledNetwork) -> None:
        import tensorflow as tf

        self.traces = 0
        self.active: TensorflowLane | None = None
        self.network = network
        self._model = network.model
        # The context is left when TensorFlow has traced the function, not when it has run.
        self.train_steps = tf.function(compile_clock.running()(self._train_steps), autograph=False)
        self.scores = tf.function(compile_clock.running()(self._scores), autograph=False)

    def memory(self) -> None:
        """Return None: it is not needed for one lane; see `objectives.training.lanes.Steps`."""

    def lane(self, data: DeviceArrays) -> TensorflowLane:
        """Make the only lane; see `objectives.training.lanes.Steps`."""
        return TensorflowLane(self, data)

    def _train_steps(
        self,
        examples: Batch,
        order: tf.Tensor,
        weights: tf.Tensor | None,
        start: tf.Tensor,
        stop: tf.Tensor,
    ) -> None:
        import tensorflow as tf

        self.traces += 1
        size = self.network.batch_size
        full, rest = divmod(order.shape[0], size)

        def step(rows: tf.Tensor) -> None:
            batch = tuple(tf.gather(part, rows) for part in examples)
            if weights is not None:
                batch = weights_of_batch(batch, weights, keras.ops)
            self._model.train_step(batch)

        def body(i: tf.Tensor) -> tuple[tf.Tensor]:
            step(order[i * size : (i + 1) * size])
            return (i + 1,)

        def last() -> tf.Tensor:
            step(order[full * size :])
            return tf.constant(0)

        # One step at a time: each reads the weights that the one before it wrote.
        until = tf.minimum(stop, full)
        (done,) = tf.while_loop(lambda i: i < until, body, [start], parallel_iterations=1)
        if rest:
            with tf.control_dependencies([done]):
                tf.cond(stop > full, last, lambda: tf.constant(0))

    def _scores(self, x: tf.Tensor, y: tf.Tensor, order: tf.Tensor) -> tf.Tensor:
        import tensorflow as tf

        def score(rows: tf.Tensor) -> tf.Tensor:
            outputs = self._model(tf.gather(x, rows), training=False)
            return loss_and_prediction(self.network.head, tf.gather(y, rows), outputs)

        floats = tf.as_dtype(keras.backend.floatx())
        return tf.map_fn(score, order, fn_output_signature=floats, parallel_iterations=1)


class TensorflowLane:
    """The variables of the network themselves; see `objectives.training.lanes.Lanes`.

    Lanes of one program take turns, as those of folds do: what the variables hold of another lane
    is put aside first.
    """

    size = 1

    def __init__(self, steps: TensorflowSteps, data: DeviceArrays) -> None:
        self._steps = steps
        self._network = steps.network
        self._data = data
        self._kept: list[Array] = []
        self._aside: list[Array] = []  # its state, while another lane is active

    def put(self, lanes: Sequence[int], states: Sequence[LaneState]) -> None:
        """Set the lane's state; see `objectives.training.lanes.Lanes`."""
        (state,) = states
        self._activate()
        variables = self._network.variables
        for variable, value in zip(variables, state, strict=False):
            variable.assign(value)
        self._kept = state[len(variables) :]

    def get(self, lane: int) -> LaneState:
        """Return a copy of the state; see `objectives.training.lanes.Lanes`."""
        self._activate()
        return [*self._values(), *self._kept]

    def begin_epoch(self, rates: Array) -> None:
        """Set the learning rate; see `objectives.training.lanes.Lanes`."""
        self._activate()
        self._network.model.optimizer.learning_rate = rates[0]
        self._network.model.reset_metrics()

    def train(self, order: Array, weights: Array | None, start: int, stop: int) -> None:
        """Take gradient steps; see `objectives.training.lanes.Lanes`."""
        self._activate()
        # As tensors: TensorFlow would trace the function anew for each Python number or array.
        tensor = keras.ops.convert_to_tensor
        bounds = (tensor(start, dtype="int32"), tensor(stop, dtype="int32"))
        own = None if weights is None else tensor(weights[0])
        self._steps.train_steps(self._data[0], tensor(order[0]), own, *bounds)

    def metrics(self) -> dict[str, Array]:
        """Return the metrics of the epoch; see `objectives.training.lanes.Lanes`."""
        self._activate()
        found = self._network.model.get_metrics_result()
        return {name: np.asarray([float(value)]) for name, value in found.items()}

    def evaluate(self) -> Array:
        """Evaluate the validation pictures; see `objectives.training.lanes.Lanes`."""
        self._activate()
        x, y, *_ = self._data[1]
        order = keras.ops.convert_to_tensor(evaluation_batches(x.shape, 1))
        scores: Array = self._steps.scores(x, y, order).numpy()
        return scores.reshape(1, -1, scores.shape[-1])[:, : x.shape[0]]

    def keep(self, lanes: Sequence[int]) -> None:
        """Keep the current weights; see `objectives.training.lanes.Lanes`."""
        if len(lanes) > 0:
            self._activate()
            self._kept = [variable.numpy() for variable in self._network.weight_variables]

    def kept(self, lane: int) -> list[Array]:
        """Return a copy of the kept weights; see `objectives.training.lanes.Lanes`."""
        return list(self._kept)

    def _values(self) -> list[Array]:
        return [variable.numpy() for variable in self._network.variables]

    def _activate(self) -> None:
        """Let the variables of the network hold the state of this lane."""
        other = self._steps.active
        if other is self:
            return
        if other is not None:
            other.put_aside()
        for variable, value in zip(self._network.variables, self._aside, strict=False):
            variable.assign(value)
        self._steps.active = self

    def put_aside(self) -> None:
        """Copy its state, because another lane becomes active."""
        self._aside = self._values()

    def resized(self, lanes: Sequence[int], size: int) -> TensorflowLane:
        """Raise an error: there is one lane only; see `objectives.training.lanes.Lanes`."""
        raise SettingError(
            f"Expected one trial at a time on TensorFlow. Received: size={size}. "
            "Networks train side by side on JAX only: set KERAS_BACKEND=jax."
        )
