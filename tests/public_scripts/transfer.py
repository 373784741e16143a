"""Transfer: a base whose weights are given and frozen, a head that is searched."""

import keras
import numpy as np


def load(n=200):
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, n)
    across = np.arange(12)
    stripes = np.sin(across[None, :] * (kind[:, None] + 1) / 1.5)
    pictures = stripes[:, None, :, None] * np.ones((1, 12, 1, 1)) + rng.normal(
        0, 0.4, (n, 12, 12, 1)
    )
    return {"train": (pictures.astype("float32"), keras.utils.to_categorical(kind))}


def pretrained():
    """Return what would be downloaded: a base with weights."""
    base = keras.Sequential(
        [
            keras.Input((12, 12, 1)),
            keras.layers.Conv2D(4, 3, activation="relu"),
            keras.layers.GlobalMaxPooling2D(),
        ]
    )
    kernel = np.zeros((3, 3, 1, 4), "float32")
    kernel[1, :, 0, 0], kernel[1, :, 0, 1] = (-1, 2, -1), (1, 0, -1)
    kernel[1, :, 0, 2], kernel[1, :, 0, 3] = (1, 1, 1), (-1, -1, -1)
    base.set_weights([kernel, np.zeros(4, "float32")])
    return base


def build(trial):
    base = pretrained()
    base.trainable = False
    inputs = keras.Input((12, 12, 1))
    x = base(inputs, training=False)
    x = keras.layers.Dense(trial.suggest_int("units", 4, 16, step=4), activation="relu")(x)
    model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))
    rate = trial.suggest_float("learning_rate", 1e-3, 1e-1, log=True)
    model.compile(keras.optimizers.Adam(rate), "categorical_crossentropy", metrics=["accuracy"])
    return model
