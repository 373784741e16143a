"""The convolutional network: published networks as settings of it, and what pictures it takes."""

import itertools
from typing import Any

import keras
import pytest

from objectives.networks.cnn import CnnHyperparameters, build

MNIST, CIFAR10 = (28, 28, 1), (32, 32, 3)


def conv(channels: int, filters: int) -> int:
    """Count the parameters of a 3x3 convolution."""
    return 9 * channels * filters + filters


@pytest.mark.parametrize(
    ("setting", "input_shape", "count"),
    [
        # The Keras example: 3x3 convolutions of 32 and 64, pooling, dense 128.
        ({"padding": "valid", "conv_dropout": 0.25, "dropout": 0.5}, MNIST, 1_199_882),
        # The small one: 28 filters, pooling, dense 128.
        ({"filters": [28], "padding": "valid", "dropout": 0.2}, MNIST,
         conv(1, 28) + (13 * 13 * 28 + 1) * 128 + 129 * 10),
        # Two and three blocks of two.
        ({"filters": [32, 32, 64, 64]}, CIFAR10,
         conv(3, 32) + conv(32, 32) + conv(32, 64) + conv(64, 64)
         + (8 * 8 * 64 + 1) * 128 + 129 * 10),
        ({"filters": [32, 32, 64, 64, 128, 128], "hidden_units": []}, CIFAR10,
         conv(3, 32) + conv(32, 32) + conv(32, 64) + conv(64, 64) + conv(64, 128) + conv(128, 128)
         + (4 * 4 * 128 + 1) * 10),
        # Of each channel of the last block one number is left.
        ({"filters": [32, 64], "global_pooling": "average"}, MNIST,
         conv(1, 32) + conv(32, 64) + 65 * 128 + 129 * 10),
        # Five convolutions: the last block has one.
        ({"filters": [32, 64, 64, 128, 128]}, MNIST,
         conv(1, 32) + conv(32, 64) + conv(64, 64) + conv(64, 128) + conv(128, 128)
         + (3 * 3 * 128 + 1) * 128 + 129 * 10),
    ],
)  # fmt: skip
def test_published_networks(
    setting: dict[str, Any], input_shape: tuple[int, int, int], count: int
) -> None:
    assert build(CnnHyperparameters(**setting), input_shape, 10).count_params() == count


def test_order_of_layers() -> None:
    hyperparameters = CnnHyperparameters(
        filters=[8, 8, 8], pooling="average", dropout=0.5, batch_normalization=True
    )
    network = build(hyperparameters, (8, 8, 1), 10)
    convolution = ["Conv2D", "BatchNormalization", "Activation"]
    assert [layer.__class__.__name__ for layer in network.layers] == [
        "InputLayer", "Rescaling",
        *convolution, *convolution, "AveragePooling2D", "Dropout",
        *convolution, "AveragePooling2D", "Dropout",
        "Flatten", "Dense", "BatchNormalization", "Activation", "Dropout", "Dense",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("conv_dropout", "rates"),
    [(None, [0.5, 0.5]), (0.0, [0.5]), (0.25, [0.25, 0.5]), ([0.25], [0.25, 0.5])],
)
def test_conv_dropout_is_the_dropout_unless_it_is_given(
    conv_dropout: float | list[float] | None, rates: list[float]
) -> None:
    hyperparameters = CnnHyperparameters(dropout=0.5, conv_dropout=conv_dropout)
    network = build(hyperparameters, (8, 8, 1), 10)
    assert [layer.rate for layer in network.layers if hasattr(layer, "rate")] == rates


def test_lists_of_rates_and_global_pooling() -> None:
    hyperparameters = CnnHyperparameters(
        filters=[8, 8, 8], conv_dropout=[0.1, 0.0], hidden_units=[9, 9], dropout=[0.0, 0.4],
        global_pooling="max",
    )  # fmt: skip
    network = build(hyperparameters, (8, 8, 1), 10)
    assert [layer.__class__.__name__ for layer in network.layers][6:] == [
        "MaxPooling2D", "Dropout", "Conv2D", "Activation", "MaxPooling2D", "GlobalMaxPooling2D",
        "Dense", "Activation", "Dense", "Activation", "Dropout", "Dense",
    ]  # fmt: skip
    assert [layer.rate for layer in network.layers if hasattr(layer, "rate")] == [0.1, 0.4]


def test_kernels_of_hidden_layers_are_regularized() -> None:
    network = build(CnnHyperparameters(regularizer="l2"), (8, 8, 1), 10)
    penalties = [layer.kernel_regularizer for layer in network.layers if hasattr(layer, "kernel")]
    assert [penalty is not None for penalty in penalties] == [True, True, True, False]


def test_check_input_refuses_what_keras_refuses() -> None:
    for side, padding, strides, pooling in itertools.product(
        (2, 5, 9, 11, 12), ("same", "valid"), (1, 2), ("max", "none")
    ):
        hyperparameters = CnnHyperparameters(
            filters=[2, 2, 2], padding=padding, strides=strides, pooling=pooling, hidden_units=[]
        )
        assert fits(hyperparameters, side) == keras_builds(hyperparameters, side), (
            side, padding, strides, pooling,
        )  # fmt: skip


def test_picture_too_small_names_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"at least 3 pixels .* block 3 of 3. Received: 2 left"):
        CnnHyperparameters(filters=[8] * 6, padding="valid").check_input(MNIST)
    with pytest.raises(ValueError, match="Use padding='same'"):
        build(CnnHyperparameters(filters=[8] * 6, padding="valid"), MNIST, 10)


def fits(hyperparameters: CnnHyperparameters, side: int) -> bool:
    try:
        hyperparameters.check_input((side, side + 3, 1))
    except ValueError:
        return False
    return True


def keras_builds(hyperparameters: CnnHyperparameters, side: int) -> bool:
    """Build the convolutions and poolings of a network directly, unchecked."""
    x = keras.Input((side, side + 3, 1))
    try:
        for block in hyperparameters.blocks():
            for filters in block:
                x = keras.layers.Conv2D(
                    filters, hyperparameters.kernel_size, strides=hyperparameters.strides,
                    padding=hyperparameters.padding,
                )(x)  # fmt: skip
            if hyperparameters.pooling == "max":
                x = keras.layers.MaxPooling2D(hyperparameters.pool_size)(x)
    except ValueError:
        return False
    return all(x.shape[1:])
