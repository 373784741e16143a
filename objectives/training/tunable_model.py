"""The network that a program compiles: variables in place of what its trials differ in.

Networks are built of stock Keras layers, which hold dropout rates, penalties and activations as
constants of a compiled program. `create` makes a copy of such a network with variables instead, the
*tunable* network. `first_values` gives the values with which it stands for any stock network of the
same structure: first weights, rates, penalties, activation and seeds. The stock network may lack a
penalty or a dropout that the tunable one has.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from objectives.training import initial_weights
from objectives.training.keras_internals import DrawnSeed, seed_state
from objectives.types import Array

Activation = Callable[[Any], Any]


class TunableActivation(keras.layers.Layer):  # type: ignore[misc]
    """One of several activations, chosen by an index that can be assigned.

    Args:
        functions: The activations.
        name: The layer's name.
    """

    def __init__(self, functions: Sequence[Activation], name: str) -> None:
        super().__init__(name=name)
        self.functions = tuple(functions)
        self.index = self.add_weight(
            shape=(), dtype="int32", initializer="zeros", trainable=False, name="index"
        )

    def call(self, inputs: Any) -> Any:
        """Apply the activation to `inputs`, of any shape."""
        # Not all results at once and a choice among them: the gradient would be NaN wherever an
        # activation that was not chosen, such as the exponential, is infinite.
        return ops.switch(ops.convert_to_tensor(self.index), self.functions, inputs)


class TunableDropout(keras.layers.Layer):  # type: ignore[misc]
    """Dropout at a rate that can be assigned; at zero no random numbers are drawn."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.rate = self.add_weight(shape=(), initializer="zeros", trainable=False, name="rate")
        self.seed_generator = keras.random.SeedGenerator(0)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drop units of `inputs`, of any shape, while training, and scale up the others."""
        if not training:
            return inputs
        # Drawn outside the branch, in which the update of the generator's state would be lost.
        seed = DrawnSeed(self.seed_generator.next())

        def dropped() -> Any:
            noise = keras.random.uniform(ops.shape(inputs), seed=seed)
            return ops.where(noise >= self.rate, inputs / (1 - self.rate), 0.0)

        return ops.cond(self.rate > 0, dropped, lambda: inputs)


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
        l1, l2 = self.strengths[0], self.strengths[1]

        # The gradient costs nothing beside the optimizer's update, also with strengths of zero. The
        # sums would take a tenth of a small network's step, so they are left out at zero.
        @ops.custom_gradient  # type: ignore[untyped-decorator]
        def penalty(x: Any) -> Any:
            value = ops.cond(
                l1 + l2 > 0,
                lambda: l1 * ops.sum(ops.abs(x)) + l2 * ops.sum(x * x),
                lambda: ops.zeros_like(l1),
            )
            return value, lambda upstream: upstream * (l1 * ops.sign(x) + 2 * l2 * x)

        return penalty(ops.convert_to_tensor(x))


def create(
    network: keras.Model, activations: Sequence[str], numbers: Sequence[str] = ()
) -> keras.Model:
    """Make the tunable copy of a functional network of stock layers, without its last softmax.

    Args:
        network: A network with all layers and penalties that a trial may have.
        activations: The activations in which trials differ; fewer than two mean that they do not.
        numbers: Names of numbers that the head reads. They become variables of the last layer, so
            that they are part of the network's state. That layer must have no weights.
    """
    last = network.layers[-1]
    functions = [keras.activations.get(name) for name in activations]

    def tunable(layer: keras.layers.Layer) -> keras.layers.Layer:
        if isinstance(layer, keras.layers.Dropout):
            return TunableDropout(name=layer.name)
        if (
            isinstance(layer, keras.layers.Activation)
            and len(functions) > 1
            and layer.activation in functions
        ):
            return TunableActivation(functions, name=layer.name)
        clone = _with_tunable_penalty(layer)
        if layer is last and getattr(layer, "activation", None) is keras.activations.softmax:
            clone.activation = keras.activations.linear  # heads take scores
        for name in numbers if layer is last else ():
            clone.add_weight(shape=(), initializer="zeros", trainable=False, name=name)
        return clone

    return keras.models.clone_model(network, clone_function=tunable)


def numbers(tunable: keras.Model, names: Sequence[str]) -> dict[str, keras.Variable]:
    """Return the variables of the numbers that a head reads, by their names."""
    return dict(zip(names, tunable.layers[-1].weights, strict=True)) if names else {}


def first_values(tunable: keras.Model, network: keras.Model, seed: int) -> dict[int, Array]:
    """Return the values with which a tunable network starts in place of a stock one.

    Args:
        tunable: The tunable network.
        network: The stock network; its variables need no values.
        seed: The seed of the kernels and of the dropout.

    Returns:
        `id` of a variable -> its value, for the variables in which two networks can differ.
    """
    # [seed, 0]: the order of an epoch is drawn from [seed, epoch], with epochs from 1.
    kernels, noise = np.random.default_rng([seed, 0]).spawn(2)
    values: dict[int, Any] = {}
    for layer, stock in _pairs(tunable, network):
        if stock is None:
            values[id(layer.rate)] = 0.0
            values[id(seed_state(layer))] = [0, 0]
            continue
        if isinstance(layer, TunableDropout):
            values[id(layer.rate)] = stock.rate
        state = seed_state(layer)
        if state is not None:
            values[id(state)] = [noise.integers(2**31), 0]
        if hasattr(stock, "kernel"):
            kernel = initial_weights.draw(stock.kernel_initializer, stock.kernel.shape, kernels)
            values[id(layer.kernel)] = kernel
        if isinstance(layer, TunableActivation):
            values[id(layer.index)] = layer.functions.index(stock.activation)
        penalty = getattr(layer, "kernel_regularizer", None)
        if isinstance(penalty, TunablePenalty):
            given = stock.kernel_regularizer
            values[id(penalty.strengths)] = [given.l1, given.l2] if given else [0.0, 0.0]
    return values


def weight_variables(tunable: keras.Model, network: keras.Model) -> list[keras.Variable]:
    """Return the variables of a tunable network that stock networks have too, layer by layer.

    Args:
        tunable: The tunable network.
        network: The stock network that it is a copy of.
    """
    return [
        variable
        for layer, stock in zip(tunable.layers, network.layers, strict=True)
        for variable, _ in zip(layer.weights, stock.weights, strict=False)
    ]


def set_weights(network: keras.Model, values: Sequence[Array]) -> None:
    """Give a stock network the values of a tunable network's `weight_variables`."""
    rest = list(values)
    for layer in network.layers:
        count = len(layer.weights)
        layer.set_weights(rest[:count])
        del rest[:count]


def _pairs(
    tunable: keras.Model, network: keras.Model
) -> Iterator[tuple[keras.layers.Layer, keras.layers.Layer | None]]:
    """Pair the layers of both networks; None for a dropout that the stock network lacks."""
    rest = list(network.layers)
    for layer in tunable.layers:
        lacks = isinstance(layer, TunableDropout) and not isinstance(rest[0], keras.layers.Dropout)
        yield layer, None if lacks else rest.pop(0)


def _with_tunable_penalty(layer: keras.layers.Layer) -> keras.layers.Layer:
    clone = layer.__class__.from_config(layer.get_config())
    if isinstance(getattr(layer, "kernel_regularizer", None), keras.regularizers.L1L2):
        strengths = clone.add_weight(
            shape=(2,), initializer="zeros", trainable=False, name="penalty"
        )
        clone.kernel_regularizer = TunablePenalty(strengths)
    return clone
