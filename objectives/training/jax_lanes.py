"""Lanes on JAX: Keras's own stateless training step under vmap, an epoch in one compiled loop."""

from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import keras
import numpy as np

from objectives.training.compile_clock import compile_clock
from objectives.training.compiled_network import CompiledNetwork
from objectives.training.keras_internals import all_layers
from objectives.training.lanes import (
    DeviceArrays,
    LaneState,
    evaluation_batches,
    loss_and_prediction,
)
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
        self.train_step = jax.jit(self._train_step, donate_argnums=0)
        self.train_steps = jax.jit(self._train_steps, donate_argnums=0)
        self.score = jax.jit(self._score)
        self.scores = jax.jit(self._scores)
        self.metrics = jax.jit(self._metrics)
        self.put = jax.jit(_put, donate_argnums=0)
        self.pick = jax.jit(_pick)
        self.take = jax.jit(_take)
        self.keep = jax.jit(_keep, donate_argnums=0)

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

    def _train_step(self, state: State, examples: Batch, rows: Any) -> State:
        self.traces += 1

        def lane(state: State, rows: Any) -> State:
            return self._step(state, examples, rows)

        return each_lane(lane, state, rows)

    def _train_steps(
        self, state: State, examples: Batch, order: Any, start: Any, stop: Any
    ) -> State:
        self.traces += 1
        size = self.network.batch_size
        full, rest = divmod(order.shape[1], size)

        def lane(state: State, order: Any) -> State:
            def body(i: Any, state: State) -> State:
                rows = jax.lax.dynamic_slice(order, (i * size,), (size,))
                return self._step(state, examples, rows)

            def last(state: State) -> State:
                return self._step(state, examples, order[full * size :])

            state = jax.lax.fori_loop(start, jnp.minimum(stop, full), body, state)
            return jax.lax.cond(stop > full, last, lambda same: same, state) if rest else state

        return each_lane(lane, state, order)

    def _step(self, state: State, examples: Batch, rows: Any) -> State:
        return self._step_on(state, jax.tree.map(lambda part: part[rows], examples))

    def _step_on(self, state: State, batch: Batch) -> State:
        _, state = self._model.train_step(state, batch)
        return tuple(list(group) for group in state)

    def _score(self, state: State, x: Any, y: Any, rows: Any) -> jax.Array:
        def lane(state: State) -> jax.Array:
            outputs, _ = self._model.stateless_call(*state[:2], x[rows], training=False)
            assert isinstance(self.network, CompiledNetwork)
            # In a scope of its own, because the head reads variables as well.
            numbers = zip(self._model.non_trainable_variables, state[1], strict=True)
            with keras.StatelessScope(state_mapping=numbers):
                return loss_and_prediction(self.network.head, y[rows], outputs)

        return each_lane(lane, state)

    def _scores(self, state: State, x: Any, y: Any, order: Any) -> jax.Array:
        return jax.lax.map(lambda rows: self._score(state, x, y, rows), order)

    def _metrics(self, values: list[jax.Array]) -> dict[str, jax.Array]:
        found: dict[str, jax.Array] = each_lane(self._metrics_of, values)
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
        if self.size == 1:
            tree = jax.tree.structure((self._state, self._kept))
            leaves = [jnp.array(value[None]) for value in states[0]]
            self._state, self._kept = jax.tree.unflatten(tree, leaves)
            return
        # One by one: JAX would compile a program for each number of lanes that are put at once.
        for lane, state in zip(lanes, states, strict=True):
            stacked = (self._state, self._kept)
            self._state, self._kept = self._steps.put(stacked, np.int32(lane), state)

    def get(self, lane: int) -> LaneState:
        """Return a copy of a lane's state; see `objectives.training.lanes.Lanes`."""
        return self._copy((self._state, self._kept), lane)

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

    def train(self, order: Array, start: int, stop: int) -> None:
        """Take gradient steps; see `objectives.training.lanes.Lanes`."""
        examples = self._data[0]
        if not self._steps.step_by_step:
            bounds = np.int32(start), np.int32(stop)
            self._state = self._steps.train_steps(self._state, examples, order, *bounds)
            return
        size = self._steps.network.batch_size
        for i in range(start, stop):
            rows = order[:, i * size : (i + 1) * size]
            self._state = self._steps.train_step(self._state, examples, rows)

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
        self._kept = self._steps.keep(self._kept, [leaves[i] for i in self._weights], chosen)

    def kept(self, lane: int) -> list[Array]:
        """Return a copy of a lane's kept weights; see `objectives.training.lanes.Lanes`."""
        return self._copy(self._kept, lane)

    def resized(self, lanes: Sequence[int], size: int) -> "JaxLanes":
        """Return another number of lanes; see `objectives.training.lanes.Lanes`."""
        rows = np.resize(np.asarray(lanes, np.int32), size)  # the rest repeats them
        state, kept = self._steps.take((self._state, self._kept), rows)
        return type(self)(self._steps, self._data, state, kept)

    def _copy(self, stacked: Any, lane: int) -> list[Array]:
        if self.size == 1:
            return [np.array(value)[0] for value in jax.tree.leaves(stacked)]
        picked = self._steps.pick(stacked, np.int32(lane))
        return [np.asarray(value) for value in jax.tree.leaves(picked)]


def each_lane(function: Callable[..., Any], *stacked: Any) -> Any:
    """Map a function over the lanes; a single lane is computed without a lane dimension."""
    if jax.tree.leaves(stacked)[0].shape[0] > 1:
        return jax.vmap(function)(*stacked)
    alone = jax.tree.map(lambda value: value[0], stacked)
    return jax.tree.map(lambda value: value[None], function(*alone))


def _put(stacked: Any, lane: Any, values: list[jax.Array]) -> Any:
    leaves, tree = jax.tree.flatten(stacked)
    put = [
        jax.lax.dynamic_update_index_in_dim(leaf, value, lane, 0)
        for leaf, value in zip(leaves, values, strict=True)
    ]
    return jax.tree.unflatten(tree, put)


def _take(stacked: Any, rows: jax.Array) -> Any:
    return jax.tree.map(lambda leaf: leaf[rows], stacked)


def _pick(stacked: Any, lane: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf[lane], stacked)


def _keep(kept: list[jax.Array], new: list[jax.Array], chosen: jax.Array) -> list[jax.Array]:
    def shaped(value: jax.Array) -> jax.Array:
        return chosen.reshape(-1, *[1] * (value.ndim - 1))

    return [jnp.where(shaped(n), n, k) for k, n in zip(kept, new, strict=True)]
