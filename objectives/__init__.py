"""Networks, data sets and training: how one trial is run. Importing this loads no Keras.

Each name is imported when it is first used: many commands need an error of this package only.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from objectives.data.options import DataOptions
    from objectives.errors import (
        CheckpointError,
        CodeError,
        DataError,
        DataNotFoundError,
        ObjectiveError,
        RenderingError,
        SettingError,
        UnknownNameError,
    )
    from objectives.fields import HyperparameterInfo
    from objectives.hyperparameters import Hyperparameters
    from objectives.objective import Objective, get, names
    from objectives.registered import admit

_HOME = {
    "DataOptions": "objectives.data.options",
    "HyperparameterInfo": "objectives.fields",
    "Hyperparameters": "objectives.hyperparameters",
    "Objective": "objectives.objective",
    "admit": "objectives.registered",
    "get": "objectives.objective",
    "names": "objectives.objective",
}

__all__ = [
    "CheckpointError",
    "CodeError",
    "DataError",
    "DataNotFoundError",
    "DataOptions",
    "HyperparameterInfo",
    "Hyperparameters",
    "Objective",
    "ObjectiveError",
    "RenderingError",
    "SettingError",
    "UnknownNameError",
    "admit",
    "get",
    "names",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_HOME.get(name, "objectives.errors")), name)
    globals()[name] = found
    return found
