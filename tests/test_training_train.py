"""Training in shared programs, against stock Keras. Runs on the backend that KERAS_BACKEND names.

The last test runs all the others, and those of two files beside this one, on the other backend.
"""

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from nested import said_by, start_tests
from sklearn.utils.class_weight import compute_class_weight
from trained_digits import CNN, DIGITS, MLP, SMALL, run

from objectives.hyperparameters import Hyperparameters
from objectives.objective import Objective
from objectives.training import initial_weights, tunable_optimizer
from objectives.training.compile_clock import compile_clock
from objectives.training.pack import Pack, TrainingTask
from objectives.training.program_cache import ProgramCache
from objectives.training.schedule import epoch_order, epoch_steps, learning_rate_factor
from objectives.training.tunable_model import TunableDropout

# Keras 3.15 reads its variables in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

UNEVEN: dict[str, Any] = SMALL | {"batch_size": 48}


def weights_of(hyperparameters: Hyperparameters) -> dict[int, float] | None:
    wanted = hyperparameters.weights_of_classes()
    if isinstance(wanted, str):
        labels = np.arange(10)
        balanced = compute_class_weight("balanced", classes=labels, y=DIGITS.y_train)
        return dict(zip(labels.tolist(), balanced.tolist(), strict=True))
    return wanted and {int(label): weight for label, weight in wanted.items()}


def run_stock(
    objective: Objective, hyperparameters: Hyperparameters, seed: int
) -> dict[str, list[float]]:
    """Train by Keras's own compile and train_on_batch, one batch after the other."""
    x, y = DIGITS.x_train, DIGITS.y_train
    network = objective.build(hyperparameters, x.shape[1:], DIGITS.n_classes)
    rng, _ = np.random.default_rng([seed, 0]).spawn(2)
    for layer in network.layers:
        if hasattr(layer, "kernel"):
            kernel = initial_weights.draw(layer.kernel_initializer, layer.kernel.shape, rng)
            layer.kernel.assign(kernel)
    optimizer = tunable_optimizer.create(hyperparameters)
    network.compile(
        optimizer,
        "sparse_categorical_crossentropy",
        metrics=["accuracy"],
        # TensorFlow takes as long to trace a step as to take fifty.
        run_eagerly=keras.backend.backend() == "tensorflow",
    )
    first_rate = float(optimizer.learning_rate)
    size = hyperparameters.batch_size
    steps_of_epochs = epoch_steps(hyperparameters, -(-len(x) // size))
    history: dict[str, list[float]] = {"loss": [], "accuracy": []}
    for epoch, steps in enumerate(steps_of_epochs, start=1):
        factor = learning_rate_factor(hyperparameters, epoch, len(steps_of_epochs))
        optimizer.learning_rate = first_rate * factor
        order = epoch_order(len(x), seed, epoch)
        batches = [order[i * size : (i + 1) * size] for i in range(steps)]
        weights = weights_of(hyperparameters)
        logs = [
            network.train_on_batch(x[rows], y[rows], class_weight=weights, return_dict=True)
            for rows in batches
        ]
        counts = [len(rows) for rows in batches]
        for name in history:
            values = [float(step[name]) for step in logs]
            history[name].append(float(np.average(values, weights=counts)))
    return history


def two(optimizer: str, first: dict[str, Any], second: dict[str, Any], **shared: Any) -> Any:
    """Make a case of two settings of one structure that differ in everything tunable."""
    shared = SMALL | shared | {"optimizer": optimizer}
    one = {"initializer": "glorot_uniform", "regularizer": "l2", "regularizer_strength": 0.02}
    other = {"initializer": "random_normal", "regularizer": "l1", "regularizer_strength": 0.003}
    return pytest.param(shared | one | first, shared | other | second, id=optimizer)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        two("sgd", {"learning_rate": 0.1, "momentum": 0.5, "weight_decay": 0.1},
            {"learning_rate": 0.02, "momentum": 0.9, "weight_decay": 1.0}, nesterov=True),
        two("rmsprop", {"learning_rate": 0.01, "rho": 0.7, "momentum": 0.3, "global_clipnorm": 0.1},
            {"learning_rate": 0.001, "epsilon": 1e-3, "momentum": 0.8, "global_clipnorm": 1.0},
            centered=True),
        two("adagrad", {"learning_rate": 0.1, "initial_accumulator_value": 0.5},
            {"learning_rate": 0.03, "epsilon": 1e-2}),
        two("adadelta", {"learning_rate": 1.0, "rho": 0.8}, {"learning_rate": 0.5,
            "epsilon": 1e-4}),
        two("adam", {"learning_rate": 0.01, "beta_1": 0.7}, {"learning_rate": 0.002,
            "beta_2": 0.9, "epsilon": 1e-3}, amsgrad=True),
        two("adamw", {"learning_rate": 0.01, "beta_1": 0.7, "weight_decay": 0.1},
            {"learning_rate": 0.002, "epsilon": 1e-3, "weight_decay": 2.0}),
        two("adamax", {"learning_rate": 0.01, "beta_1": 0.0}, {"learning_rate": 0.002,
            "beta_2": 0.9}),
        two("nadam", {"learning_rate": 0.01, "beta_1": 0.7}, {"learning_rate": 0.002,
            "beta_2": 0.9}),
        two("lion", {"learning_rate": 0.003, "beta_1": 0.7}, {"learning_rate": 0.001,
            "beta_2": 0.9}),
    ],
)  # fmt: skip
def test_trials_of_one_program_equal_stock_keras(
    monkeypatch: pytest.MonkeyPatch, first: dict[str, Any], second: dict[str, Any]
) -> None:
    spans: list[float] = []
    monkeypatch.setattr(compile_clock, "add", spans.append)
    programs = ProgramCache()
    compiled = []  # how often for each trial
    for seed, setting in enumerate((first, second)):
        hyperparameters = MLP.hyperparameters(**setting)
        spans.clear()
        result = run(hyperparameters, programs=programs, seed=seed)
        compiled.append(len(spans))
        stock = run_stock(MLP, hyperparameters, seed)
        np.testing.assert_allclose(result.history["loss"], stock["loss"], rtol=2e-4)
        np.testing.assert_allclose(result.history["accuracy"], stock["accuracy"], atol=0.011)
    assert programs.built == 1
    assert traces(programs) == 1
    assert compiled[0] > compiled[1]


@pytest.mark.parametrize(("optimizer", "decay"), [("sgd", 0.0), ("adamw", 0.004)])
def test_a_trial_without_decay_or_clipping_starts_as_keras_has_it(
    optimizer: str, decay: float
) -> None:
    full = MLP.hyperparameters(optimizer=optimizer, weight_decay=1, global_clipnorm=1)
    tunable = tunable_optimizer.create(full)
    tunable.build([keras.Variable(np.zeros(3, np.float32))])
    tunable_optimizer.make_tunable(tunable)
    values = tunable_optimizer.first_values(tunable, MLP.hyperparameters(optimizer=optimizer))
    assert values[id(tunable.weight_decay)] == decay
    assert values[id(tunable.global_clipnorm)] == 2.0**100


def test_schedule_steps_and_batch_normalization_equal_stock_keras() -> None:
    programs = ProgramCache()
    shared = UNEVEN | {"batch_normalization": True, "activation": "tanh", "learning_rate": 0.02}
    cosine = {"learning_rate_schedule": "cosine", "class_weight": {"3": 5.0, "7": 0.0}}
    for setting in (cosine, {"steps": 12, "class_weight": "balanced"}):
        hyperparameters = MLP.hyperparameters(**shared, **setting)
        result = run(hyperparameters, programs=programs)
        stock = run_stock(MLP, hyperparameters, 0)
        np.testing.assert_allclose(result.history["loss"], stock["loss"], rtol=2e-4)
        assert result.last_epoch == 3
    assert (programs.built, traces(programs)) == (1, 1)


def test_convolutional_network_equals_stock_keras() -> None:
    programs = ProgramCache()
    counts = []
    for rate in (0.001, 0.01):
        setting = UNEVEN | {"filters": [4, 6], "global_pooling": "average"}
        hyperparameters = CNN.hyperparameters(**setting, learning_rate=rate)
        result = run(hyperparameters, programs=programs, objective=CNN)
        stock = run_stock(CNN, hyperparameters, 0)
        np.testing.assert_allclose(result.history["loss"], stock["loss"], rtol=2e-4)
        counts.append(traces(programs))
    assert programs.built == 1
    assert counts[0] == counts[1]


@pytest.mark.parametrize("objective", [MLP, CNN], ids=["mlp", "cnn"])
def test_trials_that_differ_in_their_parts_share_a_program_and_equal_stock_keras(
    objective: Objective,
) -> None:
    shared = SMALL | {"learning_rate": 0.01, "hidden_units": [16, 8]}
    shared |= {"filters": [4]} if objective is CNN else {}
    settings = [
        {"activation": "gelu", "initializer": "he_normal"},
        {"activation": "selu", "regularizer": "l1", "regularizer_strength": 0.003,
         "weight_decay": 1.0, "global_clipnorm": 0.1},
        {"activation": "softmax", "regularizer": "l2", "initializer": "random_normal"},
    ]  # fmt: skip
    levels = {
        "activation": ["relu", "exponential", "softmax", "gelu", "selu", "silu", "mish"],
        "regularizer": ["none", "l1", "l2"],
        "dropout": [0.0, [0.0, 0.5]],
        "conv_dropout": [None, [0.5]],
        "weight_decay": [None, 0.1, 1.0],
        "global_clipnorm": [None, 0.1],
    }
    programs = ProgramCache()
    for seed, setting in enumerate(settings):
        hyperparameters = objective.hyperparameters(**shared, **setting)
        result = run(
            hyperparameters, objective=objective, programs=programs, seed=seed, levels=levels
        )
        stock = run_stock(objective, hyperparameters, seed)
        np.testing.assert_allclose(result.history["loss"], stock["loss"], rtol=2e-4)
        found = result.model().evaluate(DIGITS.x_validation, DIGITS.y_validation, verbose=0)
        assert found[0] == pytest.approx(result.value, rel=1e-5)
    of_blocks = {"conv_dropout": [0.3]} if objective is CNN else {}
    dropping = objective.hyperparameters(**shared, **of_blocks, dropout=[0.0, 0.2])
    inside = run(dropping, objective=objective, programs=programs, levels=levels)
    assert programs.built == 1
    by_itself = run(dropping, objective=objective)
    np.testing.assert_allclose(inside.history["loss"], by_itself.history["loss"], rtol=1e-5)


def test_a_trial_depends_on_nothing_before_it() -> None:
    setting = SMALL | {"dropout": 0.3, "batch_normalization": True, "optimizer": "nadam"}
    hyperparameters = MLP.hyperparameters(**setting)
    programs = ProgramCache()
    alone = run(hyperparameters, programs=programs, seed=7)
    neighbour = MLP.hyperparameters(**setting | {"dropout": 0.6, "initializer": "ones"})
    between = run(neighbour, programs=programs, seed=8)
    again = run(hyperparameters, programs=programs, seed=7)
    fresh = run(hyperparameters, programs=ProgramCache(), seed=7)
    assert programs.built == 1
    assert alone.history == again.history == fresh.history
    assert alone.history != between.history
    assert alone.history != run(hyperparameters, programs=programs, seed=8).history
    for array, same in zip(alone.weights, again.weights, strict=True):
        np.testing.assert_array_equal(array, same)


def test_dropout_drops_its_rate_while_training_only() -> None:
    layer = TunableDropout(name="dropout")
    ones = np.ones((200, 300), np.float32)
    for rate in (0.2, 0.7):
        layer.rate.assign(rate)
        dropped = keras.ops.convert_to_numpy(layer(ones, training=True))
        assert set(np.unique(dropped.round(4))) == {0, np.float32(1 / (1 - rate)).round(4)}
        assert abs((dropped == 0).mean() - rate) < 0.01
        again = keras.ops.convert_to_numpy(layer(ones, training=True))
        assert (dropped != again).any()
    np.testing.assert_array_equal(layer(ones, training=False), ones)


def test_dropout_rate_reaches_the_program() -> None:
    programs = ProgramCache()
    losses = [
        run(MLP.hyperparameters(**SMALL, input_dropout=rate), programs=programs).history["loss"]
        for rate in (0.01, 0.9)
    ]
    assert programs.built == 1
    assert losses[0][-1] < losses[1][-1] - 0.1


@pytest.mark.skipif(
    keras.backend.backend() == "jax", reason="JAX trains many: test_training_pack.py"
)
def test_tensorflow_trains_one_trial_at_a_time() -> None:
    pack = Pack(MLP, DIGITS, ProgramCache())
    task = TrainingTask(MLP.hyperparameters(**SMALL), 0, "val_loss", False)
    with pytest.raises(ValueError, match=r"^Expected one trial at a time on TensorFlow"):
        pack.add([task, task])


def test_batch_size_is_at_most_the_training_part() -> None:
    result = run(MLP.hyperparameters(**SMALL | {"batch_size": 8192, "steps": 5}))
    assert result.last_epoch == 5


def test_program_cache_drops_the_one_unused_for_longest() -> None:
    programs = ProgramCache(size=2)
    a, b, c = (MLP.hyperparameters(**SMALL | {"hidden_units": [n]}) for n in (2, 3, 4))
    for hyperparameters, built in ((a, 1), (b, 2), (a, 2), (c, 3), (a, 3), (b, 4)):
        # A trial that begins has its program, which costs nothing until it trains.
        Pack(MLP, DIGITS, programs).add([TrainingTask(hyperparameters, 0, "val_loss", False)])
        assert programs.built == built


def test_all_of_this_on_the_other_backend() -> None:
    other = "tensorflow" if keras.backend.backend() == "jax" else "jax"
    beside = ("test_training_result.py", "test_training_row_weights.py")
    files = [__file__, *(str(Path(__file__).with_name(name)) for name in beside)]
    (words,) = said_by(start_tests(*files, backend=other, select="not other_backend"))
    assert " passed" in words


def traces(programs: ProgramCache) -> int:
    """Count how often the training step was traced in the one program of a cache."""
    (program,) = programs._programs.values()
    return program.steps.traces
