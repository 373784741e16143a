"""Networks that are only looked at have weights of NumPy's; those that train have Keras's.

On JAX: the last test runs the others there.
"""

from __future__ import annotations

import functools
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import keras
import numpy as np
import pytest
from nested import IS_NESTED, said_by, start_tests

from objectives.code.find_function import find_object
from objectives.data.datasets import Dataset
from objectives.data.encoding import AS_STORED
from objectives.own import find_space
from objectives.own.builder import Builder
from objectives.own.hyperparameters import OwnHyperparameters
from objectives.training import keras_internals, structural
from objectives.training.fit_pack import FitTask
from objectives.training.program_cache import ProgramCache
from objectives.training.stand_in_weights import stand_in_weights
from studies.executor.inspection import InspectNetwork, NetworkInspected
from studies.executor.own_networks import OwnNetworks
from studies.executor.protocol import AddTrials
from studies.executor.request import DatasetSpec

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")
on_jax = pytest.mark.skipif(keras.backend.backend() != "jax", reason="TensorFlow compiles no draw")

initializers = keras.initializers
DRAWN = [
    lambda: initializers.RandomNormal(0.1, 0.3, seed=1),
    lambda: initializers.RandomUniform(-0.1, 0.4, seed=1),
    lambda: initializers.TruncatedNormal(0.1, 0.3, seed=1),
    lambda: initializers.GlorotUniform(seed=1),
    lambda: initializers.HeNormal(seed=1),
    lambda: initializers.VarianceScaling(0.5, "fan_out", "untruncated_normal", seed=1),
    lambda: initializers.Orthogonal(2.0, seed=1),
]
FILLED = [initializers.Zeros, initializers.Ones, lambda: initializers.Constant(3.0)]
RNG = np.random.default_rng(0)
X, Y = RNG.random((64, 4, 4), np.float32), np.arange(64) % 3
DATA = Dataset("own", X, Y, X, Y, 0, "", 1.0)
CODE = """
import keras
import numpy as np

SEEN = {}


class Own(keras.initializers.Initializer):
    def __call__(self, shape, dtype=None):
        return keras.ops.full(shape, 0.25, dtype)


class Reads(keras.layers.Layer):
    def build(self, shape):
        self.kernel = self.add_weight(shape=(shape[-1], 64), initializer="he_normal")
        self.own = self.add_weight(shape=(64,), initializer=Own())
        values = keras.ops.convert_to_numpy(self.kernel)
        SEEN["drawn"], SEEN["own"] = values, keras.ops.convert_to_numpy(self.own)
        if not 0.1 < values.std() < 10 or len(np.unique(values)) < 60:
            raise ValueError("these weights were not drawn")

    def call(self, x):
        return x @ self.kernel + self.own


def build(trial):
    x = inputs = keras.Input((4, 4))
    x = keras.layers.Flatten()(x)
    if trial.suggest_categorical("reads", [True, False]):
        x = Reads()(x)
    x = keras.layers.Dense(trial.suggest_int("units", 8, 24, step=8))(x)
    x = keras.layers.Dense(3, kernel_initializer="orthogonal")(x)
    model = keras.Model(inputs, x)
    rate = trial.suggest_float("rate", 0.0, 0.1)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(rate), loss, metrics=["accuracy"])
    return model
"""


def drawn(make: Any, shape: tuple[int, ...], dtype: str = "float32") -> Any:
    return keras.ops.convert_to_numpy(make()(shape, dtype=dtype))


@on_jax
@pytest.mark.parametrize("make", DRAWN)
def test_numpy_draws_from_the_same_distribution_within_the_context_alone(make: Any) -> None:
    shape = (200, 150)
    before = drawn(make, shape)
    with stand_in_weights():
        value = make()(shape)
        found, again = drawn(make, shape), drawn(make, shape)
        assert keras.ops.is_tensor(value)
        assert (found.dtype, found.shape) == (np.float32, shape)
    np.testing.assert_array_equal(found, again)  # of one seed
    assert (found != before).any()
    at = np.linspace(0.1, 0.9, 9)
    near = float(np.ptp(before)) / 100
    np.testing.assert_allclose(np.quantile(found, at), np.quantile(before, at), atol=near)
    np.testing.assert_array_equal(drawn(make, shape), before)


@on_jax
@pytest.mark.parametrize("make", FILLED)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int32", "bool"])
def test_what_is_not_drawn_is_the_same(make: Any, dtype: str) -> None:
    before = make()((2, 3), dtype=dtype)
    with stand_in_weights():
        found = make()((2, 3), dtype=dtype)
    assert found.dtype == before.dtype
    np.testing.assert_array_equal(*map(keras.ops.convert_to_numpy, (found, before)))


@on_jax
@pytest.mark.parametrize(
    ("make", "dtype"),
    [
        (lambda: initializers.GlorotUniform(seed=1), "float16"),
        (lambda: initializers.GlorotUniform(keras.random.SeedGenerator(1)), "float32"),
        (lambda: lambda shape, dtype: keras.random.normal(shape, dtype=dtype, seed=1), "float32"),
    ],
    ids=["another type", "a seed that changes", "an own function"],
)
def test_what_is_unusual_keras_draws(make: Any, dtype: str) -> None:
    before = drawn(make, (4, 5), dtype)
    with stand_in_weights():
        np.testing.assert_array_equal(drawn(make, (4, 5), dtype), before)


@on_jax
def test_a_rank_that_an_initializer_refuses_is_refused() -> None:
    with stand_in_weights(), pytest.raises(ValueError, match="at least two-dimensional"):
        initializers.Orthogonal()((3,))


@pytest.fixture(scope="module")
def objective(tmp_path_factory: pytest.TempPathFactory) -> str:
    file = tmp_path_factory.mktemp("code") / "looked_at.py"
    file.write_text(CODE)
    return f"{file}:build"


@pytest.fixture
def networks(objective: str, monkeypatch: pytest.MonkeyPatch) -> OwnNetworks:
    monkeypatch.setattr(find_space, "RANDOM_SETTINGS", 5)
    return OwnNetworks(objective)


def inspected(networks: OwnNetworks) -> NetworkInspected:
    request = InspectNetwork("", DatasetSpec("own", {}, AS_STORED.to_json()), {}, [], {}, {})
    return networks.inspect(request, DATA)


@on_jax
def test_a_look_at_networks_draws_by_numpy_all_but_an_own_initializer(
    networks: OwnNetworks, objective: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("uniform", "normal", "truncated_normal"):
        real = getattr(keras_internals.backend_random, name)
        by_keras = functools.wraps(real)(lambda *args, **kwargs: pytest.fail("drawn by JAX"))
        monkeypatch.setattr(keras_internals.backend_random, name, by_keras)
    found = inspected(networks)
    assert found.space == {
        "reads": [True, False],
        "units": {"low": 8, "high": 24, "step": 8},
        "rate": {"low": 0.0, "high": 0.1},
    }
    assert found.trained_by == "lanes"
    assert set(found.structural) == {"reads", "units"}
    seen = find_object(objective).__globals__["SEEN"]
    assert (seen["own"] == 0.25).all()
    assert len(np.unique(seen["drawn"])) > 1000


@on_jax
def test_a_trial_has_the_first_weights_that_keras_draws_bit_by_bit(
    networks: OwnNetworks, objective: str
) -> None:
    setting = {"reads": True, "units": 16, "rate": 0.0}  # at a rate of 0 the first ones stay

    def by_keras() -> list[Any]:
        keras.utils.set_random_seed(5)
        weights: list[Any] = Builder(find_object(objective))(setting).get_weights()
        return weights

    inspected(networks)
    request = AddTrials("", DatasetSpec("own", {}), {}, "val_loss", False, [])
    hyperparameters = OwnHyperparameters(**setting, epochs=1, batch_size=32)
    task = FitTask(hyperparameters, setting, 5, "val_loss", False, None)
    pack = networks.pack(request, DATA, ProgramCache())
    pack.add([task])
    pack.train_epoch()
    ((_, result),) = pack.take_ended()
    assert pack.trained_by(task)[0] == "lanes"
    with ThreadPoolExecutor(1) as thread:
        expected = thread.submit(by_keras).result()
    for one, other in zip(result.model().get_weights(), expected, strict=True):
        np.testing.assert_array_equal(one, other)


@on_jax
def test_no_more_is_built_once_a_factor_is_known_to_be_structural() -> None:
    built = []

    def build(setting: Any) -> keras.Model:
        built.append(dict(setting))
        units = setting["units"]
        model = keras.Sequential([keras.layers.Flatten(), keras.layers.Dense(units)])
        model.compile(keras.optimizers.SGD(setting["rate"]), "mse")
        return model

    variants = {
        "units": [{"units": n} for n in range(1, 9)],
        "rate": [{"rate": rate} for rate in (0.1, 0.2, 0.3)],
    }
    batch = X[:8], np.zeros((8, 1), np.float32)
    settings = [{"units": 1, "rate": 0.1}]
    assert structural.structural_factors(build, variants, settings, batch) == ["units"]
    assert [each["units"] for each in built] == [1, 2, 1, 1]
    assert [each["rate"] for each in built] == [0.1, 0.1, 0.2, 0.3]


@pytest.mark.skipif(IS_NESTED, reason="this is on JAX")
def test_these_on_jax() -> None:
    (words,) = said_by(start_tests(__file__))
    assert " passed" in words
