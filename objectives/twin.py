"""A network's twin: the same layers, with the dropout rates and penalties in variables.

Networks are built of stock Keras layers, which hold those numbers as Python floats, constants of
the compiled program. The twin is what gets compiled; `refill` brings it to any other network of
the same structure, first weights, rates, penalties and seeds.
"""

from collections.abc import Sequence
from typing import Any

import keras
import numpy as np
from keras import ops


class TunableDropout(keras.layers.Layer):  # type: ignore[misc]
    """Dropout at a rate that can be assigned."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.rate = self.add_weight(shape=(), initializer="zeros", trainable=False, name="rate")
        self.seed_generator = keras.random.SeedGenerator(0)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drop units of `inputs`, of any shape, while training, and scale up the others."""
        if not training:
            return inputs
        noise = keras.random.uniform(ops.shape(inputs), seed=self.seed_generator)
        return ops.where(noise >= self.rate, inputs / (1 - self.rate), 0.0)


class TunablePenalty(keras.regularizers.Regularizer):  # type: ignore[misc]
    """The penalty l1 * sum(|w|) + l2 * sum(w^2), with strengths that can be assigned.

    Args:
        strengths: A variable of shape (2,), l1 and l2. It belongs to the layer, so that it is part
            of the network's state.
    """

    def __init__(self, strengths: keras.Variable) -> None:
        self.strengths = strengths

    def __call__(self, x: Any) -> Any:
        """Return the penalty on a kernel, a scalar."""
        return self.strengths[0] * ops.sum(ops.abs(x)) + self.strengths[1] * ops.sum(x * x)


def create(network: keras.Model) -> keras.Model:
    """Make the twin of a functional network of stock layers."""
    return keras.models.clone_model(network, clone_function=_tunable_layer)


def refill(twin: keras.Model, network: keras.Model) -> None:
    """Assign a network's first weights, rates, penalties and dropout seeds to a twin."""
    for mine, stock in zip(twin.layers, network.layers, strict=True):
        # A twin's own variables come after those that it shares with the stock layer.
        for variable, first in zip(mine.weights, stock.weights, strict=False):
            variable.assign(first)
        if isinstance(mine, TunableDropout):
            mine.rate.assign(stock.rate)
            mine.seed_generator.state.assign(stock.seed_generator.state)
        penalty = getattr(mine, "kernel_regularizer", None)
        if isinstance(penalty, TunablePenalty):
            penalty.strengths.assign([stock.kernel_regularizer.l1, stock.kernel_regularizer.l2])


def weight_variables(twin: keras.Model, network: keras.Model) -> list[keras.Variable]:
    """Return the variables of a twin that its stock network has too, layer by layer."""
    return [
        variable
        for mine, stock in zip(twin.layers, network.layers, strict=True)
        for variable, _ in zip(mine.weights, stock.weights, strict=False)
    ]


def set_weights(network: keras.Model, values: Sequence[np.ndarray[Any, Any]]) -> None:
    """Give a stock network the values of its twin's `weight_variables`."""
    rest = list(values)
    for layer in network.layers:
        count = len(layer.weights)
        layer.set_weights(rest[:count])
        del rest[:count]


def _tunable_layer(layer: keras.layers.Layer) -> keras.layers.Layer:
    if isinstance(layer, keras.layers.Dropout):
        return TunableDropout(name=layer.name)
    clone = layer.__class__.from_config(layer.get_config())
    if isinstance(getattr(layer, "kernel_regularizer", None), keras.regularizers.L1L2):
        strengths = clone.add_weight(shape=(2,), trainable=False, name="penalty")
        clone.kernel_regularizer = TunablePenalty(strengths)
    return clone
