"""The names, signatures and behaviours of Keras and JAX that training relies on undocumented.

Run this after an update of either library: a failure here names what training has to change.
"""

from __future__ import annotations

import inspect
import re
from typing import Any

import jax
import keras
import numpy as np
import pytest

from objectives.hyperparameters import OPTIMIZER_SETTINGS, Hyperparameters
from objectives.training import tunable_optimizer
from objectives.training.keras_internals import (
    OPTIMIZER_NUMBERS,
    ClipVariable,
    DrawnSeed,
    MomentumVariable,
    accumulators,
    backend_random,
    build_without_values,
    create_metric_variables,
    initializers_use,
    seed_state,
    variable_groups,
)

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
JAX = keras.backend.backend() == "jax"


OF_ALL = {"weight_decay", "global_clipnorm"}


def built(name: str) -> keras.optimizers.Optimizer:
    optimizer = tunable_optimizer.create(Hyperparameters(optimizer=name))
    optimizer.build([keras.Variable(np.zeros(3, np.float32))])
    return optimizer


def small() -> keras.Model:
    inputs = keras.Input((4,))
    return keras.Model(inputs, keras.layers.Dense(2)(inputs))


def compiled() -> keras.Model:
    """Make a small compiled network whose metrics have no variables yet."""
    network = small()
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile("adam", loss, metrics=[keras.metrics.SparseCategoricalAccuracy()])
    network.optimizer.build(network.trainable_variables)
    return network


# Initializers.


@pytest.mark.parametrize("name", ["uniform", "normal", "truncated_normal"])
def test_what_draws_takes_shape_two_numbers_type_and_seed(name: str) -> None:
    first, *numbers, dtype, seed = inspect.signature(getattr(backend_random, name)).parameters
    assert (first, len(numbers), dtype, seed) == ("shape", 2, "dtype", "seed")


def test_initializers_draw_and_compute_by_what_their_modules_name() -> None:
    class Noted:
        def __getattr__(self, name: str) -> Any:
            return lambda *args, **kwargs: noted.append(name) or np.zeros((2, 2))

    noted: list[str] = []
    with initializers_use(Noted(), Noted()):
        keras.initializers.GlorotUniform(seed=1)((2, 2))
        keras.initializers.Zeros()((2, 2))
    keras.initializers.GlorotUniform(seed=1)((2, 2))
    assert noted == ["uniform", "zeros"]


# Optimizers.


@pytest.mark.parametrize("name", OPTIMIZER_SETTINGS)
def test_the_public_learning_rate_is_the_optimizers_variable(name: str) -> None:
    optimizer = built(name)
    assert [v is optimizer.learning_rate for v in optimizer.variables].count(True) == 1


@pytest.mark.parametrize("name", OPTIMIZER_SETTINGS)
def test_an_update_reads_an_optimizers_numbers_from_its_attributes(name: str) -> None:
    optimizer = built(name)
    numbers = OPTIMIZER_SETTINGS[name] & set(OPTIMIZER_NUMBERS)
    source = inspect.getsource(type(optimizer).update_step)
    for number in numbers - OF_ALL:
        assert isinstance(getattr(optimizer, number), float)
        assert f"self.{number}" in source
    assert {n for n in OPTIMIZER_NUMBERS if hasattr(optimizer, n)} == numbers


def test_what_the_updates_ask_of_a_momentum_is_true_of_the_variable() -> None:
    for optimizer, question in (("SGD", "self.momentum != 0"), ("RMSprop", "self.momentum > 0")):
        update = inspect.getsource(getattr(keras.optimizers, optimizer).update_step)
        assert f"if {question}:" in update
        assert update.count("if self.momentum") == update.count(f"if {question}:")
    momentum = MomentumVariable(0.0, trainable=False, name="momentum")
    assert (momentum != 0) is True
    assert (momentum > 0) is True


def test_decay_and_clipping_are_read_from_the_attributes_of_every_optimizer() -> None:
    decay = inspect.getsource(keras.optimizers.Optimizer._apply_weight_decay)
    assert "if self.weight_decay is None:" in decay
    assert re.search(r"cast\(self.weight_decay, variable.dtype\)", decay)
    clip = inspect.getsource(keras.optimizers.Optimizer._clip_gradients)
    assert "elif self.global_clipnorm and self.global_clipnorm > 0:" in clip
    norm = ClipVariable(0.0, trainable=False, name="global_clipnorm")
    assert (norm and norm > 0) is True


def test_a_norm_of_none_clips_nothing() -> None:
    optimizer = built("sgd")
    gradients = [np.float32([3e-7, -1.0, 2e15]), np.zeros(2, np.float32)]
    for given in (gradients, gradients[1:]):
        optimizer.global_clipnorm = ClipVariable(ClipVariable.NONE, trainable=False)
        for one, other in zip(optimizer._clip_gradients(given), given, strict=True):
            np.testing.assert_array_equal(one, other)


def test_an_optimizer_tracks_a_variable_that_is_assigned_after_its_own() -> None:
    optimizer = built("adam")
    before = list(optimizer.variables)
    optimizer.beta_1 = keras.Variable(0.5, trainable=False, name="beta_1")
    assert [id(v) for v in optimizer.variables] == [*map(id, before), id(optimizer.beta_1)]


def test_adagrads_sums_are_known_by_their_name() -> None:
    (found,) = accumulators(built("adagrad"))
    assert tuple(found.shape) == (3,)
    assert accumulators(built("adam")) == []


# Layers and networks.


def test_random_functions_only_call_next_of_a_generator() -> None:
    same = [keras.random.SeedGenerator(7) for _ in range(2)]
    drawn = keras.random.uniform((5,), seed=DrawnSeed(same[0].next()))
    np.testing.assert_array_equal(drawn, keras.random.uniform((5,), seed=same[1]))
    np.testing.assert_array_equal(same[0].state, same[1].state)


@pytest.mark.parametrize(
    "layer",
    [
        keras.layers.Dropout(0.5),
        keras.layers.RandomRotation(0.5),
        keras.layers.RandomTranslation(0.1, 0.1),
        keras.layers.RandomBrightness(0.1),
        keras.layers.RandomContrast(0.1),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_a_layers_random_generator_is_found(layer: keras.layers.Layer) -> None:
    state = seed_state(layer)
    assert state is not None
    assert tuple(state.shape) == (2,)
    assert seed_state(keras.layers.Dense(2)) is None


def test_a_network_without_values_stays_so() -> None:
    empty = build_without_values(small)
    assert [tuple(v.shape) for v in empty.weights] == [(4, 2), (2,)]
    with keras.StatelessScope():  # at whose end Keras initializes what it has a list of
        pass
    assert [v._value for v in empty.weights] == [None, None]
    assert isinstance(empty.layers[-1].kernel_initializer, keras.initializers.GlorotUniform)


def test_metric_variables_are_there_before_the_first_step() -> None:
    assert list(inspect.signature(keras.Model.compute_metrics).parameters) == [
        "self", "x", "y", "y_pred", "sample_weight",
    ]  # fmt: skip
    network = compiled()
    create_metric_variables(network)
    before = [id(v) for v in network.metrics_variables]
    assert len(before) == 4  # a sum and a count, of the loss and of the accuracy
    network.train_on_batch(np.zeros((3, 4), np.float32), np.zeros(3, np.int32))
    assert [id(v) for v in network.metrics_variables] == before


def test_attributes_that_layers_and_their_parts_are_read_and_set_by() -> None:
    penalty = keras.regularizers.L1L2(l1=0.25, l2=0.5)
    layer = keras.layers.Dense(2, kernel_regularizer=penalty, activation="softmax")
    assert layer.activation is keras.activations.softmax
    assert (float(layer.kernel_regularizer.l1), float(layer.kernel_regularizer.l2)) == (0.25, 0.5)
    layer.activation, layer.kernel_regularizer = keras.activations.linear, lambda kernel: 7.0
    outputs = layer(np.full((1, 3), 100, np.float32))
    assert float(abs(keras.ops.convert_to_numpy(outputs)).max()) > 1  # no softmax any more
    assert [float(loss) for loss in layer.losses] == [7.0]
    normal, uniform = keras.initializers.RandomNormal(1, 2), keras.initializers.RandomUniform(3, 4)
    assert (normal.mean, normal.stddev, uniform.minval, uniform.maxval) == (1, 2, 3, 4)


# Steps.


def test_signatures_of_the_functions_that_steps_are_made_of() -> None:
    assert parameters(keras.Model.train_step) == (["state", "data"] if JAX else ["data"])
    assert parameters(keras.Model.get_metrics_result) == []
    assert parameters(keras.Model.stateless_call)[:2] == [
        "trainable_variables",
        "non_trainable_variables",
    ]
    assert parameters(keras.StatelessScope.__init__) == [
        "state_mapping", "collect_losses", "initialize_variables",
    ]  # fmt: skip
    assert parameters(keras.ops.switch) == ["index", "branches", "operands"]
    assert parameters(keras.models.clone_model)[:3] == ["model", "input_tensors", "clone_function"]


def parameters(function: Any) -> list[str]:
    names = inspect.signature(function).parameters
    return [name for name in names if name != "self"]


@pytest.mark.skipif(not JAX, reason="the step has a state on JAX only")
def test_a_step_on_jax_takes_and_returns_the_variables_in_this_order() -> None:
    network = compiled()
    create_metric_variables(network)
    groups = variable_groups(network)
    state = tuple([v.value for v in group] for group in groups)
    data = np.ones((3, 4), np.float32), np.zeros(3, np.int32)
    logs, after = network.train_step(state, data)
    assert set(logs) == {"loss", "sparse_categorical_accuracy"}
    assert len(after) == 4
    for group, values in zip(groups, after, strict=True):
        assert [tuple(v.shape) for v in group] == [value.shape for value in values]
    iterations = [v is network.optimizer.iterations for v in groups[2]].index(True)
    assert int(after[2][iterations]) == 1


def test_a_device_of_jax_tells_its_memory_or_nothing() -> None:
    stats = jax.devices()[0].memory_stats()
    assert stats is None or {"peak_bytes_in_use", "bytes_limit"} <= set(stats)
    assert {"donate_argnums", "static_argnums"} <= set(inspect.signature(jax.jit).parameters)
