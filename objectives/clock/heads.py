"""How a network's outputs are trained as a time and read as one.

A head has one part for the time, or one for the hour and one for the minute. The loss is the
weighted sum of the parts' losses for the label. The time read is the minute with the least loss:
with the least sum where hour and minute are decoded jointly, otherwise the hour by the one part and
the minute by the other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
from keras import ops

from objectives.clock.hyperparameters import ClockHyperparameters
from objectives.clock.metrics import summarize
from objectives.clock.parts import HALF_DAY, HOUR, MINUTES, Classes, Hand, Number, Part, VonMises
from objectives.types import Array


@dataclass(frozen=True)
class Output:
    """A part in its place in a network.

    Attributes:
        name: What it encodes: "time", "hour" or "minute".
        part: How it is encoded.
        weight: The weight of its loss, a number or a variable.
    """

    name: str
    part: Part
    weight: Any = 1.0


class ClockHead:
    """The parts of a head together; see `objectives.head.Head`.

    Args:
        outputs: One for the time, or one for the hour and one for the minute. The network's output
            holds their units side by side.
        is_joint: Whether the time read is the one with the least sum of losses.
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
        # argmin returns the first of the minutes of a class; the middle one has the least error.
        step = self.outputs[-1].part.resolution
        return found // step * step + step // 2

    def metrics(self) -> list[keras.metrics.Metric]:
        """Return none: during training only the loss is computed."""
        return []

    def reporting(self, names: Sequence[str]) -> "ClockHead":
        """Return the same head, which reports all that it has."""
        return self

    def details(self, y: Any, outputs: Any) -> list[Any]:
        """Return nothing: the readings are enough."""
        return []

    def summarize(self, y: Array, predicted: Array, details: Array) -> dict[str, float]:
        """Return all metrics of the readings; see `objectives.clock.metrics`."""
        return summarize(y, predicted)

    def stock_compile(self) -> dict[str, Any]:
        """Return the loss and metric of a class a minute; Keras has none of the other losses."""
        if [output.part.units for output in self.outputs] != [HALF_DAY]:
            return {}
        return {
            "loss": keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            "metrics": [keras.metrics.SparseCategoricalAccuracy(name="accuracy")],
        }

    def _losses(self, outputs: Any) -> list[Any]:
        found, start = [], 0
        for output in self.outputs:
            stop = start + output.part.units
            found.append(output.part.losses(outputs[:, start:stop]))
            start = stop
        return found


def create(hyperparameters: ClockHyperparameters, numbers: Mapping[str, Any]) -> ClockHead:
    """Make a trial's head.

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


def _parts(hyperparameters: ClockHyperparameters, width: Any) -> list[Part]:
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


def _hour(hyperparameters: ClockHyperparameters) -> Part:
    if hyperparameters.hour_output == "class":
        return Classes(HALF_DAY, 12)
    return Number(MINUTES // 60, hyperparameters.regression_loss)


def _minute(hyperparameters: ClockHyperparameters) -> Part:
    if hyperparameters.minute_output == "class":
        return Classes(HOUR, hyperparameters.minute_classes)
    return Number(MINUTES % 60 / 60, hyperparameters.regression_loss)
