"""Tell what a user's code is that builds networks: `build(trial)`, or KerasTuner's."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from functools import update_wrapper
from typing import Any

from objectives.errors import CodeError
from objectives.own.build_trial import BuildTrial
from objectives.own.takes_hp import takes_hp
from objectives.own.tuner_build import TunerBuild
from objectives.own.tuner_fit import TunerFit

RESULTS = "a network, by build(trial) or build(hp), or a HyperModel"


def builder_of(found: Any, name: str) -> Callable[[BuildTrial], Any]:
    """Return a function of our trial that builds networks as a user's code does.

    Args:
        found: What the user has named: a function, or of KerasTuner a `HyperModel`, its class or
            an instance.
        name: Its name.

    Raises:
        CodeError: It is none of these, or a class that cannot be made without arguments, or
            KerasTuner is not installed.
    """
    tuner = sys.modules.get("keras_tuner")  # it is there if a class of it is
    if tuner is not None:
        if isinstance(found, type) and issubclass(found, tuner.HyperModel):
            return _of_hyper_model(_made(found), name)
        if isinstance(found, tuner.HyperModel):
            return _of_hyper_model(found, name)
        if isinstance(found, tuner.Tuner) or (
            isinstance(found, type) and issubclass(found, tuner.Tuner)
        ):
            raise CodeError(
                f"Expected what builds {RESULTS}. Received: {name}, a Tuner of KerasTuner. Name "
                "the function or the HyperModel that it was given; what its run_trial does, a fit "
                "of the HyperModel can do."
            )
    if not callable(found):
        raise CodeError(
            f"Expected what builds {RESULTS}. Received: {name}, which is of type "
            f"{type(found).__name__}."
        )
    return TunerBuild(found, name) if takes_hp(found) else found


def _of_hyper_model(model: Any, name: str) -> TunerBuild:
    if type(model).fit is not sys.modules["keras_tuner"].HyperModel.fit:
        return TunerFit(model, name)
    build = TunerBuild(model.build, name)
    build.found = f"{name} is a HyperModel of KerasTuner."
    update_wrapper(build, type(model).build, updated=())
    return build


def _made(kind: type[Any]) -> Any:
    """Return a `HyperModel` of a class, made without arguments."""
    try:
        inspect.signature(kind).bind()
    except TypeError as error:
        raise CodeError(
            f"Expected a HyperModel that is made without arguments. Received: {kind.__name__}: "
            f"{error}. Make one in the file, such as hypermodel = {kind.__name__}(...), and name "
            "that: my_net.py:hypermodel."
        ) from None
    try:
        return kind()
    except Exception as error:
        raise CodeError(
            f"Expected a HyperModel that is made without arguments. Received: {kind.__name__}(), "
            f"which raises {type(error).__name__}: {error}."
        ) from error
