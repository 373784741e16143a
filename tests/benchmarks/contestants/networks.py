"""The networks that every contestant but hpo searches, as Keras's documentation writes them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from sklearn.model_selection import train_test_split

OPTIMIZERS = {
    "rmsprop": lambda: keras.optimizers.RMSprop(1e-3),
    "adam": lambda: keras.optimizers.Adam(1e-3),
    "adam_fast": lambda: keras.optimizers.Adam(1e-2),
}
PENALTIES = {
    "none": lambda: None,
    "l1": lambda: keras.regularizers.L1(),
    "l2": lambda: keras.regularizers.L2(),
}


@dataclass(frozen=True)
class Search:
    """What is searched.

    Attributes:
        space: The levels of each factor; all combinations are trained.
        epochs: Of each training.
    """

    space: dict[str, list[str]]
    epochs: int

    def __len__(self) -> int:
        """Return the number of combinations."""
        return int(np.prod([len(levels) for levels in self.space.values()]))


SEARCHES = {
    "dense": Search(
        {
            "activation": ["relu", "sigmoid", "tanh"],
            "regularizer": ["none", "l1", "l2"],
            "optimizer": list(OPTIMIZERS),
        },
        epochs=5,
    ),
    "conv": Search({"activation": ["relu", "tanh"], "optimizer": list(OPTIMIZERS)}, epochs=3),
    "quality": Search(
        {
            "activation": ["relu", "sigmoid", "tanh"],
            "regularizer": ["none", "l1", "l2"],
            "initializer": ["random_normal", "glorot_normal", "glorot_uniform"],
            "optimizer": list(OPTIMIZERS),
        },
        epochs=10,
    ),
}
name = sys.argv[1]
search = SEARCHES[name]


def pictures() -> tuple[Any, ...]:
    """Load the pictures as the network takes them, split as hpo splits them.

    Returns:
        Pictures to train and to validate on, and the labels of both, as scikit-learn orders them.
    """
    with np.load(sys.argv[2]) as arrays:
        x, y = arrays["x_train"].astype("float32") / 255, arrays["y_train"]
    x = x[..., None] if name == "conv" else x.reshape(-1, 784)
    return tuple(train_test_split(x, y, test_size=0.1, stratify=y, random_state=0))


def network(**levels: str) -> keras.Model:
    """Build and compile the network of a combination."""
    layers = _conv(**levels) if name == "conv" else _dense(**levels)
    model = keras.Sequential([*layers, keras.layers.Dense(10, activation="softmax")])
    optimizer = OPTIMIZERS[levels["optimizer"]]()
    model.compile(optimizer, "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def fit(model: keras.Model, data: tuple[Any, ...], *callbacks: keras.callbacks.Callback) -> float:
    """Train a network; return its best accuracy on the tenth that it is not trained on."""
    x, x_validation, y, y_validation = data
    run = model.fit(
        x,
        y,
        batch_size=128,
        epochs=search.epochs,
        validation_data=(x_validation, y_validation),
        callbacks=list(callbacks),
        verbose=0,
    )
    return float(max(run.history["val_accuracy"]))


def _dense(
    activation: str, regularizer: str, optimizer: str, initializer: str = "random_normal"
) -> list[Any]:
    normal = keras.initializers.RandomNormal(stddev=0.05)
    return [
        keras.Input((784,)),
        keras.layers.Dense(
            128,
            activation=activation,
            kernel_initializer=normal if initializer == "random_normal" else initializer,
            kernel_regularizer=PENALTIES[regularizer](),
        ),
    ]


def _conv(activation: str, optimizer: str) -> list[Any]:
    return [
        keras.Input((28, 28, 1)),
        keras.layers.Conv2D(32, 3, padding="same", activation=activation),
        keras.layers.Conv2D(32, 3, padding="same", activation=activation),
        keras.layers.MaxPooling2D(),
        keras.layers.Conv2D(64, 3, padding="same", activation=activation),
        keras.layers.Conv2D(64, 3, padding="same", activation=activation),
        keras.layers.MaxPooling2D(),
        keras.layers.Flatten(),
        keras.layers.Dense(128, activation=activation),
    ]
