"""Train any compiled Keras network by its own `fit`, an epoch at a time.

One call of `fit` trains what it would in its author's script: by the network's `train_step`, with
its optimizer, loss and metrics. It runs in a thread that waits after each epoch for what comes
next. Only the order of the examples is given, so that a trial that goes on from a checkpoint sees
the examples that it would have seen.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeVar, cast

import keras
import numpy as np

from objectives.errors import CheckpointError
from objectives.training.keras_internals import global_random_state
from objectives.training.schedule import epoch_order
from objectives.types import Array

A = TypeVar("A")
Metrics = dict[str, float]
State = list[Array]
"""The values of all variables that can be reached from a network, in the order of `variables`."""

_HOLD_VARIABLES = (
    keras.layers.Layer,
    keras.losses.Loss,
    keras.metrics.Metric,
    keras.optimizers.Optimizer,
    keras.random.SeedGenerator,
    keras.regularizers.Regularizer,
)


class ShuffledExamples(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of examples in an order that is set before each epoch.

    Args:
        x: The inputs, (n, ...).
        y: What they stand for, (n, ...).
        batch_size: The examples in a gradient step; the last step of an epoch may have fewer.

    Attributes:
        order: The order of the examples, (n,).
    """

    def __init__(self, x: Array, y: Array, batch_size: int) -> None:
        super().__init__()
        self.order = np.arange(len(x))
        self._x, self._y = x, y
        self._batch_size = batch_size

    def __len__(self) -> int:
        """Return the number of steps in an epoch."""
        return -(-len(self._x) // self._batch_size)

    def __getitem__(self, step: int) -> tuple[Array, Array]:
        """Return a batch."""
        chosen = self.order[step * self._batch_size : (step + 1) * self._batch_size]
        return self._x[chosen], self._y[chosen]


class Fit:
    """A network that is built and trained by its own `fit`, as far as it is asked to.

    All of it happens in one thread: Keras's names and random generators belong to a thread, so that
    the tenth network of a process is built as the first one.

    Args:
        build: Returns the compiled network.
        train: The inputs and labels to train on.
        validation: Those to validate on.
        batch_size: The examples in a gradient step.
        seed: The seed of the first weights, the dropout and the order of the examples.
        epochs: How many epochs to train at most.
        rate: Takes an epoch, from 1, and returns its learning rate; None leaves it to the
            optimizer.
        completed: The epochs that `state` has behind it.
        state: Where to go on; None to begin.

    Attributes:
        model: The network.

    Raises:
        CheckpointError: The state is one of another network.
        Exception: What `build` raises.
    """

    model: keras.Model

    def __init__(
        self,
        build: Callable[[], keras.Model],
        train: tuple[Array, Array],
        validation: tuple[Array, Array],
        *,
        batch_size: int,
        seed: int,
        epochs: int,
        rate: Callable[[int], float] | None = None,
        completed: int = 0,
        state: State | None = None,
    ) -> None:
        self._build = build
        self._examples = ShuffledExamples(*train, batch_size)
        self._validation = validation
        self._batch_size = batch_size
        self._seed = seed
        self._epochs = epochs
        self._rate = rate
        self._completed = completed
        # None: train the next epoch. False: end. A function: call it.
        self._orders: queue.SimpleQueue[Callable[[], Any] | bool | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, args=(state,), name="fit", daemon=True)
        self._thread.start()
        self._answer()

    def train_epoch(self) -> Metrics:
        """Train the next epoch; return its metrics, those of validation with `val_` before them.

        Raises:
            Exception: What `fit` raises.
        """
        self._orders.put(None)
        return cast(Metrics, self._answer())

    def state(self) -> State:
        """Return a copy of the values of all variables."""
        return self._do(lambda: [_value(variable) for variable in variables(self.model)])

    def weights(self) -> list[Array]:
        """Return a copy of the network's weights."""
        return self._do(lambda: [_value(variable) for variable in self.model.weights])

    def close(self) -> None:
        """End `fit`, as after early stopping; it must be called, or the thread waits for ever."""
        self._orders.put(False)
        self._thread.join()

    def _do(self, call: Callable[[], A]) -> A:
        """Call a function in the thread of the network, between two epochs."""
        self._orders.put(call)
        return cast(A, self._answer())

    def _answer(self) -> Any:
        answer = self._answers.get()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    def _run(self, state: State | None) -> None:
        try:
            keras.utils.set_random_seed(self._seed)
            self.model = self._build()
            if state is not None:
                self._go_on_from(state)
            self._answers.put(None)
            if self._is_told_to_train():
                self._fit()
        except BaseException as error:
            self._answers.put(error)

    def _fit(self) -> None:
        self.model.fit(
            self._examples,
            validation_data=self._validation,
            validation_batch_size=self._batch_size,
            epochs=self._epochs,
            initial_epoch=self._completed,
            callbacks=[_EachEpoch(self._begin_epoch, self._end_epoch)],
            shuffle=False,
            verbose=0,
        )

    def _begin_epoch(self, epoch: int) -> None:
        self._examples.order = epoch_order(len(self._examples.order), self._seed, epoch)
        if self._rate is not None:
            self.model.optimizer.learning_rate = self._rate(epoch)

    def _end_epoch(self, metrics: Metrics) -> None:
        self._answers.put(metrics)
        if not self._is_told_to_train():
            self.model.stop_training = True

    def _is_told_to_train(self) -> bool:
        """Do what is asked for until that is to train, or to end."""
        while callable(order := self._orders.get()):
            try:
                self._answers.put(order())
            except Exception as error:
                self._answers.put(error)
        return order is None

    def _go_on_from(self, state: State) -> None:
        """Set all variables; a first step makes those that an optimizer or a metric still lacks."""
        self.model.train_on_batch(*self._examples[0])
        own = variables(self.model)
        if [tuple(v.shape) for v in own] != [value.shape for value in state]:
            raise CheckpointError(
                f"Expected the state of this network, of {len(own)} variables. "
                f"Received: one of {len(state)} variables, or of other shapes."
            )
        for variable, value in zip(own, state, strict=True):
            variable.assign(value)


class _EachEpoch(keras.callbacks.Callback):  # type: ignore[misc]
    def __init__(self, begin: Callable[[int], None], end: Callable[[Metrics], None]) -> None:
        super().__init__()
        self._begin, self._end = begin, end

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self._begin(epoch + 1)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        self._end({name: float(value) for name, value in logs.items()})


def variables(model: keras.Model) -> list[keras.Variable]:
    """Return all variables that can be reached from a network, in an order of its structure.

    These are more than its weights: the states of its random generators, its optimizer or
    optimizers, its metrics, and the random generator of this thread.
    """
    found = {id(variable): variable for variable in _reachable(model, set())}
    random = global_random_state()
    return list(({**found, id(random): random}).values())


def _reachable(value: Any, seen: set[int]) -> Iterator[keras.Variable]:
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, keras.Variable):
        yield value
    elif isinstance(value, dict):
        for each in value.values():
            yield from _reachable(each, seen)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from _reachable(each, seen)
    elif isinstance(value, _HOLD_VARIABLES):
        for each in vars(value).values():
            yield from _reachable(each, seen)


def _value(variable: keras.Variable) -> Array:
    return np.array(keras.ops.convert_to_numpy(variable))
