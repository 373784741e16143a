"""Tell KerasTuner's code from Optuna's, by what it takes; neither of them is imported."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable
from typing import Any

from objectives.errors import CodeError


def check_no_network(found: Any, name: str) -> None:
    """Check that what a user has named without a data set builds no network for KerasTuner.

    Args:
        found: What was named.
        name: Its name.

    Raises:
        CodeError: It does.
    """
    tuner = sys.modules.get("keras_tuner")  # it is there if a class of it is
    if tuner is None:
        return
    is_model = isinstance(found, tuner.HyperModel)
    is_class = isinstance(found, type) and issubclass(found, tuner.HyperModel)
    if is_model or is_class or (callable(found) and takes_hp(found)):
        kind = "a HyperModel of KerasTuner" if is_model or is_class else "build(hp) of KerasTuner"
        raise CodeError(
            f"Expected dataset, the data to train on, for {name}, {kind}, which builds a network. "
            'Received: a study without it. Write such as dataset = "fashion_mnist", an .npz, a '
            "table, a folder of pictures, or a function that returns arrays: my_net.py:load."
        )


def takes_hp(function: Callable[..., Any]) -> bool:
    """Tell whether a function takes KerasTuner's hyperparameters.

    Its parameter's annotation or name tells; else whether its file imports KerasTuner.
    """
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return False
    if not parameters:
        return False
    annotation = str(parameters[0].annotation)
    if "HyperParameters" in annotation or "Trial" in annotation:
        return "HyperParameters" in annotation
    if parameters[0].name in ("hp", "trial"):
        return parameters[0].name == "hp"
    names = getattr(inspect.unwrap(function), "__globals__", {}).values()
    packages = (
        getattr(each, "__module__", None) or getattr(each, "__name__", "") for each in names
    )
    return any(str(name).partition(".")[0] == "keras_tuner" for name in packages)
