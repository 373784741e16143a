"""A network's twin: the same layers, with what trials of one program differ in in variables.

Networks are built of stock Keras layers, which hold dropout rates, penalties and activations as
constants of the compiled program. The twin is what gets compiled; `first_values` brings it to any
network of the same structure: first weights, rates, penalties, activation and seeds. A network may
lack a penalty or a dropout that the twin has.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import keras
import numpy as np
from keras import ops

from objectives.head import Array
from objectives.training import initial_weights as first_weights

Activation = Callable[[Any], Any]


class TunableActivation(keras.layers.Layer):  # type: ignore[misc]
    """One of some activations, by an index that can be assigned.

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
        # All results at once and a choice among them would have no gradient where another
        # activation, the exponential, is infinite.
        return ops.switch(ops.convert_to_tensor(self.index), self.functions, inputs)


class TunableDropout(keras.layers.Layer):  # type: ignore[misc]
    """Dropout at a rate that can be assigned; at zero nothing is drawn."""

    def __init__(self, name: str) -> None:
        super().__init__(name=name)
        self.rate = self.add_weight(shape=(), initializer="zeros", trainable=False, name="rate")
        self.seed_generator = keras.random.SeedGenerator(0)

    def call(self, inputs: Any, training: bool = False) -> Any:
        """Drop units of `inputs`, of any shape, while training, and scale up the others."""
        if not training:
            return inputs
        # Assigned here: what is assigned in a branch is lost with it.
        seed = _Drawn(self.seed_generator.next())

        def dropped() -> Any:
            noise = keras.random.uniform(ops.shape(inputs), seed=seed)
            return ops.where(noise >= self.rate, inputs / (1 - self.rate), 0.0)

        return ops.cond(self.rate > 0, dropped, lambda: inputs)


class _Drawn(keras.random.SeedGenerator):  # type: ignore[misc]
    """A seed that has been drawn already. Keras takes no tensor for a seed.

    Args:
        seed: What a generator's `next` has returned.
    """

    def __init__(self, seed: Any) -> None:
        self.seed = seed

    def next(self, ordered: bool = True) -> Any:
        """Return the seed."""
        return self.seed


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

        # The gradient vanishes in the optimizer's update, with strengths of zero too; the sums,
        # which only the loss shows, take a tenth of a small network's step.
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
    """Make the twin of a functional network of stock layers, without a softmax at its end.

    Args:
        network: A network with all layers and penalties that another one may have.
        activations: Those that networks differ in; with fewer than two of them, they do not.
        numbers: Names of numbers that the head reads: they become variables of the last layer, so
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
            clone.activation = keras.activations.linear  # heads take the scores
        for name in numbers if layer is last else ():
            clone.add_weight(shape=(), initializer="zeros", trainable=False, name=name)
        return clone

    return keras.models.clone_model(network, clone_function=tunable)


def numbers(twin: keras.Model, names: Sequence[str]) -> dict[str, keras.Variable]:
    """Return the variables of the numbers that a head reads, by their names."""
    return dict(zip(names, twin.layers[-1].weights, strict=True)) if names else {}


def first_values(twin: keras.Model, network: keras.Model, seed: int) -> dict[int, Array]:
    """Return what a twin starts with in the place of a network.

    Args:
        twin: The twin.
        network: A stock network; its variables need no values.
        seed: Seed of the kernels and of the dropout.

    Returns:
        `id` of a variable -> its value, for those in which two networks can differ.
    """
    # Epochs draw with the other numbers, from 1.
    kernels, noise = np.random.default_rng([seed, 0]).spawn(2)
    values: dict[int, Any] = {}
    for mine, stock in _pairs(twin, network):
        if stock is None:
            values[id(mine.rate)] = 0.0
            values[id(mine.seed_generator.state)] = [0, 0]
            continue
        if isinstance(mine, TunableDropout):
            values[id(mine.rate)] = stock.rate
            values[id(mine.seed_generator.state)] = [noise.integers(2**31), 0]
        generator = getattr(mine, "generator", None)
        if isinstance(generator, keras.random.SeedGenerator):  # a layer that augments
            values[id(generator.state)] = [noise.integers(2**31), 0]
        if hasattr(stock, "kernel"):
            kernel = first_weights.draw(stock.kernel_initializer, stock.kernel.shape, kernels)
            values[id(mine.kernel)] = kernel
        if isinstance(mine, TunableActivation):
            values[id(mine.index)] = mine.functions.index(stock.activation)
        penalty = getattr(mine, "kernel_regularizer", None)
        if isinstance(penalty, TunablePenalty):
            given = stock.kernel_regularizer
            values[id(penalty.strengths)] = [given.l1, given.l2] if given else [0.0, 0.0]
    return values


def weight_variables(twin: keras.Model, network: keras.Model) -> list[keras.Variable]:
    """Return the variables of a twin that its stock networks have too, layer by layer.

    Args:
        twin: The twin.
        network: The network that it was made of.
    """
    return [
        variable
        for mine, stock in zip(twin.layers, network.layers, strict=True)
        for variable, _ in zip(mine.weights, stock.weights, strict=False)
    ]


def set_weights(network: keras.Model, values: Sequence[Array]) -> None:
    """Give a stock network the values of its twin's `weight_variables`."""
    rest = list(values)
    for layer in network.layers:
        count = len(layer.weights)
        layer.set_weights(rest[:count])
        del rest[:count]


def _pairs(
    twin: keras.Model, network: keras.Model
) -> Iterator[tuple[keras.layers.Layer, keras.layers.Layer | None]]:
    """Pair the layers of a twin with a network's; None for a dropout that the network lacks."""
    rest = list(network.layers)
    for mine in twin.layers:
        lacks = isinstance(mine, TunableDropout) and not isinstance(rest[0], keras.layers.Dropout)
        yield mine, None if lacks else rest.pop(0)


def _with_tunable_penalty(layer: keras.layers.Layer) -> keras.layers.Layer:
    clone = layer.__class__.from_config(layer.get_config())
    if isinstance(getattr(layer, "kernel_regularizer", None), keras.regularizers.L1L2):
        strengths = clone.add_weight(
            shape=(2,), initializer="zeros", trainable=False, name="penalty"
        )
        clone.kernel_regularizer = TunablePenalty(strengths)
    return clone
