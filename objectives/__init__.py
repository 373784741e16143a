"""How one trial is evaluated: networks, data sets, training. Importing this loads no Keras."""

from objectives.data.datasets import DataOptions
from objectives.fields import HyperparameterInfo
from objectives.hyperparameters import Hyperparameters
from objectives.objective import Objective, get, names

__all__ = ["DataOptions", "HyperparameterInfo", "Hyperparameters", "Objective", "get", "names"]
