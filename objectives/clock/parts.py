"""The parts of a clock head: how a few outputs encode a time, and how wrong they are about it.

A part gives the loss of its outputs for each of the 720 minutes of the dial; see
`objectives.clock.heads` for how parts are combined.

Circular soft labels follow Diaz and Marathe (CVPR 2019, soft labels for ordinal classes), von Mises
likelihoods Prokudin et al. (ECCV 2018), here normalized over the minutes.
"""

import math
from dataclasses import dataclass
from typing import Any, Protocol

import keras
import numpy as np
from keras import ops

from objectives.types import Array

MINUTES = np.arange(720)
HALF_DAY, HOUR = 720, 60  # the minutes in which the hour hand and the minute hand go round
# Concentration of an output of length 1 is twice this: half the probability within 17 minutes.
CONCENTRATION = 10.0
LEAST_SCORE = -69.0  # log of 1e-30: the probability of a class that is as good as impossible


class Part(Protocol):
    """One encoding of a time, by some of a network's outputs."""

    @property
    def units(self) -> int:
        """The number of outputs."""

    @property
    def activation(self) -> str:
        """The activation of the output layer: "linear" or "tanh"."""

    @property
    def resolution(self) -> int:
        """The number of consecutive minutes that it cannot tell apart."""

    @property
    def is_vector(self) -> bool:
        """Whether its outputs are a sine and a cosine."""

    def losses(self, outputs: Any) -> Any:
        """Return the loss of the outputs for each minute that the label could be.

        Args:
            outputs: (n, units).

        Returns:
            (n, 720).
        """

    def ideal(self) -> Array:
        """Return the outputs of a perfect network for each minute of the dial, (720, units)."""


@dataclass(frozen=True)
class Number:
    """A time as one number.

    Attributes:
        values: The number for each minute of the dial, (720,).
        error: "mse", "mae", or "periodic": the distance on a circle of 12, so never above 6. The
            output is not limited to 0 to 12: it would get stuck at the end that the shorter way
            crosses.
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
        """Return the error for each minute; see `Part`."""
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
        units: The number of classes, a divisor of the period.
        width: Standard deviation of soft labels in classes, a number or a variable; None for hard
            labels.
        shape: Of soft labels: "gaussian" or "von_mises".
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
        """The minutes of a class for hard labels, one minute for soft ones; see `Part`."""
        return self._minutes if self.width is None else 1

    def losses(self, outputs: Any) -> Any:
        """Return the cross-entropy for each minute, less the entropy of the label; see `Part`.

        No network gets below the entropy of a soft label. It must be subtracted because it is not
        the same for all minutes where labels are narrow, and minutes are compared by their loss.
        """
        scores = ops.log_softmax(outputs, axis=-1)
        if self.width is None:
            return -ops.take(scores, self._classes, axis=-1)
        log_labels = self._log_labels()
        labels = ops.exp(log_labels)
        entropy = -ops.sum(labels * log_labels, axis=-1)
        return -ops.matmul(scores, ops.transpose(labels)) - entropy[None]

    def ideal(self) -> Array:
        """Return the logarithms of the labels; see `Part`."""
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
        """Return the log-probability of each class for each minute, (720, units)."""
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
        is_unit: Whether the outputs are scaled to length 1, so that only their direction counts.
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
        """Return the mean squared error for each minute; see `Part`."""
        if self.is_unit:
            outputs = outputs / _length(outputs)
        squares = ops.sum(ops.square(outputs), axis=-1, keepdims=True)
        return (squares - 2 * _projections(outputs, self.period) + 1) / 2

    def ideal(self) -> Array:
        """Return sine and cosine for each minute; see `Part`."""
        return angles_of(self.period)


@dataclass(frozen=True)
class VonMises:
    """The likelihood of a von Mises distribution: a hand's direction and the certainty of it.

    The outputs are a vector in the direction of the hand. The concentration grows with its length,
    linearly at first and then with its square. With the square alone the gradient of a short vector
    would be nearly zero, and every network begins with short ones. The distribution is normalized
    over the minutes.

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
        """Return the negative log-likelihood for each minute; see `Part`."""
        scores = _projections(CONCENTRATION * (1 + _length(outputs)) * outputs, self.period)
        # The dial has every position of the minute hand twelve times.
        return math.log(self.period / HALF_DAY) - ops.log_softmax(scores, axis=-1)

    def ideal(self) -> Array:
        """Return long vectors, which stand for near certainty; see `Part`."""
        return angles_of(self.period) * 200


def angles_of(period: int) -> Array:
    """Return sine and cosine of a hand's angle at each minute of the dial, (720, 2)."""
    angle = 2 * math.pi * MINUTES / period
    return np.stack([np.sin(angle), np.cos(angle)], axis=1)


def _projections(outputs: Any, period: int) -> Any:
    """Return the scalar product of each vector with each minute's direction, (n, 720).

    Not as a matrix product, for which GPUs round to few digits: a minute moves the hour hand by
    half a degree, which shows in the fifth digit.
    """
    sine, cosine = angles_of(period).T
    return outputs[:, :1] * _constant(sine)[None] + outputs[:, 1:] * _constant(cosine)[None]


def _length(outputs: Any) -> Any:
    """Return the length of each vector, (n, 1), with a finite gradient at zero."""
    return ops.sqrt(ops.sum(ops.square(outputs), axis=-1, keepdims=True) + 1e-12)


def _constant(values: Array) -> Any:
    return ops.convert_to_tensor(np.asarray(values, keras.backend.floatx()))
