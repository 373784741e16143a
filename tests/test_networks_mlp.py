"""The multilayer perceptron: published networks as settings of it, by their parameter counts."""

from typing import Any

import keras
import numpy as np
import pytest

from objectives.networks.mlp import MlpHyperparameters, build

# Keras 3.15 reads its variables in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")

MNIST, CIFAR10 = (28, 28, 1), (32, 32, 3)


def layer_names(network: keras.Model) -> list[str]:
    return [layer.__class__.__name__ for layer in network.layers]


@pytest.mark.parametrize(
    ("setting", "input_shape", "count"),
    [
        # Hands-On Machine Learning: 300-100-10.
        ({"hidden_units": [300, 100]}, MNIST, 785 * 300 + 301 * 100 + 101 * 10),
        # The Keras example: 512-512-10 with dropout 0.2.
        ({"hidden_units": [512, 512], "dropout": 0.2}, MNIST, 669_706),
        ({"hidden_units": [128, 64]}, MNIST, 785 * 128 + 129 * 64 + 65 * 10),
        ({"hidden_units": [256, 128, 64]}, MNIST, 785 * 256 + 257 * 128 + 129 * 64 + 65 * 10),
        ({"hidden_units": [512, 128, 32], "dropout": 0.1}, CIFAR10,
         3073 * 512 + 513 * 128 + 129 * 32 + 33 * 10),
        ({"hidden_units": [300]}, CIFAR10, 3073 * 300 + 301 * 10),
        # Batch normalization: scale, shift and two moving averages a unit.
        ({"hidden_units": [128], "batch_normalization": True}, MNIST,
         785 * 128 + 4 * 128 + 129 * 10),
    ],
)  # fmt: skip
def test_published_networks(
    setting: dict[str, Any], input_shape: tuple[int, int, int], count: int
) -> None:
    assert build(MlpHyperparameters(**setting), input_shape, 10).count_params() == count


def test_order_of_layers() -> None:
    plain = build(MlpHyperparameters(), MNIST, 10)
    assert layer_names(plain) == [
        "InputLayer", "Rescaling", "Flatten", "Dense", "Activation", "Dense",
    ]  # fmt: skip
    hyperparameters = MlpHyperparameters(dropout=0.5, input_dropout=0.1, batch_normalization=True)
    full = build(hyperparameters, MNIST, 10, "float32", 1.0)
    assert layer_names(full) == [
        "InputLayer", "Flatten", "Dropout", "Dense", "BatchNormalization", "Activation",
        "Dropout", "Dense",
    ]  # fmt: skip
    assert [layer.rate for layer in full.layers if hasattr(layer, "rate")] == [0.1, 0.5]


def test_settings_reach_the_layers() -> None:
    hyperparameters = MlpHyperparameters(
        activation="tanh", initializer="random_uniform", initializer_spread=0.2,
        regularizer="l1", regularizer_strength=0.3,
    )  # fmt: skip
    network = build(hyperparameters, MNIST, 10)
    hidden, activation, last = network.layers[-3:]
    assert activation.activation is keras.activations.tanh
    assert hidden.kernel_regularizer.get_config() == {"l1": 0.3, "l2": 0.0}
    assert last.kernel_regularizer is None
    for layer in (hidden, last):
        spread = np.abs(layer.get_weights()[0]).max()
        assert 0.19 < spread <= 0.2


@pytest.mark.parametrize(("initializer", "value"), [("zeros", 0), ("ones", 1)])
def test_constant_initializers_fill_every_kernel(initializer: str, value: float) -> None:
    network = build(MlpHyperparameters(initializer=initializer), MNIST, 10)
    for layer in network.layers[-3::2]:
        assert (layer.get_weights()[0] == value).all()


def test_raw_pixels_in_probabilities_out() -> None:
    network = build(MlpHyperparameters(initializer="zeros"), MNIST, 4)
    pictures = np.full((2, *MNIST), 255, np.uint8)
    np.testing.assert_allclose(network.predict(pictures, verbose=0), np.full((2, 4), 0.25))
    scaled = keras.Model(network.inputs, network.layers[1].output).predict(pictures, verbose=0)
    np.testing.assert_allclose(scaled, 1)
