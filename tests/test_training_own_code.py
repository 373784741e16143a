"""Networks with code of a user's: in one program only if the code, and all that it reads, is equal.

On JAX in float64: the last test of test_training_network_pack.py runs them there.
"""

from __future__ import annotations

import functools
import math
import random
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
from double_precision import compute_in_double
from keras import layers, ops

from objectives.data.datasets import Dataset
from objectives.training import structure
from objectives.training.fit_pack import FitPack, FitTask
from objectives.training.keras_internals import create_all_variables
from objectives.training.network_pack import NetworkPack, way_of
from objectives.training.program_cache import ProgramCache
from objectives.training.result import TrainingResult
from objectives.training_hyperparameters import TrainingHyperparameters

THERE = keras.backend.backend() == "jax" and keras.backend.floatx() == "float64"
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy"),
    pytest.mark.skipif(not THERE, reason="on JAX in float64: see test_training_network_pack.py"),
]
rng = np.random.default_rng(0)
X = rng.random((8, 3))
Y = (X.mean(1) > 0.5).astype("int32")
DATA = Dataset("toy", X, Y, X[:4], Y[:4], 2, "", 1.0)
Build = Callable[[Mapping[str, Any]], keras.Model]
SPARSE = keras.losses.SparseCategoricalCrossentropy
ALPHA = 0.5
CONFIG = {"alpha": 0.5}
COUNTS = {"calls": 0}


@pytest.fixture(autouse=True)
def _keras_in_double(monkeypatch: pytest.MonkeyPatch) -> None:
    compute_in_double(monkeypatch)


def network(*parts: Any, loss: Any = None, metrics: Sequence[Any] = ()) -> Build:
    def build(_: Mapping[str, Any]) -> keras.Model:
        own = [part() for part in parts]
        model = keras.Sequential([layers.Dense(2), *own])
        model.compile(keras.optimizers.SGD(0.1), loss or SPARSE(True), metrics=list(metrics))
        return model

    return build


def built(build: Build) -> keras.Model:
    def here() -> keras.Model:
        keras.utils.set_random_seed(0)
        model = build({})
        create_all_variables(model, (X, Y))
        return model

    with ThreadPoolExecutor(1) as thread:
        return thread.submit(here).result()


def activation(function: Callable[..., Any]) -> Build:
    return network(lambda: layers.Activation(function))


def make_loss(alpha: float) -> Any:
    def scaled(y_true: Any, y_pred: Any) -> Any:
        return alpha * SPARSE(True)(y_true, y_pred)

    return scaled


def make_activation(slope: Any) -> Any:
    return lambda x: slope * x


def with_default(slope: float) -> Any:
    def scale(x: Any, slope: float = slope) -> Any:
        return slope * x

    return scale


def with_keyword(slope: float) -> Any:
    def scale(x: Any, *, slope: float = slope) -> Any:
        return slope * x

    return scale


class Scaled(layers.Layer):  # type: ignore[misc]
    """A layer whose configuration lacks its argument, with a weight that begins at random."""

    def __init__(self, factor: Any) -> None:
        super().__init__()
        self.factor = factor
        self.shift = self.add_weight(shape=(2,), initializer="random_normal")

    def call(self, x: Any) -> Any:
        """Scale the inputs, of any shape."""
        return self.factor * x + self.shift


def scaled_class(factor: float) -> Any:
    class Local(Scaled):
        scale = factor

        def call(self, x: Any) -> Any:
            return self.scale * super().call(x)

    return lambda: Local(1.0)


class Focal(keras.losses.Loss):  # type: ignore[misc]
    """A loss with an object of a plain class."""

    def __init__(self, gamma: float) -> None:
        super().__init__()
        self.settings = SimpleNamespace(gamma=gamma)

    def call(self, y_true: Any, y_pred: Any) -> Any:
        """Return the loss, a scalar."""
        return self.settings.gamma * SPARSE(True)(y_true, y_pred)


def metric(name: str) -> Any:
    def measured(y_true: Any, y_pred: Any) -> Any:
        return ops.mean(y_pred)

    measured.__name__ = name
    return measured


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (network(loss=make_loss(0.5)), network(loss=make_loss(0.6))),
        (activation(make_activation(2.0)), activation(make_activation(3.0))),
        (
            activation(make_activation(np.array([1.0, 2]))),
            activation(make_activation(np.array([1.0, 3]))),
        ),
        (activation(lambda x: 2 * x), activation(lambda x: 3 * x)),
        (activation(lambda x: ops.tanh(x)), activation(lambda x: ops.relu(x))),
        (activation(with_default(2.0)), activation(with_default(3.0))),
        (activation(with_keyword(2.0)), activation(with_keyword(3.0))),
        (
            activation(functools.partial(with_default(1.0), slope=2.0)),
            activation(functools.partial(with_default(1.0), slope=3.0)),
        ),
        (activation(lambda x: (lambda: 2 * x)()), activation(lambda x: (lambda: 3 * x)())),
        (
            network(lambda: layers.Lambda(lambda x: 2 * x)),
            network(lambda: layers.Lambda(lambda x: 3 * x)),
        ),
        (network(lambda: Scaled(2.0)), network(lambda: Scaled(3.0))),
        (network(scaled_class(2.0)), network(scaled_class(3.0))),
        (network(loss=Focal(1.0)), network(loss=Focal(2.0))),
        (network(metrics=[metric("a")]), network(metrics=[metric("b")])),
        (
            network(loss=make_loss(keras.Variable(0.5))),
            network(loss=make_loss(keras.Variable(0.6))),
        ),
    ],
)
def test_code_that_differs_in_a_value_does_not_share_a_program(one: Build, other: Build) -> None:
    first, again, second = (structure.read(built(build)) for build in (one, one, other))
    assert first.key == again.key
    assert first.has_own_code
    assert first.key != second.key


def test_a_global_is_compared_by_what_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def deep(x: Any) -> Any:
        return CONFIG["alpha"] * x * ALPHA

    build = activation(lambda x: deep(x) * math.pi)
    keys = [structure.read(built(build)).key]
    monkeypatch.setitem(CONFIG, "alpha", 0.7)
    keys.append(structure.read(built(build)).key)
    monkeypatch.setitem(globals(), "ALPHA", 0.7)
    keys.append(structure.read(built(build)).key)
    assert len(set(keys)) == 3


def global_counter(x: Any) -> Any:
    global ALPHA
    ALPHA = 0.5
    return ALPHA * x


def counted(x: Any) -> Any:
    COUNTS["calls"] += 1
    return x / COUNTS["calls"]


def imports(x: Any) -> Any:
    import time

    return x * time.time()


class Counter(layers.Layer):  # type: ignore[misc]
    """A layer that remembers its calls."""

    n_calls = 0

    def call(self, x: Any) -> Any:
        """Scale the inputs, of any shape."""
        self.n_calls += 1
        return x / self.n_calls


class Stateful(layers.Layer):  # type: ignore[misc]
    """A layer that says of itself that it has a state."""

    stateful = True

    def call(self, x: Any) -> Any:
        """Return the inputs."""
        return x


class Ones(keras.metrics.SparseCategoricalAccuracy):  # type: ignore[misc]
    """A metric that begins each epoch at one."""

    def reset_state(self) -> None:
        """Set its variables to one."""
        for variable in self.variables:
            variable.assign(np.ones(variable.shape))


generator = np.random.default_rng(0)
VARIABLE = keras.Variable(1.0)


def changes_variable(x: Any) -> Any:
    VARIABLE.assign_add(1.0)
    return x * VARIABLE


@pytest.mark.parametrize(
    ("build", "named"),
    [
        (activation(lambda x: x * random.random()), "the module random"),
        (activation(lambda x: x * np.random.random()), "the module numpy.random"),
        (activation(lambda x: x * generator.random()), "Generator"),
        (activation(lambda x: x * eval("2")), "uses eval"),
        (activation(imports), "imports time"),
        (activation(global_counter), "changes the global ALPHA"),
        (activation(counted), "keeps something from call to call"),
        (activation(changes_variable), "changes variable"),
        (
            activation(lambda x: keras.random.dropout(x, 0.1, seed=keras.random.SeedGenerator())),
            "draws random numbers",
        ),
        (network(Counter), "keeps something from call to call"),
        (network(Stateful), "keeps its state from batch to batch"),
        (network(metrics=[Ones(name="ones")]), "Ones does not begin at zero"),
    ],
)
def test_code_that_may_not_give_the_same_each_time_is_trained_by_fit(
    build: Build, named: str
) -> None:
    way, reason = way_of(built(build), (X, Y))
    assert (way, named in reason) == ("fit", True), reason


def task(seed: int, setting: Mapping[str, Any]) -> FitTask:
    hyperparameters = TrainingHyperparameters(epochs=2, batch_size=4)
    return FitTask(hyperparameters, setting, seed, "val_loss", maximize=False)


def train(pack: NetworkPack | FitPack, tasks: Sequence[FitTask]) -> list[TrainingResult]:
    results: dict[FitTask, TrainingResult] = {}
    pack.add(tasks)
    while pack.trials:
        pack.train_epoch()
        results |= {trial.task: result for trial, result in pack.take_ended()}
    return [results[each] for each in tasks]


def check_by_fit(build: Build, tasks: Sequence[FitTask], results: list[TrainingResult]) -> None:
    for each, result in zip(tasks, results, strict=True):
        (by_fit,) = train(FitPack(build, DATA), [each])
        for name, values in by_fit.history.items():
            np.testing.assert_allclose(result.history[name], values, atol=1e-8, err_msg=name)
        for ours, theirs in zip(result.weights, by_fit.weights, strict=True):
            np.testing.assert_allclose(ours, theirs, atol=1e-8)


def test_networks_that_read_one_global_become_each_what_it_was_at_their_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def build(setting: Mapping[str, Any]) -> keras.Model:
        monkeypatch.setitem(CONFIG, "alpha", setting["alpha"])
        return network(lambda: layers.Activation(lambda x: CONFIG["alpha"] * x))({})

    tasks = [task(1, {"alpha": alpha}) for alpha in (0.5, 2.0, 0.5)]
    programs = ProgramCache()
    pack = NetworkPack(build, DATA, programs)
    results = train(pack, tasks)
    assert [pack.trained_by(each)[0] for each in tasks] == ["lanes"] * 3
    assert programs.built == 2
    assert results[0].history == results[2].history
    check_by_fit(build, tasks, results)


def test_a_program_that_computes_something_else_is_not_taken(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The comparison is blinded here, so that only what is computed tells the two apart."""
    monkeypatch.setattr(structure, "parts_of_function", lambda _: iter(()))

    def build(setting: Mapping[str, Any]) -> keras.Model:
        return network(loss=make_loss(setting["alpha"]))({})

    tasks = [task(i, {"alpha": alpha}) for i, alpha in enumerate((0.5, 0.51, 0.5))]
    programs = ProgramCache()
    pack = NetworkPack(build, DATA, programs)
    results = train(pack, tasks)
    assert [pack.trained_by(each)[0] for each in tasks] == ["lanes", "fit", "lanes"]
    assert "something else" in pack.trained_by(tasks[1])[1]
    assert programs.built == 1
    check_by_fit(build, tasks, results)
