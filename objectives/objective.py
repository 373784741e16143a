"""What a study can optimize: networks by name, with their hyperparameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from objectives.clock import network
from objectives.clock.hyperparameters import (
    DEFAULTS_BEFORE,
    HEAD_NUMBERS,
    ClockHyperparameters,
)
from objectives.clock.metrics import METRICS as CLOCK_METRICS
from objectives.errors import unknown_name
from objectives.head import Head
from objectives.hyperparameters import Hyperparameters
from objectives.networks import cnn, mlp
from objectives.types import Direction, Labels

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class Objective:
    """A kind of network and what can be varied in it. Making one loads no Keras.

    Attributes:
        name: The name that a study gives.
        summary: One sentence for a list of objectives.
        hyperparameters: The class of its settings.
        cpu_backend: The Keras backend that trains it fastest on a CPU.
        build: Takes the settings, the input shape (h, w, c), the number of classes, the input's
            dtype ("uint8" or "float32") and what its pixels are divided by; returns the network, of
            stock Keras layers, uncompiled. Only kernels are initialized at random:
            `objectives.training.initial_weights` draws them from the distribution of each layer's
            `kernel_initializer`.
        head: Takes the settings and the numbers of `head_numbers`, each a float or a variable;
            returns the label codec of the network.
        metrics: What a study can optimize, and in which direction; the first is the default.
        labels: The labels that it is trained on.
        head_numbers: Tunable settings that the head reads. In a compiled program they are variables
            of the network's last layer, which therefore has no weights of its own.
        figures: The module that draws what a network predicts of pictures, with `draw` and `plots`
            as in `objectives.clock.figures`; None for none.
        defaults_before: Defaults that were others before studies stored theirs.
    """

    name: str
    summary: str
    hyperparameters: type[Hyperparameters]
    cpu_backend: Literal["jax", "tensorflow"]
    build: Callable[..., keras.Model]
    head: Callable[[Any, Mapping[str, Any]], Head]
    metrics: Mapping[str, Direction]
    labels: Labels
    head_numbers: tuple[str, ...] = ()
    figures: str | None = None
    defaults_before: Mapping[str, Any] = field(default_factory=dict)

    def head_of(self, hyperparameters: Hyperparameters) -> Head:
        """Make a trial's head, with the numbers of its settings."""
        return self.head(hyperparameters, hyperparameters.numbers(self.head_numbers))


def _classification(hyperparameters: Hyperparameters, numbers: Mapping[str, Any]) -> Head:
    from objectives.networks.classification import Classification

    return Classification()


_CLASS_METRICS: dict[str, Direction] = {"val_accuracy": "maximize", "val_loss": "minimize"}

_OBJECTIVES = (
    Objective(
        name="clock",
        summary="Convolutional network that reads the time from pictures of clocks.",
        hyperparameters=ClockHyperparameters,
        cpu_backend="tensorflow",
        build=network.build,
        head=network.head,
        metrics=CLOCK_METRICS,
        labels="minute",
        head_numbers=HEAD_NUMBERS,
        figures="objectives.clock.figures",
        defaults_before=DEFAULTS_BEFORE,
    ),
    Objective(
        name="cnn",
        summary="Convolutional network that classifies pictures.",
        hyperparameters=cnn.CnnHyperparameters,
        # XLA's convolutions on a CPU take about five times as long as TensorFlow's.
        cpu_backend="tensorflow",
        build=cnn.build,
        head=_classification,
        metrics=_CLASS_METRICS,
        labels="class",
    ),
    Objective(
        name="mlp",
        summary="Multilayer perceptron that classifies pictures.",
        hyperparameters=mlp.MlpHyperparameters,
        cpu_backend="jax",
        build=mlp.build,
        head=_classification,
        metrics=_CLASS_METRICS,
        labels="class",
    ),
)


def names() -> tuple[str, ...]:
    """Return the names of all objectives, sorted."""
    return tuple(objective.name for objective in _OBJECTIVES)


def get(name: str) -> Objective:
    """Return an objective by its name.

    Raises:
        UnknownNameError: There is no objective of that name.
    """
    for objective in _OBJECTIVES:
        if objective.name == name:
            return objective
    raise unknown_name("an objective", name, names())
