"""Networks, data sets and training: how one trial is run. Importing this loads no Keras."""

from objectives.data.options import DataOptions
from objectives.errors import (
    CheckpointError,
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

__all__ = [
    "CheckpointError",
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
    "get",
    "names",
]
