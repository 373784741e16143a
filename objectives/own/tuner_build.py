"""KerasTuner's `build(hp)` as a function of our trial.

So the space is found, the networks are built and the trials are trained as those of `build(trial)`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import update_wrapper
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from objectives.code.find_function import INSTALL_KERAS_TUNER
from objectives.errors import CodeError
from objectives.own.build_trial import BuildTrial

if TYPE_CHECKING:
    import keras

    from objectives.own.keras_tuner_internals import AskingHyperParameters


class TunerBuild:
    """Builds networks by `build(hp)`, KerasTuner's usual signature.

    Args:
        build: The function, or the method of a `HyperModel`.
        name: What a person calls it.

    Attributes:
        found: What it is, in a sentence for a person.
        reversed: The hyperparameters so far that KerasTuner draws on a reversed scale.

    Raises:
        CodeError: KerasTuner is not installed, or another version of it.
    """

    def __init__(self, build: Callable[..., Any], name: str) -> None:
        try:
            from objectives.own import keras_tuner_internals as internals
        except ModuleNotFoundError as error:
            raise CodeError(
                f"Expected KerasTuner, whose HyperParameters {name}(hp) takes. Received: "
                f"{error}. {INSTALL_KERAS_TUNER} A function of this service names its parameter "
                "trial."
            ) from None
        self._build = build
        self._internals = internals
        self._asked: WeakKeyDictionary[keras.Model, AskingHyperParameters] = WeakKeyDictionary()
        self.found = f"{name} takes KerasTuner's hp."
        self.reversed: dict[str, None] = {}
        # Errors name the user's line, in the file of the function that this wraps.
        update_wrapper(self, getattr(build, "__func__", build), updated=())

    def __call__(self, trial: BuildTrial) -> Any:
        """Return what `build` returns with the values of a trial."""
        hp = self._internals.AskingHyperParameters(trial)
        built = self._build(hp)
        self.reversed |= {each.name: None for each in hp.space if self._internals.is_reversed(each)}
        if hasattr(built, "__weakref__"):
            self._asked[built] = hp
        return built

    def notes(self) -> list[str]:
        """Return sentences for a person: what it is, and what is searched in another way."""
        notes = [self.found]
        if self.reversed:
            names = ", ".join(self.reversed)
            notes.append(f'{names}: sampling="reverse_log" is searched on a linear scale.')
        return notes
