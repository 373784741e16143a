"""KerasTuner's `HyperParameters`, filled by a trial of ours: the one place with its private names.

Importing it imports KerasTuner.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import keras_tuner
from keras_tuner import HyperParameters

from objectives.errors import CodeError
from objectives.own.build_trial import BuildTrial
from objectives.own.parameter import Parameter, Value

DIGITS = 12  # of a step's multiples, so that 0.1 * 3 is 0.3

if not hasattr(HyperParameters, "_retrieve"):
    raise CodeError(
        "Expected KerasTuner 1.4, whose HyperParameters this service knows. "
        f"Received: version {keras_tuner.__version__}."
    )


class AskingHyperParameters(HyperParameters):  # type: ignore[misc]
    """The hyperparameters of a trial, as `build(hp)` asks for them.

    Names, scopes and conditions are KerasTuner's own. Only what is active is asked of the trial.

    Args:
        trial: Chooses the values.
    """

    def __init__(self, trial: BuildTrial) -> None:
        super().__init__()
        self._trial = trial

    def _retrieve(self, hp: Any) -> Any:
        """Return the value of a hyperparameter; None where it is not active."""
        value = super()._retrieve(hp)
        if not self.is_active(hp):
            return None
        parameter = parameter_of(hp)
        if parameter is not None:
            value = self.values[hp.name] = _number(parameter)(self._trial.ask(parameter))
        return value


def parameter_of(hp: Any) -> Parameter | None:
    """Return what a hyperparameter of KerasTuner is here; None for one that is fixed."""
    match type(hp).__name__:
        case "Fixed":
            return None
        case "Choice" | "Boolean":
            return Parameter(hp.name, tuple(hp.values))
        case "Int" | "Float":
            return _range_of(hp, is_whole=type(hp).__name__ == "Int")
    raise CodeError(
        "Expected hp.Int, hp.Float, hp.Choice, hp.Boolean or hp.Fixed. Received: "
        f"{hp.name}, which is of type {type(hp).__name__}."
    )


def is_reversed(hp: Any) -> bool:
    """Tell whether a range is drawn on a scale that there is none for here."""
    return getattr(hp, "sampling", None) == "reverse_log" and hp.step is None


def _range_of(hp: Any, *, is_whole: bool) -> Parameter:
    """Return a range; a list of choices where the steps between values are factors."""
    low, high, step = hp.min_value, hp.max_value, hp.step
    if hp.sampling == "linear" and step is not None:
        n = math.floor((high - low) / step + 1e-9)  # not `//`: 1 // 0.1 is 9
        highest = low + n * step if is_whole else round(low + n * step, DIGITS)
        return Parameter(hp.name, (), low, highest, step, is_whole=is_whole)
    if step is None:
        log = hp.sampling == "log"
        return Parameter(hp.name, (), low, high, 1 if is_whole else None, log, is_whole=is_whole)
    n = math.floor(math.log(high / low, step) + 1e-8)
    powers = [low * step**i for i in range(n + 1)]
    if hp.sampling == "reverse_log":
        powers = [low + high - each for each in reversed(powers)]
    number = int if is_whole else lambda value: float(f"{value:.{DIGITS}g}")
    return Parameter(hp.name, tuple(dict.fromkeys(map(number, powers))))


def _number(parameter: Parameter) -> Callable[[Any], Value]:
    """Return what makes a value of a setting one of its kind: TOML has 1 for 1.0."""
    if parameter.choices:
        return lambda value: value
    return int if parameter.is_whole else float
