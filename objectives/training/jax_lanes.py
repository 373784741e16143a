"""Lanes on JAX: Keras's own stateless training step under vmap, an epoch in one compiled loop."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from objectives.training.class_weights import weights_of_batch
from objectives.training.compile_clock import compile_clock
from objectives.training.compiled_network import CompiledNetwork
from objectives.training.keras_internals import all_layers
from objectives.training.lanes import (
    DeviceArrays,
    LaneState,
    evaluation_batches,
    loss_and_prediction,
)
from objectives.training.stacked import Stacked, movements
from objectives.training.template import Template
from objectives.types import Array, Batch

_CONVOLUTIONS = tuple(kind for name, kind in vars(keras.layers).items() if "Conv" in name)
MAX_LANES = 256  # where lanes pay, fewer than this reach full speed
COMPILES = "/jax/core/compile/"  # prefix of JAX's events: traced, lowered, compiled
State = Any
"""Trainable, non-trainable, optimizer and metric variables, in the order of `train_step`."""


def trains_step_by_step(network: keras.Model) -> bool:
    """Tell whether a network's steps are compiled one by one, and not as a loop over lanes.

    XLA's convolutions on a CPU are about six times as slow inside a loop as outside it.
    """
    has_convolution = any(isinstance(layer, _CONVOLUTIONS) for layer in all_layers(network))
    return has_convolution and jax.default_backend() == "cpu"


def _note_event(event: str, seconds: float, **_: Any) -> None:
    if event.startswith(COMPILES):
        compile_clock.add(seconds)


jax.monitoring.register_event_duration_secs_listener(_note_event)


class JaxSteps:
    """What JAX compiles for a network, once for each number of lanes.

    Args:
        network: The network.
    """

    def __init__(self, network: CompiledNetwork | Template) -> None:
        self.traces = 0
        self.lanes = JaxLanes
        self.network = network
        self._model = network.model
        self.step_by_step = trains_step_by_step(self._model)
        # On a CPU, convolutions under vmap take three to four times as long for each lane.
        self.max_lanes = 1 if self.step_by_step else MAX_LANES
        # A CPU of few cores is busy with one lane: a small network gains a third by more of them,
        # most lose. A GPU gains all.
        self.doubles_after = 4.0 if jax.default_backend() == "cpu" else 1.0
        self.train_step = jax.jit(self._train_step, donate_argnums=0)
        self.train_steps = jax.jit(self._train_steps, donate_argnums=0)
        self.score = jax.jit(self._score)
        self.scores = jax.jit(self._scores)
        self.metrics = jax.jit(self._metrics)
        self.movements = movements()
        # What happens in one lane, which Keras takes longest to trace: so it is traced once for all
        # numbers of lanes.
        self._lane_step = jax.jit(self._step_of_lane, inline=True)
        self._lane_steps = jax.jit(self._steps_of_lane, inline=True)
        self._lane_score = jax.jit(self._score_of_lane, inline=True)

    def memory(self) -> tuple[int, int] | None:
        """Return the device's memory in use; see `objectives.training.lanes.Steps`."""
        stats = jax.devices()[0].memory_stats() or {}  # None on a CPU
        peak, limit = stats.get("peak_bytes_in_use"), stats.get("bytes_limit")
        return None if peak is None or limit is None else (peak, limit)

    def lane(self, data: DeviceArrays) -> "JaxLanes":
        """Make one lane; see `objectives.training.lanes.Steps`."""

        # NumPy's arrays until a state is put: JAX would compile `jnp.zeros` for each shape.
        def empty(variables: list[keras.Variable]) -> list[Array]:
            return [np.zeros((1, *v.shape), v.dtype) for v in variables]

        state = tuple(map(empty, self.network.groups))
        kept = empty(self.network.weight_variables)
        return self.lanes(self, data, state, kept)

    def _train_step(self, state: State, examples: Batch, rows: Any, weights: Any) -> State:
        self.traces += 1
        return each_lane(self._lane_step, (state, rows, weights), (examples,))

    def _step_of_lane(self, state: State, rows: Any, weights: Any, examples: Batch) -> State:
        batch = jax.tree.map(lambda part: part[rows], examples)
        if weights is not None:
            batch = weights_of_batch(batch, weights, keras.ops)
        return self._step_on(state, batch)

    def _step_on(self, state: State, batch: Batch) -> State:
        _, state = self._model.train_step(state, batch)
        return tuple(list(group) for group in state)

    def _train_steps(
        self, state: State, examples: Batch, order: Any, weights: Any, start: Any, stop: Any
    ) -> State:
        self.traces += 1
        return each_lane(self._lane_steps, (state, order, weights), (examples, start, stop))

    def _steps_of_lane(
        self, state: State, order: Any, weights: Any, examples: Batch, start: Any, stop: Any
    ) -> State:
        size = self.network.batch_size
        full, rest = divmod(order.shape[0], size)

        def body(i: Any, state: State) -> State:
            rows = jax.lax.dynamic_slice(order, (i * size,), (size,))
            return self._step_of_lane(state, rows, weights, examples)

        def last(state: State) -> State:
            return self._step_of_lane(state, order[full * size :], weights, examples)

        state = jax.lax.fori_loop(start, jnp.minimum(stop, full), body, state)
        return jax.lax.cond(stop > full, last, lambda same: same, state) if rest else state

    def _score(self, state: State, x: Any, y: Any, rows: Any) -> jax.Array:
        return each_lane(self._lane_score, (state,), (x[rows], y[rows]))

    def _score_of_lane(self, state: State, x: Any, y: Any) -> jax.Array:
        outputs, _ = self._model.stateless_call(*state[:2], x, training=False)
        assert isinstance(self.network, CompiledNetwork)
        # In a scope of its own, because the head reads variables as well.
        numbers = zip(self._model.non_trainable_variables, state[1], strict=True)
        with keras.StatelessScope(state_mapping=numbers):
            return loss_and_prediction(self.network.head, y, outputs)

    def _scores(self, state: State, x: Any, y: Any, order: Any) -> jax.Array:
        return jax.lax.map(lambda rows: self._score(state, x, y, rows), order)

    def _metrics(self, values: list[jax.Array]) -> dict[str, jax.Array]:
        found: dict[str, jax.Array] = each_lane(self._metrics_of, (values,))
        return found

    def _metrics_of(self, values: list[jax.Array]) -> dict[str, jax.Array]:
        variables = self._model.metrics_variables
        with keras.StatelessScope(state_mapping=zip(variables, values, strict=True)):
            return dict(self._model.get_metrics_result())


class JaxLanes:
    """The states of lanes, stacked; see `objectives.training.lanes.Lanes`."""

    def __init__(self, steps: JaxSteps, data: DeviceArrays, state: State, kept: list[Any]) -> None:
        self.size = kept[0].shape[0]
        self._steps = steps
        self._data = data
        self._state = state
        self._kept = kept
        network = steps.network
        places = {id(variable): i for i, variable in enumerate(network.variables)}
        self._weights = [places[id(variable)] for variable in network.weight_variables]
        optimizer = network.model.optimizer
        rate = optimizer.learning_rate  # the variable itself, unless there is a schedule
        self._rate = next((i for i, v in enumerate(optimizer.variables) if v is rate), None)

    def put(self, lanes: Sequence[int], states: Sequence[LaneState]) -> None:
        """Set the states of lanes; see `objectives.training.lanes.Lanes`."""
        arrays = self._steps.movements.put(self._all, lanes, states)
        self._state, self._kept = self._parted(arrays)

    def get(self, lane: int) -> LaneState:
        """Return a copy of a lane's state; see `objectives.training.lanes.Lanes`."""
        return self._steps.movements.pick(self._all, lane)

    def begin_epoch(self, rates: Array) -> None:
        """Set the learning rates; see `objectives.training.lanes.Lanes`."""
        trainable, non_trainable, optimizer, metrics = self._state
        optimizer = list(optimizer)
        if self._rate is not None:
            optimizer[self._rate] = jax.device_put(rates.astype(optimizer[self._rate].dtype))
        self._state = (trainable, non_trainable, optimizer, metrics)
        self._reset_metrics()

    def _reset_metrics(self) -> None:
        trainable, non_trainable, optimizer, metrics = self._state
        metrics = [jax.device_put(np.zeros(value.shape, value.dtype)) for value in metrics]
        self._state = (trainable, non_trainable, optimizer, metrics)

    def train(self, order: Array, weights: Array | None, start: int, stop: int) -> None:
        """Take gradient steps; see `objectives.training.lanes.Lanes`."""
        examples = self._data[0]
        if not self._steps.step_by_step:
            bounds = np.int32(start), np.int32(stop)
            self._state = self._steps.train_steps(self._state, examples, order, weights, *bounds)
            return
        size = self._steps.network.batch_size
        for i in range(start, stop):
            rows = order[:, i * size : (i + 1) * size]
            self._state = self._steps.train_step(self._state, examples, rows, weights)

    def metrics(self) -> dict[str, Array]:
        """Return the metrics of the epoch; see `objectives.training.lanes.Lanes`."""
        found = self._steps.metrics(self._state[3])
        return {name: np.asarray(values) for name, values in found.items()}

    def evaluate(self) -> Array:
        """Evaluate the validation pictures; see `objectives.training.lanes.Lanes`."""
        x, y, *_ = self._data[1]
        order = evaluation_batches(x.shape, self.size)
        if self._steps.step_by_step:
            scores = np.stack([self._steps.score(self._state, x, y, rows) for rows in order])
        else:
            scores = np.asarray(self._steps.scores(self._state, x, y, order))
        steps, size, batch, columns = scores.shape
        return np.swapaxes(scores, 0, 1).reshape(size, steps * batch, columns)[:, : len(x)]

    def keep(self, lanes: Sequence[int]) -> None:
        """Keep the current weights; see `objectives.training.lanes.Lanes`."""
        chosen = np.zeros(self.size, bool)
        chosen[list(lanes)] = True
        leaves = jax.tree.leaves(self._state)
        current = [leaves[i] for i in self._weights]
        self._kept = self._steps.movements.keep(self._kept, current, chosen)

    def kept(self, lane: int) -> list[Array]:
        """Return a copy of a lane's kept weights; see `objectives.training.lanes.Lanes`."""
        return self._steps.movements.pick(self._kept, lane)

    def resized(self, lanes: Sequence[int], size: int) -> "JaxLanes":
        """Return another number of lanes; see `objectives.training.lanes.Lanes`."""
        rows = np.resize(np.asarray(lanes, np.int32), size)  # the rest repeats them
        state, kept = self._parted(self._steps.movements.take(self._all, rows))
        return type(self)(self._steps, self._data, state, kept)

    @property
    def _all(self) -> Stacked:
        """All arrays: those of the state, then the kept weights."""
        arrays: Stacked = jax.tree.leaves((self._state, self._kept))
        return arrays

    def _parted(self, arrays: Stacked) -> Any:
        """Return arrays as the state and the kept weights."""
        return jax.tree.unflatten(jax.tree.structure((self._state, self._kept)), arrays)


def each_lane(
    function: Callable[..., Any], stacked: Sequence[Any], shared: Sequence[Any] = ()
) -> Any:
    """Map a function over the lanes; a single lane is computed without a lane dimension.

    Args:
        function: Takes the values of one lane, then what is shared.
        stacked: Its first arguments, stacked.
        shared: Its other arguments, the same for all lanes.
    """
    if jax.tree.leaves(stacked)[0].shape[0] > 1:
        axes = [0] * len(stacked) + [None] * len(shared)
        return jax.vmap(function, axes)(*stacked, *shared)
    alone = jax.tree.map(lambda value: value[0], tuple(stacked))
    return jax.tree.map(lambda value: value[None], function(*alone, *shared))
