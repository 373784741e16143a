"""Signals of three kinds: Conv1D, batch normalization, a GRU; labels that are text."""

import keras
import numpy as np


def load(n=240, length=32):
    rng = np.random.default_rng(0)
    kind = rng.integers(0, 3, n)
    t = np.arange(length)
    waves = np.stack([np.sin(t / 2), np.sign(np.sin(t / 2)), (t % 12) / 6 - 1])
    x = waves[kind] + rng.normal(0, 0.3, (n, length))
    return {"train": (x[..., None].astype("float32"), np.array(["sine", "square", "saw"])[kind])}


def build(trial):
    model = keras.Sequential()
    for i in range(trial.suggest_int("blocks", 1, 2)):
        model.add(keras.layers.Conv1D(trial.suggest_categorical(f"filters_{i}", [4, 8]), 3))
        model.add(keras.layers.BatchNormalization())
        model.add(keras.layers.ReLU())
        model.add(keras.layers.MaxPooling1D(2))
    model.add(keras.layers.GRU(8))
    model.add(keras.layers.Dense(3, activation="softmax"))
    rate = trial.suggest_float("learning_rate", 1e-3, 1e-1, log=True)
    model.compile(
        keras.optimizers.Adam(rate), "sparse_categorical_crossentropy", metrics=["accuracy"]
    )
    return model
