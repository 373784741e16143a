"""Everything that training relies on in Keras beyond its documented interface.

`tests/test_training_keras_internals.py` lists these names and behaviours: run it after an update of
Keras or JAX. The rest of the package uses public names only.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
from keras.src.random.seed_generator import global_seed_generator

OPTIMIZER_NUMBERS = ("momentum", "rho", "beta_1", "beta_2", "epsilon")
"""Attributes of optimizers that `update_step` reads at each trace, so that each can be a variable.
A stock optimizer holds Python floats there, which become constants of the compiled program."""


class MomentumVariable(keras.Variable):  # type: ignore[misc]
    """A momentum that takes part in the update, whatever its value.

    `SGD.update_step` asks `momentum != 0` and `RMSprop.update_step` asks `momentum > 0`. Both ask
    while they are traced, where a variable has no value yet. Zero gives the same result as an
    update without momentum.
    """

    def __ne__(self, other: object) -> bool:
        """Answer SGD's question."""
        return True

    def __gt__(self, other: object) -> bool:
        """Answer RMSprop's question."""
        return True

    __hash__ = None  # type: ignore[assignment]


class DrawnSeed(keras.random.SeedGenerator):  # type: ignore[misc]
    """A seed that has been drawn already, for functions of `keras.random`.

    They take no tensor as a seed, but of a generator they call nothing except `next()`. A plain
    generator must not be used inside a branch: the update of its state would be lost.

    Args:
        seed: What a generator's `next` has returned.
    """

    def __init__(self, seed: Any) -> None:
        # Not super().__init__(), which makes a variable.
        self.seed = seed

    def next(self, ordered: bool = True) -> Any:
        """Return the seed."""
        return self.seed


def seed_state(layer: keras.layers.Layer) -> keras.Variable | None:
    """Return the state of a layer's random generator, (2,): a seed and a count; None without one.

    Keras's augmenting layers call their generator `generator`, its other layers `seed_generator`.
    """
    for name in ("seed_generator", "generator"):
        generator = getattr(layer, name, None)
        if isinstance(generator, keras.random.SeedGenerator):
            return generator.state
    return None


def accumulators(optimizer: keras.optimizers.Optimizer) -> list[keras.Variable]:
    """Return the slots that `initial_accumulator_value` of Adagrad fills, known by their names."""
    return [each for each in optimizer.variables if each.name.endswith("accumulator")]


def build_without_values(build: Callable[[], keras.Model]) -> keras.Model:
    """Build a network for its shapes and settings only: its variables have no values.

    Keras remembers variables without values for each thread and initializes them all at the next
    opportunity. The network is therefore built in a thread of its own, whose list ends with it.
    """

    def build_in_scope() -> keras.Model:
        with keras.StatelessScope(initialize_variables=False):
            return build()

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(build_in_scope).result()


def create_metric_variables(model: keras.Model) -> None:
    """Create the variables of a compiled network's metrics before the first training step.

    Keras creates them when it first sees data, but a traced step must not create variables. A
    `Lambda` layer that is called with symbolic inputs computes nothing and compiles nothing.
    """
    labels = keras.Input((), dtype="int32")
    compute = keras.layers.Lambda(lambda seen: model.compute_metrics(None, *seen))
    compute([labels, model.output])


def variable_groups(model: keras.Model) -> tuple[list[keras.Variable], ...]:
    """Return a network's variables in the order of the state that `train_step` takes on JAX."""
    return (
        model.trainable_variables,
        model.non_trainable_variables,
        model.optimizer.variables,
        model.metrics_variables,
    )


def global_random_state() -> keras.Variable:
    """Return the state, (2,), of the generator of this thread's random numbers without a seed.

    Layers and steps that call `keras.random` without a seed draw from it, on TensorFlow.
    """
    return global_seed_generator().state
