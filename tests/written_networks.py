"""A file of a user's network and its study, for tests: trained in each of the three ways."""

from __future__ import annotations

from pathlib import Path

LINES = """
name = "own"
objective = "own_net.py:build"
dataset = "digits"
backend = "jax"
[search]
design = "grid"
[fixed]
epochs = {epochs}
batch_size = 64
[space]
learning_rate = [0.001, 0.002]
"""
NET = """
import keras

def build(trial):
    layers = keras.layers
    inputs = keras.Input((8, 8))
    x = {first}
    x = layers.Dropout(0.2)(layers.Dense(16, activation="relu")(layers.Flatten()(x)))
    model = keras.Model(inputs, layers.Dense(10, activation="softmax")(x))
    rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
    loss = "sparse_categorical_crossentropy"
    model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
    trial.set_user_attr("noted", rate)
    return model
"""
FIRST = {  # way in which such a network is trained -> its first layers
    "fit": "layers.Lambda(lambda t: t / eval('255'))(inputs)",  # code that cannot be compared
    "program": "layers.Conv2D(2, 3)(layers.Reshape((8, 8, 1))(layers.Rescaling(1 / 255)(inputs)))",
    "lanes": "layers.Rescaling(1 / 255)(inputs)",
}


def written(folder: Path, epochs: int, way: str = "fit") -> Path:
    (folder / "own_net.py").write_text(NET.format(first=FIRST[way]))
    (folder / "own.toml").write_text(LINES.format(epochs=epochs))
    return folder / "own.toml"
