"""What a study can optimize: networks by name, with their hyperparameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from objectives import cnn, mlp
from objectives.hyperparameters import Hyperparameters
from objectives.naming import unknown_name

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Objective:
    """One kind of network and what can be varied in it. Making one loads no Keras.

    Attributes:
        name: The name that a study gives.
        summary: One sentence for a list of objectives.
        hyperparameters: The class of its settings.
        cpu_backend: The Keras backend that trains it fastest on a CPU.
        build: Takes the settings, the input shape (h, w, c), the number of classes and the input's
            dtype ("uint8" or "float32"); returns the network, of stock Keras layers, uncompiled.
            Only kernels begin at random: `objectives.first_weights` draws them for a trial, from
            the distribution of each layer's `kernel_initializer`.
    """

    name: str
    summary: str
    hyperparameters: type[Hyperparameters]
    cpu_backend: Literal["jax", "tensorflow"]
    build: Callable[..., keras.Model]


_OBJECTIVES = (
    Objective(
        name="cnn",
        summary="Convolutional network that classifies pictures.",
        hyperparameters=cnn.CnnHyperparameters,
        # XLA's convolutions on a CPU take about five times as long as TensorFlow's.
        cpu_backend="tensorflow",
        build=cnn.build,
    ),
    Objective(
        name="mlp",
        summary="Multilayer perceptron that classifies pictures.",
        hyperparameters=mlp.MlpHyperparameters,
        cpu_backend="jax",
        build=mlp.build,
    ),
)


def names() -> tuple[str, ...]:
    """Return the names of all objectives, sorted."""
    return tuple(objective.name for objective in _OBJECTIVES)


def get(name: str) -> Objective:
    """Return an objective by its name.

    Raises:
        ValueError: There is none of that name.
    """
    for objective in _OBJECTIVES:
        if objective.name == name:
            return objective
    raise unknown_name("an objective", name, names())
