"""A pipeline of tf.data, shuffled and augmented anew in each epoch."""

import keras
import numpy as np


def load(n=200):
    import tensorflow as tf

    rng = np.random.default_rng(0)
    y = rng.integers(0, 2, n)
    x = (rng.random((n, 8, 8, 1)) + y[:, None, None, None] * 0.3).astype("float32")
    train = tf.data.Dataset.from_tensor_slices((x[40:], y[40:])).shuffle(200)
    train = train.map(lambda a, b: (tf.image.random_flip_left_right(a), b)).batch(20)
    return {
        "train": train,
        "validation": tf.data.Dataset.from_tensor_slices((x[:40], y[:40])).batch(20),
    }


def build(trial):
    model = keras.Sequential(
        [
            keras.layers.Flatten(),
            keras.layers.Dense(trial.suggest_int("units", 8, 32, step=8), activation="relu"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    rate = trial.suggest_float("learning_rate", 1e-3, 1e-1, log=True)
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", metrics=["accuracy"])
    return model
