"""What a study can optimize: networks by name, with their hyperparameters."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from objectives import registered
from objectives.clock import network
from objectives.clock.hyperparameters import (
    DEFAULTS_BEFORE,
    HEAD_NUMBERS,
    ClockHyperparameters,
)
from objectives.clock.metrics import METRICS as CLOCK_METRICS
from objectives.errors import CodeError, unknown_name
from objectives.head import Head, TargetScale
from objectives.hyperparameters import Hyperparameters
from objectives.networks import class_metrics, cnn, mlp
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
            dtype ("uint8" or "float32") and what its pixels are divided by, with `permuted` where
            they are permuted; returns the network, of
            stock Keras layers, uncompiled. Only kernels are initialized at random:
            `objectives.training.initial_weights` draws them from the distribution of each layer's
            `kernel_initializer`.
        head: Takes the settings and the numbers of `head_numbers`, each a float or a variable;
            returns the label codec of the network.
        metrics: What a study can optimize, and in which direction; the first is the default.
        labels: The labels that it is trained on.
        on_request: Metrics that a study can optimize -> what its head is asked to report for each,
            named without `val_`, beside what it reports anyway.
        head_numbers: Tunable settings that the head reads. In a compiled program they are variables
            of the network's last layer, which therefore has no weights of its own.
        figures: The module that draws what a network predicts of pictures, with `draw` and `plots`
            as in `objectives.clock.figures`; None for none.
        defaults_before: Defaults that were others before studies stored theirs.
        number_metrics: Those of numbers, for a network that learns from tables, whose rows are
            numbers and whose target is a class or a number; none for others.
    """

    name: str
    summary: str
    hyperparameters: type[Hyperparameters]
    cpu_backend: Literal["jax", "tensorflow"]
    build: Callable[..., keras.Model]
    head: Callable[[Any, Mapping[str, Any]], Head]
    metrics: Mapping[str, Direction]
    labels: Labels
    on_request: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    head_numbers: tuple[str, ...] = ()
    figures: str | None = None
    defaults_before: Mapping[str, Any] = field(default_factory=dict)
    number_metrics: Mapping[str, Direction] = field(default_factory=dict)

    def head_of(
        self,
        hyperparameters: Hyperparameters,
        target: TargetScale | None = None,
        numbers: Mapping[str, Any] | None = None,
        reported: Sequence[str] = (),
    ) -> Head:
        """Make a trial's head.

        Args:
            hyperparameters: The setting.
            target: The scale of the numbers that it learns to tell; None for labels.
            numbers: The numbers of `head_numbers`; None for those of the setting.
            reported: Metrics of `on_request` that it reports.
        """
        if target is not None:
            from objectives.networks.regression import Regression

            return Regression(target)
        own = hyperparameters.numbers(self.head_numbers) if numbers is None else numbers
        return self.head(hyperparameters, own).reporting(reported)

    def every_metric(self) -> list[str]:
        """Return all that the head can be asked to report."""
        return sorted({name for names in self.on_request.values() for name in names})


def _classification(hyperparameters: Hyperparameters, numbers: Mapping[str, Any]) -> Head:
    from objectives.networks.classification import Classification

    return Classification()


_NUMBER_METRICS: dict[str, Direction] = {
    "val_rmse": "minimize",
    "val_mae": "minimize",
    "val_r2": "maximize",
    "val_loss": "minimize",
}

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
        metrics=class_metrics.METRICS,
        labels="class",
        on_request=class_metrics.ON_REQUEST,
    ),
    Objective(
        name="mlp",
        summary="Multilayer perceptron that classifies pictures, or tells a column of a table.",
        hyperparameters=mlp.MlpHyperparameters,
        cpu_backend="jax",
        build=mlp.build,
        head=_classification,
        metrics=class_metrics.METRICS,
        labels="class",
        on_request=class_metrics.ON_REQUEST,
        number_metrics=_NUMBER_METRICS,
    ),
)


def names() -> tuple[str, ...]:
    """Return the names of all objectives, sorted: the service's, and admitted ones of packages."""
    own = {objective.name for objective in _OBJECTIVES}
    return tuple(sorted(own.union(registered.names())))


def get(name: str) -> Objective:
    """Return an objective by its name.

    Raises:
        UnknownNameError: There is no objective of that name, or it is one of a package that was not
            admitted; see `objectives.registered`.
        CodeError: What a package has registered is none.
    """
    for objective in _OBJECTIVES:
        if objective.name == name:
            return objective
    found = registered.load(name)
    if found is None:
        raise unknown_name("an objective", name, names(), remedy=registered.remedy(name))
    if not isinstance(found, Objective) or found.name != name:
        what = f"one named {found.name}" if isinstance(found, Objective) else repr(found)
        raise CodeError(
            f"Expected an objectives.Objective named {name}, as registered. Received: {what}."
        )
    return found
