"""First weights are drawn from the distributions of Keras's initializers."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from objectives.training.initial_weights import draw

# Keras 3.15 reads its variables in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")


@pytest.mark.parametrize("shape", [(300, 200), (3, 5, 40, 90)], ids=["dense", "convolution"])
@pytest.mark.parametrize(
    "initializer",
    [
        keras.initializers.Zeros(),
        keras.initializers.Ones(),
        keras.initializers.RandomNormal(0.1, 0.3, seed=1),
        keras.initializers.RandomUniform(-0.1, 0.4, seed=1),
        keras.initializers.GlorotNormal(seed=1),
        keras.initializers.GlorotUniform(seed=1),
        keras.initializers.HeNormal(seed=1),
        keras.initializers.HeUniform(seed=1),
        keras.initializers.LecunNormal(seed=1),
        keras.initializers.LecunUniform(seed=1),
        keras.initializers.VarianceScaling(0.5, "fan_out", "untruncated_normal", seed=1),
        keras.initializers.Orthogonal(2.0, seed=1),
    ],
    ids=lambda initializer: initializer.__class__.__name__,
)
def test_distribution_is_that_of_keras(
    initializer: keras.initializers.Initializer, shape: tuple[int, ...]
) -> None:
    expected = keras.ops.convert_to_numpy(initializer(shape))
    drawn = draw(initializer, shape, np.random.default_rng(0))
    assert (drawn.shape, drawn.dtype) == (shape, np.float32)
    spread = float(np.ptp(expected)) or 1.0
    at = np.linspace(0, 1, 11)
    np.testing.assert_allclose(
        np.quantile(drawn, at[1:-1]), np.quantile(expected, at[1:-1]), atol=spread / 100
    )
    if not has_open_ends(initializer):
        np.testing.assert_allclose(
            np.quantile(drawn, [0, 1]), np.quantile(expected, [0, 1]), atol=spread / 500
        )


def has_open_ends(initializer: keras.initializers.Initializer) -> bool:
    normal = keras.initializers.RandomNormal, keras.initializers.Orthogonal
    untruncated = getattr(initializer, "distribution", "") == "untruncated_normal"
    return untruncated or isinstance(initializer, normal)


@pytest.mark.parametrize("shape", [(7, 4), (3, 5), (3, 3, 2, 5)])
def test_orthogonal_columns_or_rows_in_any_direction(shape: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    drawn = draw(keras.initializers.Orthogonal(2.0), shape, rng)
    flat = drawn.reshape(-1, shape[-1])
    product = flat.T @ flat if flat.shape[0] >= flat.shape[1] else flat @ flat.T
    np.testing.assert_allclose(product, 4 * np.eye(len(product)), atol=1e-5)
    signs = [draw(keras.initializers.Orthogonal(), shape, rng).flat[0] > 0 for _ in range(40)]
    assert 5 < sum(signs) < 35  # a plain QR decomposition has it negative in most


def test_draws_differ() -> None:
    rng = np.random.default_rng(0)
    initializer = keras.initializers.GlorotNormal()
    assert (draw(initializer, (3, 4), rng) != draw(initializer, (3, 4), rng)).all()


def test_another_initializer_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^Expected an initializer .* Received: Constant\."):
        draw(keras.initializers.Constant(2.0), (3, 4), np.random.default_rng(0))
