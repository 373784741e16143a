"""Train any compiled Keras network by its own `fit`, an epoch at a time.

One call of `fit` trains what it would in its author's script: by the network's `train_step`, with
its optimizer, loss and metrics. It runs in a thread that waits after each epoch for what comes
next. Only the order of the examples is given, so that a trial that goes on from a checkpoint sees
the examples that it would have seen.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from itertools import islice
from typing import Any, TypeVar, cast

import keras
import numpy as np

from objectives.data.arrays import count, rows
from objectives.data.streams import batches, is_function, length
from objectives.errors import CheckpointError
from objectives.training.keras_internals import build_for
from objectives.training.passes import Passes, begun, is_ordered
from objectives.training.reachable import variables
from objectives.training.schedule import epoch_order
from objectives.types import Array, Batch

A = TypeVar("A")
Metrics = dict[str, float]
State = list[Array]
"""The values of all variables that can be reached from a network, in the order of `variables`."""


class ShuffledExamples(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of examples in an order that is set before each epoch.

    Args:
        examples: All of them.
        batch_size: The examples in a gradient step; the last step of an epoch may have fewer.

    Attributes:
        order: The order of the examples, (n,).
    """

    def __init__(self, examples: Batch, batch_size: int) -> None:
        super().__init__()
        self.order = np.arange(count(examples))
        self._examples = examples
        self._batch_size = batch_size

    def __len__(self) -> int:
        """Return the number of steps in an epoch."""
        return -(-len(self.order) // self._batch_size)

    def __getitem__(self, step: int) -> Batch:
        """Return a batch."""
        chosen = self.order[step * self._batch_size : (step + 1) * self._batch_size]
        batch: Batch = rows(self._examples, chosen)
        return batch


class Batches(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches that are at hand.

    Args:
        batches: All of them.
    """

    def __init__(self, batches: Sequence[Batch]) -> None:
        super().__init__()
        self._batches = batches

    def __len__(self) -> int:
        """Return their number."""
        return len(self._batches)

    def __getitem__(self, step: int) -> Batch:
        """Return one."""
        return self._batches[step]


class Fit:
    """A network that is built and trained by its own `fit`, as far as it is asked to.

    All of it happens in one thread: Keras's names and random generators belong to a thread, so that
    the tenth network of a process is built as the first one.

    Args:
        build: Returns the compiled network.
        train: The examples to train on; or what yields batches of them, in an order of its own.
        validation: Those to validate on, likewise.
        batch_size: The examples in a gradient step.
        seed: The seed of the first weights, the dropout and the order of the examples.
        steps: The gradient steps of each epoch; the last one may have fewer than the others.
        factor: Returns the factor of the first learning rate in the epoch that comes next; None
            leaves the rate to the optimizer.
        per_epoch: The batches of `train`, and of `validation`, that are an epoch, where these are
            no arrays; None for all of a pass.

    Attributes:
        model: The network.
        example: An input of it, (1, ...).
        ended: Whether the user's own code that trains has returned; None where there is none.

    Raises:
        Exception: What `build` raises.
    """

    model: keras.Model
    ended: bool | None = None

    def __init__(
        self,
        build: Callable[[], keras.Model],
        train: Any,
        validation: Any,
        *,
        batch_size: int,
        seed: int,
        steps: Sequence[int],
        factor: Callable[[], float] | None = None,
        per_epoch: tuple[int | None, int | None] = (None, None),
    ) -> None:
        self._build = build
        is_whole = isinstance(train, tuple)
        self.example = rows(train, slice(1))[0] if is_whole else None
        self._examples = ShuffledExamples(train, batch_size) if is_whole else train
        self._validation = validation
        self._batch_size = batch_size
        self._seed = seed
        self._steps = steps
        self._factor = factor
        self._per_epoch, self._validation_steps = per_epoch
        if not is_whole and self._per_epoch is None and is_ordered(train):
            self._per_epoch = length(train)
        # Keras begins all but generators anew each time that it validates.
        if self._validation_steps is not None and is_function(validation):
            self._validation = Batches(list(islice(validation(), self._validation_steps)))
        self._completed = 0  # epochs
        # None: train the next epoch. False: end. A function: call it.
        self._orders: queue.SimpleQueue[Callable[[], Any] | bool | None] = queue.SimpleQueue()
        self._answers: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="fit", daemon=True)
        self._thread.start()
        try:
            self._answer()
        except Exception:
            self._thread.join()  # it has said why, and is about to end
            raise

    def go_on_from(self, values: State, completed: int) -> list[Array]:
        """Set all variables, before the first epoch; return what `values` has beyond them.

        It takes a gradient step first, so that after an error the network is not what it was.

        Args:
            values: What `state` has returned, and weights kept beside it.
            completed: The epochs that are behind it.

        Raises:
            CheckpointError: The values are those of another network.
        """
        kept = self._do(lambda: self._set_variables(values))
        self._completed = completed
        return kept

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

    def _run(self) -> None:
        try:
            self._build_network()
            self._answers.put(None)
            if self._is_told_to_train():
                self._fit()
        except BaseException as error:
            self._answers.put(error)

    def _build_network(self) -> None:
        keras.utils.set_random_seed(self._seed)
        self.model = self._build()
        # Now, because a checkpoint has the rate of its epoch.
        optimizer = self.model.optimizer
        self._first_rate = 0.0 if self._factor is None else float(optimizer.learning_rate)

    def _fit(self) -> None:
        examples, per_epoch = self._examples, self._per_epoch
        if per_epoch is not None:  # parted into epochs: on with the batches after those behind
            examples = begun(examples, self._completed * per_epoch, self._seed)
        self._build_for(examples)
        self.model.fit(
            examples,
            steps_per_epoch=per_epoch,
            validation_data=self._validation,
            validation_steps=self._validation_steps,
            validation_batch_size=self._batch_size if isinstance(self._validation, tuple) else None,
            epochs=len(self._steps),
            initial_epoch=self._completed,
            callbacks=[_EachEpoch(self._begin_epoch, self._end_step, self._end_epoch)],
            shuffle=_is_shuffled_by_keras(examples),
            verbose=0,
        )

    def _build_for(self, examples: Any) -> None:
        if isinstance(examples, Passes) and keras.backend.backend() == "jax":
            build_for(self.model, next(batches(examples)))

    def _begin_epoch(self, epoch: int) -> None:
        if isinstance(self._examples, ShuffledExamples):
            self._examples.order = epoch_order(len(self._examples.order), self._seed, epoch)
        self._last = self._steps[epoch - 1]
        if self._factor is not None:
            self.model.optimizer.learning_rate = self._first_rate * self._factor()

    def _end_step(self, step: int) -> None:
        # Keras validates, and leaves out the rest of the epoch. Not at the end of a whole one, of
        # which Keras's adapter of the data would not hear.
        if self._last <= step < (self._per_epoch or len(self._examples)):
            self.model.stop_training = True

    def _end_epoch(self, metrics: Metrics) -> None:
        self._answers.put(metrics)
        self.model.stop_training = not self._is_told_to_train()

    def _is_told_to_train(self) -> bool:
        """Do what is asked for until that is to train, or to end."""
        while callable(order := self._orders.get()):
            try:
                self._answers.put(order())
            except Exception as error:
                self._answers.put(error)
        return order is None

    def _set_variables(self, values: State) -> list[Array]:
        # A first step makes the variables that an optimizer, a metric or a layer still lacks. By
        # `fit`, which is compiled once and gives a `train_step` of the user's what it will get.
        first = self._examples if self._per_epoch is None else begun(self._examples, 0, self._seed)
        self.model.fit(first, steps_per_epoch=1, shuffle=False, verbose=0)
        own = variables(self.model)
        kept = values[len(own) :]
        shapes = [*map(_shape, own), *(map(_shape, self.model.weights) if kept else ())]
        if shapes != list(map(_shape, values)):
            raise CheckpointError(
                f"Expected the state of this network, of {len(own)} variables. "
                f"Received: {len(values)} arrays, or of other shapes."
            )
        for variable, value in zip(own, values, strict=False):
            variable.assign(value)
        return kept


class _EachEpoch(keras.callbacks.Callback):  # type: ignore[misc]
    """Calls functions at the beginning of an epoch, after a step, and at the end of an epoch."""

    def __init__(
        self,
        begin: Callable[[int], None],
        end_step: Callable[[int], None],
        end: Callable[[Metrics], None],
    ) -> None:
        super().__init__()
        self._begin, self._end_step, self._end = begin, end_step, end

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self._begin(epoch + 1)

    def on_train_batch_end(self, batch: int, logs: object = None) -> None:
        self._end_step(batch + 1)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any]) -> None:
        self._end({name: np.asarray(value).item() for name, value in logs.items()})


def _is_shuffled_by_keras(examples: Any) -> bool:
    """Tell whether Keras shuffles batches: those of a user's `PyDataset` that ends, with hooks."""
    is_users = not isinstance(examples, ShuffledExamples)
    return is_users and isinstance(examples, keras.utils.PyDataset) and length(examples) is not None


def _shape(value: Any) -> tuple[int, ...]:
    return tuple(value.shape)


def _value(variable: keras.Variable) -> Array:
    return np.array(keras.ops.convert_to_numpy(variable))
