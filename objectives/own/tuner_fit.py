"""A `HyperModel` with a `fit` of its own: what it is called with, what it asks for and reports.

KerasTuner calls `fit(hp, model, *args, **kwargs)` with what `tuner.search` was given. Here these
are the data of the study and a callback. In place of the network's own `fit`, which it calls in
turn, stands a function of ours: it completes the call, or keeps it from training.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import update_wrapper
from typing import Any

import keras
import numpy as np

from objectives.data.arrays import rows
from objectives.data.datasets import Dataset
from objectives.errors import SettingError
from objectives.own.build_trial import BuildTrial
from objectives.own.built import check_built
from objectives.own.directions import RETURNED
from objectives.own.hyperparameters import OwnHyperparameters
from objectives.own.tuner_build import TunerBuild
from objectives.types import Batch

EXAMPLES = 256  # on which a fit is tried, which may cut off a part, or leave out the last batch
NUMBERS = ("epochs", "batch_size")


class TunerFit(TunerBuild):
    """Builds networks by a `HyperModel`, and trains them by its `fit`.

    Args:
        model: The `HyperModel`.
        name: What a person calls it.

    Attributes:
        way: Why its networks are trained by `fit`, a clause.
    """

    def __init__(self, model: Any, name: str) -> None:
        super().__init__(model.build, name)
        self._fit = model.fit
        self._calls: list[dict[str, Any]] = []  # of the network's `fit`, in all that was probed
        self._notes: list[str] = []
        self.way = f"{name} has a fit of its own"
        self.found = f"{name} is a HyperModel of KerasTuner with a fit of its own, which trains it."
        update_wrapper(self, type(model).fit, updated=())

    def notes(self) -> list[str]:
        """Return sentences for a person."""
        return [*super().notes(), *self._notes]

    def fit(
        self,
        model: keras.Model,
        train: Batch,
        validation: Batch,
        callback: keras.callbacks.Callback,
        hyperparameters: OwnHyperparameters,
    ) -> Any:
        """Call `fit` of the `HyperModel`, and return what it returns.

        Epochs and batch size are given only where it names them: most write them into the call of
        `model.fit`, beside **kwargs.
        """
        x, y, *weights = train
        words = {"validation_data": validation, "callbacks": [callback]}
        if weights:
            words["sample_weight"] = weights[0]
        known = inspect.signature(self._fit).parameters
        numbers = {name: getattr(hyperparameters, name) for name in NUMBERS}
        words |= {name: value for name, value in numbers.items() if name in known}
        if not any(each.kind is each.VAR_KEYWORD for each in known.values()):
            words = {name: value for name, value in words.items() if name in known}
        return self._fit(self._asked[model], model, x, y, **words)

    def probing(self, data: Dataset) -> Callable[[BuildTrial], keras.Model]:
        """Return a function that builds a network, and calls `fit` until that would train.

        So a trial is asked for what `fit` reads, such as a batch size.
        """

        def probe(trial: BuildTrial) -> keras.Model:
            model = check_built(self(trial))
            with _until_reached(), replaced_fit(model, self._reach):
                vars(model)["train_on_batch"] = _raise_reached
                self.fit(model, *_few(data), _Reaching(), OwnHyperparameters())
            vars(model).pop("train_on_batch", None)
            return model

        return update_wrapper(probe, self, updated=())

    def trying(self, data: Dataset, metrics: list[str]) -> Callable[[BuildTrial], keras.Model]:
        """Return a function that trains for one epoch on a few examples, and takes in its metrics.

        Args:
            data: The data of the study.
            metrics: Filled with the names.
        """

        def try_(trial: BuildTrial) -> keras.Model:
            model = check_built(self(trial))
            seen = _Seen()
            few = _few(data)

            def fit_once(*args: Any, **kwargs: Any) -> Any:
                given = fit_arguments(args, kwargs)
                if given.get("x") is not few[0][0]:
                    self._note("Its fit changes the data: hpo test gives the network those stored.")
                callbacks = [*listed(given.pop("callbacks", None)), seen]
                for name in ("initial_epoch", "verbose", "epochs"):
                    given.pop(name, None)
                with real_fit(model):
                    return model.fit(**given, epochs=1, verbose=0, callbacks=callbacks)

            with replaced_fit(model, fit_once):
                returned = self.fit(model, *few, seen, OwnHyperparameters())
            more = returned_metrics(returned)
            metrics.extend(dict.fromkeys((*seen.names, *more)))
            if RETURNED in more:
                self._note(
                    f"Its fit returns a number, the metric {RETURNED}. No epoch reports it: such a "
                    "trial is not pruned, and begins anew if it is lost."
                )
            return model

        return update_wrapper(try_, self, updated=())

    def training(self) -> dict[str, int | None]:
        """Return the numbers that `fit` has given to the network's: None for one that varies."""
        given = {name: [call[name] for call in self._calls if name in call] for name in NUMBERS}
        return {
            name: int(values[0]) if len(set(values)) == 1 else None
            for name, values in given.items()
            if values
        }

    def _reach(self, *args: Any, **kwargs: Any) -> None:
        self._calls.append(fit_arguments(args, kwargs))
        raise _Reached

    def _note(self, sentence: str) -> None:
        if sentence not in self._notes:
            self._notes.append(sentence)


@contextmanager
def replaced_fit(model: keras.Model, function: Callable[..., Any]) -> Iterator[None]:
    """Let a function stand in place of a network's `fit`."""
    vars(model)["fit"] = function  # not by setattr, with which Keras would look for layers in it
    try:
        yield
    finally:
        vars(model).pop("fit", None)


@contextmanager
def real_fit(model: keras.Model) -> Iterator[None]:
    """Let a network have its own `fit`, within `replaced_fit`."""
    function = vars(model).pop("fit")
    try:
        yield
    finally:
        vars(model)["fit"] = function


def fit_arguments(args: Sequence[Any], kwargs: Mapping[str, Any]) -> dict[str, Any]:
    """Return the arguments of a call of `model.fit` by name, those alone that were given."""
    bound = inspect.signature(keras.Model.fit).bind(None, *args, **kwargs)
    return {name: value for name, value in bound.arguments.items() if name != "self"}


def returned_metrics(returned: Any) -> dict[str, float]:
    """Return the metrics that `fit` of a `HyperModel` has returned: none where that is a history.

    Raises:
        SettingError: It has returned something else than KerasTuner takes.
    """
    if returned is None or isinstance(returned, keras.callbacks.History):
        return {}
    if isinstance(returned, dict):
        return {name: float(np.mean(value)) for name, value in returned.items()}
    if isinstance(returned, int | float | np.number) and not isinstance(returned, bool):
        return {RETURNED: float(returned)}
    raise SettingError(
        "Expected a fit that returns a History, a number, or a dict of metrics. "
        f"Received: {returned!r:.60}, of type {type(returned).__name__}."
    )


class _Reached(BaseException):
    """Training would begin. No Exception, which the user's code may catch."""


def _raise_reached(*args: object, **kwargs: object) -> None:
    raise _Reached


class _Reaching(keras.callbacks.Callback):  # type: ignore[misc]
    """Raises `_Reached` where a loop of the user's own begins to train."""

    set_model = on_train_begin = on_epoch_begin = on_train_batch_begin = _raise_reached
    on_epoch_end = _raise_reached


class _Seen(keras.callbacks.Callback):  # type: ignore[misc]
    """Takes in the names of metrics."""

    def __init__(self) -> None:
        super().__init__()
        self.names: list[str] = []

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        self.names += logs or ()


@contextmanager
def _until_reached() -> Iterator[None]:
    try:
        yield
    except _Reached:
        return


def _few(data: Dataset) -> tuple[Batch, Batch]:
    return rows(data.train, slice(EXAMPLES)), rows(data.validation, slice(EXAMPLES))


def listed(callbacks: Any) -> list[Any]:
    """Return callbacks as a list, which may be a list of Keras's own class."""
    found = getattr(callbacks, "callbacks", callbacks)
    return list(found) if isinstance(found, list | tuple) else [] if found is None else [found]
