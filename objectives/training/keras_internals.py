"""Everything that training relies on in Keras beyond its documented interface.

`tests/test_training_keras_internals.py` lists these names and behaviours: run it after an update of
Keras or JAX. The rest of the package uses public names only.
"""

import inspect
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import keras
from keras.src import backend
from keras.src.initializers import constant_initializers, random_initializers
from keras.src.models.functional import Functional
from keras.src.ops.node import Node as Node
from keras.src.random.seed_generator import global_seed_generator
from keras.src.utils.tracking import Tracker

from objectives.training.quick_compile import compiled_quickly
from objectives.types import Batch

backend_random: Any = backend.random
"""What initializers draw by; such a function takes a shape, two numbers, a type and a seed."""

OPTIMIZER_NUMBERS = (
    "momentum", "rho", "beta_1", "beta_2", "epsilon", "weight_decay", "global_clipnorm"
)  # fmt: skip
"""Attributes of optimizers that an update reads at each trace, so that each can be a variable.
A stock optimizer holds Python floats there, which become constants of the compiled program."""

UNREAD = frozenset({
    "_auto_config",  # the arguments of the constructor; what became of them is in the attributes
    "_inbound_nodes", "_outbound_nodes",  # also of calls outside of the network
    "_nodes",  # names made of ids; the nodes themselves are in `_nodes_by_depth`
    "_trainable_variables_indices", "_id_to_path",  # by the ids of variables
    "_losses_override", "_jax_state", "_jax_state_synced", "_eval_epoch_iterator", "history",
    "train_function", "test_function", "predict_function", "stop_training", "_initial_seed",
})  # fmt: skip
"""Attributes of Keras's objects that are no part of a network's structure."""
UNREAD_TYPES = (Tracker, keras.initializers.Initializer, inspect.Signature)
"""Types of attributes that are none either: an initializer has done its work."""

SEED_STATE = "seed_generator_state"
"""The name of the variable in which a generator of random numbers keeps its state."""


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


class ClipVariable(keras.Variable):  # type: ignore[misc]
    """A norm to which gradients are clipped, whatever its value.

    `Optimizer._clip_gradients` asks `global_clipnorm and global_clipnorm > 0` while it is traced.
    """

    NONE = 2.0**100
    """Clips nothing: its product with its reciprocal is one, which leaves gradients as they are."""

    def __bool__(self) -> bool:
        """Answer the first question."""
        return True

    def __gt__(self, other: object) -> bool:
        """Answer the second question."""
        return True


class RateVariable(keras.Variable):  # type: ignore[misc]
    """A rate of dropout from 0 to below 1, whatever its value.

    `Dropout.call` asks `rate > 0`, and `keras.random.dropout` asks whether it is 0.0 or 1.0, while
    they are traced.
    """

    def __gt__(self, other: object) -> bool:
        """Answer the layer's question."""
        return True

    def __eq__(self, other: object) -> bool:
        """Answer the function's question."""
        return self is other

    __hash__ = keras.Variable.__hash__


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


@contextmanager
def initializers_use(random: Any, ops: Any) -> Iterator[None]:
    """Let Keras's own initializers draw and compute by other modules than the backend's.

    Args:
        random: Stands for `keras.random`.
        ops: Stands for `keras.ops`.
    """
    before = random_initializers.random, random_initializers.ops, constant_initializers.ops
    random_initializers.random, random_initializers.ops = random, ops
    constant_initializers.ops = ops
    try:
        yield
    finally:
        random_initializers.random, random_initializers.ops, constant_initializers.ops = before


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


def is_functional(model: keras.Model) -> bool:
    """Tell whether a network is functional or sequential, and no class of its author's."""
    return type(model) in (Functional, keras.Sequential)


def is_of_keras(thing: Any) -> bool:
    """Tell whether a class or function is one of Keras's."""
    return str(getattr(thing, "__module__", "")).partition(".")[0] in ("keras", "builtins")


def compiles(model: keras.Model) -> bool:
    """Tell whether `fit` compiles each step of a network."""
    return bool(model.jit_compile) and not model.run_eagerly and model.steps_per_execution == 1


def create_all_variables(model: keras.Model, batch: Batch) -> None:
    """Create the variables of a network, its metrics and its optimizer, as `fit` begins by.

    A dropout at rate zero gets the generator that it has at every other rate, so that one program
    can train both: at zero it leaves every number as it is, whatever is drawn.
    """
    with compiled_quickly():
        model._symbolic_build(data_batch=batch)
    for layer in all_layers(model):
        if type(layer) is keras.layers.Dropout and seed_state(layer) is None:
            layer._tracker.unlock()
            layer.seed_generator = keras.random.SeedGenerator(0)
            layer._tracker.lock()


def build_for(model: keras.Model, batch: Batch) -> None:
    """Build a network for a batch, as `fit` on JAX does by a batch that it takes from the data.

    From a `PyDataset` without an end that has workers it takes one for good.
    """
    model._symbolic_build(data_batch=batch)


def set_rate(layer: keras.layers.Dropout, rate: keras.Variable) -> None:
    """Put a variable in place of a layer's rate, although the layer is built."""
    layer._tracker.unlock()
    layer.rate = rate
    layer._tracker.lock()


def all_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Return the layers of a network, those inside other layers and networks included."""
    return list(model._flatten_layers(include_self=False))
