"""A text classifier: embedding, pooling, dense layers; tokens of two topics."""

import keras
import numpy as np

WORDS, LENGTH = 200, 24


def load(n=400):
    rng = np.random.default_rng(0)
    topic = rng.integers(0, 2, n)
    common = rng.integers(0, WORDS // 2, (n, LENGTH))
    special = WORDS // 2 + topic[:, None] * WORDS // 4 + rng.integers(0, WORDS // 4, (n, LENGTH))
    tokens = np.where(rng.random((n, LENGTH)) < 0.15, special, common)
    return {"train": (tokens[50:].astype("int32"), topic[50:]), "test": (tokens[:50], topic[:50])}


def build(trial):
    size = trial.suggest_categorical("embedding", [8, 16])
    model = keras.Sequential(
        [
            keras.layers.Embedding(WORDS, size),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(trial.suggest_int("units", 8, 32, step=8), activation="relu"),
            keras.layers.Dropout(trial.suggest_float("dropout", 0.0, 0.5)),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    rate = trial.suggest_float("learning_rate", 1e-3, 1e-1, log=True)
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", metrics=["accuracy", "auc"])
    return model
