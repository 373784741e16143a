"""Train a network by the `fit` of a user's `HyperModel`, which calls the network's own in turn.

The call is completed: with the trial's epochs, its order of the examples, and a callback that hands
out each epoch. So a trial is reported, pruned and resumed as one that the service trains. Where no
epoch reports the trial's metric, all that `fit` does is one epoch, whose metrics it returns.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import keras
import numpy as np

from objectives.data.arrays import rows
from objectives.errors import CheckpointError, unknown_name
from objectives.own.hyperparameters import OwnHyperparameters
from objectives.own.tuner_fit import (
    TunerFit,
    fit_arguments,
    listed,
    real_fit,
    replaced_fit,
    returned_metrics,
)
from objectives.training.fit import Fit, Metrics, ShuffledExamples, State
from objectives.training.schedule import epoch_order
from objectives.types import Array, Batch


class OwnFit(Fit):
    """A network that is built and trained by a user's `fit`, as far as it is asked to.

    Args:
        build: Returns the compiled network.
        own: The `HyperModel`.
        train: The examples to train on.
        validation: Those to validate on.
        hyperparameters: Epochs and batch size; those that the study does not set are the code's.
        seed: The seed of the first weights, the dropout and the order of the examples.
        metric: The trial's metric.
        factor: As for `Fit`.

    Attributes:
        n_epochs: The epochs of the first call of the network's `fit`.

    Raises:
        Exception: What `build`, or the user's `fit` before it trains, raises.
    """

    def __init__(
        self,
        build: Callable[[], keras.Model],
        own: TunerFit,
        train: Batch,
        validation: Batch,
        hyperparameters: OwnHyperparameters,
        *,
        seed: int,
        metric: str,
        factor: Callable[[], float] | None = None,
    ) -> None:
        self.ended = False
        self.n_epochs = hyperparameters.epochs
        self._own = own
        self._train = train
        self._hyperparameters = hyperparameters
        self._metric = metric
        self._callback = _Callback(self._begin_epoch, self._end_epoch)
        self._calls = 0  # of the network's fit
        self._trains = False  # whether one of them is under way
        self._resumable = False
        self._shuffles = True
        self._is_ready = False
        self._pending: Metrics | None = None  # of an epoch that has not been handed out
        self._others: Metrics = {}  # of epochs that do not report the trial's metric
        self._last_weights: list[Array] | None = None  # of the epoch that is pending
        super().__init__(
            build,
            train,
            validation,
            batch_size=hyperparameters.batch_size,
            seed=seed,
            steps=(),
            factor=factor,
        )

    def state(self) -> State:
        """Return a copy of the values of all variables; none where training would begin anew."""
        return super().state() if self._trains and self._resumable else []

    def weights(self) -> list[Array]:
        """Return a copy of the network's weights at the end of the last epoch."""
        return super().weights() if self._last_weights is None else self._last_weights

    def _run(self) -> None:
        try:
            self._build_network()
            self._call_own()
        except _Left:
            return
        except BaseException as error:
            self._answers.put(error)

    def _call_own(self) -> None:
        with replaced_fit(self.model, self._called):
            returned = self._own.fit(
                self.model,
                self._train,
                self._validation,
                self._callback,
                self._hyperparameters,
            )
        if not self._is_ready:  # it has trained, with no epoch to stop at
            self._hand_out()
        metrics = self._pending or {**self._others, **returned_metrics(returned)}
        if self._metric not in metrics:
            raise unknown_name("a metric that fit reports or returns", self._metric, metrics)
        self.ended = True
        self._answers.put(metrics)
        self._is_told_to_train()

    def _called(self, *args: Any, **kwargs: Any) -> Any:
        """Train in place of the network's `fit`."""
        given = fit_arguments(args, kwargs)
        self._calls += 1
        with real_fit(self.model):  # what stands in its place holds no variables of the network
            self._complete(given)
            self._hand_out()
            given["initial_epoch"] = max(given.get("initial_epoch", 0), self._completed)
            self._trains = True
            history = self.model.fit(**given)
            self._trains = False
        return history

    def _complete(self, given: dict[str, Any]) -> None:
        """Complete the arguments of the network's `fit`."""
        is_first = self._calls == 1
        epochs = int(self._of_study_or(given, "epochs"))
        batch_size = int(self._of_study_or(given, "batch_size"))
        if is_first:
            self.n_epochs = epochs
        callbacks = [c for c in listed(given.get("callbacks")) if not isinstance(c, _Callback)]
        given.pop("validation_freq", None)
        given |= {"epochs": epochs, "verbose": 0, "callbacks": [*callbacks, self._callback]}
        self._resumable = is_first and self._is_plain(given)
        if self._is_plain(given):
            parts = [given.pop(name, None) for name in ("x", "y", "sample_weight")]
            plain = keras.tree.map_structure(_as_numpy, tuple(p for p in parts if p is not None))
            self._shuffles = bool(given.pop("shuffle", True))
            self._examples = ShuffledExamples(plain, min(batch_size, len(self._examples.order)))
            self.example = rows(plain, slice(1))[0]
            given |= {"x": self._examples, "shuffle": False}
            given.pop("batch_size", None)
        elif _is_arrays(given.get("x")):
            given["batch_size"] = batch_size
        if _is_arrays(given.get("validation_data")):
            given.setdefault("validation_batch_size", batch_size)
        if not is_first:
            self._completed = 0

    def _of_study_or(self, given: Mapping[str, Any], name: str) -> Any:
        """Return a number of training: the study's where it has one, else the code's."""
        number = getattr(self._hyperparameters, name)
        if name in self._hyperparameters.model_fields_set or given.get(name) is None:
            return number
        return given[name]

    def _is_plain(self, given: Mapping[str, Any]) -> bool:
        """Tell whether the examples are arrays, whose order can be the trial's."""
        is_cut = given.get("validation_split") or given.get("steps_per_epoch")
        parts = given.get("x"), given.get("y")
        return not is_cut and all(each is not None and _is_arrays(each) for each in parts)

    def _hand_out(self) -> None:
        """Hand out the epoch that has ended, if there is one, and do what is asked for next."""
        if not self._is_ready:
            self._is_ready = True
            self._answers.put(None)
        elif self._pending is not None:
            answer, self._pending = self._pending, None
            self._answers.put(answer)
        else:
            return
        if not self._is_told_to_train():
            raise _Left
        self._last_weights = None

    def _begin_epoch(self, epoch: int) -> None:
        self._hand_out()
        if self._trains and self._shuffles:
            self._examples.order = epoch_order(len(self._examples.order), self._seed, epoch)
        if self._factor is not None:
            self.model.optimizer.learning_rate = self._first_rate * self._factor()

    def _end_epoch(self, metrics: Metrics) -> None:
        if not self._trains:  # the user's own loop, which need not tell where an epoch begins
            self._hand_out()
        if self._metric in metrics:
            self._pending = metrics
            # What follows the last epoch may change them: early stopping, which restores the best.
            self._last_weights = [_as_numpy(each) for each in self.model.weights]
        else:
            self._others |= metrics

    def _set_variables(self, values: State) -> list[Array]:
        if not self._resumable:
            raise CheckpointError(
                "Expected a fit that trains on arrays, by one call of model.fit. Received: another."
            )
        return super()._set_variables(values)


class _Left(BaseException):
    """The trial has ended before the user's code. No Exception, which that code may catch."""


class _Callback(keras.callbacks.Callback):  # type: ignore[misc]
    """Calls functions at the beginning and at the end of an epoch."""

    def __init__(self, begin: Callable[[int], None], end: Callable[[Metrics], None]) -> None:
        super().__init__()
        self._begin, self._end = begin, end

    def __deepcopy__(self, memo: object) -> _Callback:
        return self  # KerasTuner's users copy callbacks for each execution

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        self._begin(epoch + 1)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self._end({name: np.asarray(value).item() for name, value in (logs or {}).items()})


def _is_arrays(parts: Any) -> bool:
    leaves = keras.tree.flatten(parts)
    return all(hasattr(leaf, "shape") and hasattr(leaf, "dtype") for leaf in leaves)


def _as_numpy(array: Any) -> Array:
    return np.array(keras.ops.convert_to_numpy(array))
