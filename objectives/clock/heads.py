"""How a network's output says what time it is.

A head has one part or two, for the hour and for the minute. A part says how wrong an output is
about each of the 720 minutes of the dial; everything else follows. The loss is how wrong it is
about the label. The time read is the minute about which the parts are least wrong: both together
where they are decoded jointly, or else the hour by the one and the minute by the other.

Circular soft labels follow Diaz and Marathe (CVPR 2019, soft labels for ordinal classes), von Mises
likelihoods Prokudin et al. (ECCV 2018), here normalized over the minutes.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import keras
import numpy as np
from keras import ops

from objectives.clock import metrics as measure
from objectives.head import Array

if TYPE_CHECKING:
    from objectives.clock.network import ClockHyperparameters

MINUTES = np.arange(720)
CONCENTRATION = 10.0  # of an output of length 1 it is twice that: half the chance within 17 minutes
LEAST_SCORE = -69.0  # of a class that is as good as impossible: a chance of 1e-30
HALF_DAY, HOUR = 720, 60  # the minutes in which the hour hand and the minute hand go round


class Part(Protocol):
    """Some of a network's outputs, as they are trained for."""

    @property
    def units(self) -> int:
        """How many outputs it has."""

    @property
    def activation(self) -> str:
        """Of the last layer: "linear" or "tanh"."""

    @property
    def resolution(self) -> int:
        """How many minutes, one after the other, it cannot tell apart."""

    @property
    def is_vector(self) -> bool:
        """Whether its outputs are a sine and a cosine."""

    def losses(self, outputs: Any) -> Any:
        """Return the loss that these outputs have if it is each minute of the dial.

        Args:
            outputs: (n, units).

        Returns:
            (n, 720).
        """

    def ideal(self) -> Array:
        """Return outputs that are right about each minute of the dial, (720, units)."""


@dataclass(frozen=True)
class Number:
    """A time as one number.

    Attributes:
        values: The number of each minute of the dial, (720,).
        error: "mse", "mae", or "periodic": the shorter way round a dial of 12, whatever whole days
            lie between. So it is never above 6; an output kept within 0 to 12 would be stuck at
            the end that the shorter way goes over.
        units: One.
        activation: "linear".
        resolution: One minute.
        is_vector: False.
    """

    values: Array
    error: str
    units: int = 1
    activation: str = "linear"
    resolution: int = 1
    is_vector: bool = False

    def losses(self, outputs: Any) -> Any:
        """Return the error of each; see `Part`."""
        difference = outputs - _constant(self.values)[None]
        if self.error == "periodic":
            return ops.abs(ops.mod(difference + 6, 12) - 6)
        return ops.square(difference) if self.error == "mse" else ops.abs(difference)

    def ideal(self) -> Array:
        """Return the numbers themselves; see `Part`."""
        return np.asarray(self.values, float)[:, None]


@dataclass(frozen=True)
class Classes:
    """A circle of classes, by their scores.

    Attributes:
        period: The minutes in which the hand goes round.
        units: The number of classes, which divides the period.
        width: Deviation of the labels in classes, a number or a variable; None for hard labels.
        shape: "gaussian" or "von_mises", where labels are soft.
        activation: "linear".
        is_vector: False.
    """

    period: int
    units: int
    width: Any = None
    shape: str = "gaussian"
    activation: str = "linear"
    is_vector: bool = False

    @property
    def resolution(self) -> int:
        """A class of hard labels, one minute of soft ones; see `Part`."""
        return self._minutes if self.width is None else 1

    def losses(self, outputs: Any) -> Any:
        """Return how far the scores are from each label; see `Part`.

        That is the cross-entropy, less the label's own entropy where labels are soft: no network
        gets below it, and it is not the same for all minutes where labels are narrow.
        """
        scores = ops.log_softmax(outputs, axis=-1)
        if self.width is None:
            return -ops.take(scores, self._classes, axis=-1)
        log_labels = self._log_labels()
        labels = ops.exp(log_labels)
        entropy = -ops.sum(labels * log_labels, axis=-1)
        return -ops.matmul(scores, ops.transpose(labels)) - entropy[None]

    def ideal(self) -> Array:
        """Return scores that are those of the labels; see `Part`."""
        if self.width is None:
            own = self._classes[:, None] == np.arange(self.units)
            return np.where(own, 0.0, LEAST_SCORE)
        log_labels: Array = ops.convert_to_numpy(self._log_labels())
        return np.maximum(log_labels, LEAST_SCORE)

    @property
    def _minutes(self) -> int:
        return self.period // self.units

    @property
    def _classes(self) -> Array:
        return MINUTES % self.period // self._minutes

    def _log_labels(self) -> Any:
        """Return the logarithm of each class's chance for each minute, (720, units)."""
        middles = np.arange(self.units) * self._minutes + (self._minutes - 1) / 2
        way = (MINUTES[:, None] - middles + self.period / 2) % self.period - self.period / 2
        way = way / self._minutes  # in classes
        width = ops.cast(self.width, keras.backend.floatx())
        if self.shape == "gaussian":
            return ops.log_softmax(-_constant(way**2) / (2 * width**2), axis=-1)
        turn = self.units / (2 * math.pi)  # classes a radian
        return ops.log_softmax(_constant(np.cos(way / turn) - 1) * (turn / width) ** 2, axis=-1)


@dataclass(frozen=True)
class Hand:
    """Sine and cosine of a hand's angle from 12 o'clock, by their mean squared error.

    Attributes:
        period: The minutes in which the hand goes round.
        activation: "tanh" or "linear".
        is_unit: Whether only the direction of the outputs counts, brought to the length 1.
        units: Two.
        resolution: One minute.
        is_vector: True.
    """

    period: int
    activation: str = "tanh"
    is_unit: bool = False
    units: int = 2
    resolution: int = 1
    is_vector: bool = True

    def losses(self, outputs: Any) -> Any:
        """Return the mean squared error of each; see `Part`."""
        if self.is_unit:
            outputs = outputs / _length(outputs)
        squares = ops.sum(ops.square(outputs), axis=-1, keepdims=True)
        return (squares - 2 * _projections(outputs, self.period) + 1) / 2

    def ideal(self) -> Array:
        """Return the sine and cosine of each minute; see `Part`."""
        return angles_of(self.period)


@dataclass(frozen=True)
class VonMises:
    """A hand's direction with how sure the network is: the likelihood of a von Mises distribution.

    Its outputs are a vector: of its direction, with a concentration that grows with its length, at
    first in proportion and then with the square. With the square alone nearly nothing would pull a
    short vector, and every network begins with short ones. The distribution is normalized over
    the minutes.

    Attributes:
        period: The minutes in which the hand goes round.
        units: Two.
        activation: "linear".
        resolution: One minute.
        is_vector: True.
    """

    period: int
    units: int = 2
    activation: str = "linear"
    resolution: int = 1
    is_vector: bool = True

    def losses(self, outputs: Any) -> Any:
        """Return the negative log-likelihood of each; see `Part`."""
        scores = _projections(CONCENTRATION * (1 + _length(outputs)) * outputs, self.period)
        # The dial has every position of the minute hand twelve times.
        return math.log(self.period / HALF_DAY) - ops.log_softmax(scores, axis=-1)

    def ideal(self) -> Array:
        """Return vectors that are very sure; see `Part`."""
        return angles_of(self.period) * 200


@dataclass(frozen=True)
class Output:
    """A part in its place in a network.

    Attributes:
        name: Its name, after what it tells: "time", "hour" or "minute".
        part: How it is trained for.
        weight: Of its loss, a number or a variable.
    """

    name: str
    part: Part
    weight: Any = 1.0


class ClockHead:
    """The parts of a head together; see `objectives.head.Head`.

    Args:
        outputs: One for the time, or one for the hour and one for the minute; the network has their
            units side by side.
        is_joint: Whether the time is that which agrees best with both.
    """

    def __init__(self, outputs: Sequence[Output], *, is_joint: bool) -> None:
        self.outputs = tuple(outputs)
        self._is_joint = is_joint or len(self.outputs) == 1

    def loss(self, y: Any, outputs: Any) -> Any:
        """Return the weighted loss of each picture; see `Head`."""
        total = sum(
            output.weight * losses
            for output, losses in zip(self.outputs, self._losses(outputs), strict=True)
        )
        minutes = ops.cast(ops.reshape(y, (-1, 1)), "int32")
        return ops.take_along_axis(total, minutes, axis=-1)[:, 0]

    def scores(self, outputs: Any) -> Any:
        """Return the outputs: a network that reads clocks has no softmax; see `Head`."""
        return outputs

    def predict(self, outputs: Any) -> Any:
        """Return the time read, in minutes of the dial; see `Head`."""
        losses = self._losses(outputs)
        if self._is_joint:
            found = ops.argmin(sum(losses), axis=-1)
        else:
            hour, minute = (ops.argmin(each, axis=-1) for each in losses)
            found = hour // 60 * 60 + minute % 60
        # Of minutes that are as likely the first one is found; the middle one is the least wrong.
        step = self.outputs[-1].part.resolution
        return found // step * step + step // 2

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return none: while training there is the loss only."""
        return []

    def summarize(self, y: Array, predicted: Array) -> dict[str, float]:
        """Return all measures of the readings; see `objectives.clock.metrics`."""
        return measure.summarize(y, predicted)

    def stock_compile(self) -> None:
        """Return nothing: Keras has none of these losses."""

    def _losses(self, outputs: Any) -> list[Any]:
        found, start = [], 0
        for output in self.outputs:
            stop = start + output.part.units
            found.append(output.part.losses(outputs[:, start:stop]))
            start = stop
        return found


def create(hyperparameters: "ClockHyperparameters", numbers: Mapping[str, Any]) -> ClockHead:
    """Make the head that a trial has.

    Args:
        hyperparameters: The trial's setting.
        numbers: "minute_weight" and "label_width", each a float or a variable.
    """
    parts = _parts(hyperparameters, numbers["label_width"])
    if len(parts) == 1:
        return ClockHead([Output("time", parts[0])], is_joint=True)
    hour, minute = parts
    outputs = [Output("hour", hour), Output("minute", minute, numbers["minute_weight"])]
    return ClockHead(outputs, is_joint=hyperparameters.decoding == "joint")


def _parts(hyperparameters: "ClockHyperparameters", width: Any) -> list[Part]:
    """Return the parts of each head."""
    error, classes = hyperparameters.regression_loss, hyperparameters.n_classes
    shape, is_unit = hyperparameters.label_shape, hyperparameters.hand_activation == "unit_norm"
    hand: dict[str, Any] = {"activation": "linear" if is_unit else "tanh", "is_unit": is_unit}
    match hyperparameters.head:
        case "regression":
            return [Number(MINUTES / 60, error)]
        case "regression_periodic":
            return [Number(MINUTES / 60, "periodic")]
        case "classification":
            return [Classes(HALF_DAY, classes)]
        case "two_heads":
            return [_hour(hyperparameters), _minute(hyperparameters)]
        case "hour_hand":
            return [Hand(HALF_DAY, **hand)]
        case "both_hands":
            return [Hand(HALF_DAY, **hand), Hand(HOUR, **hand)]
        case "soft_circular":
            return [Classes(HALF_DAY, classes, width, shape), Classes(HOUR, 60, width, shape)]
        case "von_mises":
            return [VonMises(HALF_DAY), VonMises(HOUR)]
        case "hour_class_minute_circle":
            return [Classes(HALF_DAY, 12, width, shape), Hand(HOUR, **hand)]


def _hour(hyperparameters: "ClockHyperparameters") -> Part:
    if hyperparameters.hour_output == "class":
        return Classes(HALF_DAY, 12)
    return Number(MINUTES // 60, hyperparameters.regression_loss)


def _minute(hyperparameters: "ClockHyperparameters") -> Part:
    if hyperparameters.minute_output == "class":
        return Classes(HOUR, hyperparameters.minute_classes)
    return Number(MINUTES % 60 / 60, hyperparameters.regression_loss)


def angles_of(period: int) -> Array:
    """Return sine and cosine of a hand's angle at each minute of the dial, (720, 2)."""
    angle = 2 * math.pi * MINUTES / period
    return np.stack([np.sin(angle), np.cos(angle)], axis=1)


def _projections(outputs: Any, period: int) -> Any:
    """Return the product of each vector with each minute's, (n, 720).

    Not as a matrix product, for which GPUs take few digits: a minute of the hour hand is the fifth.
    """
    sine, cosine = angles_of(period).T
    return outputs[:, :1] * _constant(sine)[None] + outputs[:, 1:] * _constant(cosine)[None]


def _length(outputs: Any) -> Any:
    """Return the length of each vector, (n, 1), with a gradient at zero too."""
    return ops.sqrt(ops.sum(ops.square(outputs), axis=-1, keepdims=True) + 1e-12)


def _constant(values: Array) -> Any:
    return ops.convert_to_tensor(np.asarray(values, keras.backend.floatx()))
