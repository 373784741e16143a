"""A small network of a user's, as hpo and its author's own loop build it: 27 settings of a grid."""

from __future__ import annotations

from typing import Any

import keras

SPACE: dict[str, list[Any]] = {
    "units": [64, 128, 256],
    "dropout": [0.0, 0.2, 0.4],
    "learning_rate": [3e-4, 1e-3, 3e-3],
}


def build(trial: Any) -> keras.Model:
    """Return the compiled network of a trial."""
    model = keras.Sequential(
        [
            keras.layers.Rescaling(1 / 255),
            keras.layers.Flatten(),
            keras.layers.Dense(trial.suggest_categorical("units", SPACE["units"])),
            keras.layers.LayerNormalization(),
            keras.layers.Activation("relu"),
            keras.layers.Dropout(trial.suggest_categorical("dropout", SPACE["dropout"])),
            keras.layers.Dense(10),
        ]
    )
    model.compile(
        optimizer=keras.optimizers.Adam(
            trial.suggest_categorical("learning_rate", SPACE["learning_rate"])
        ),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
    )
    return model


def build_for_fit(trial: Any) -> keras.Model:
    """Return the same network with a part that is no layer of Keras's: hpo trains it by `fit`."""
    model = build(trial)
    own = keras.Sequential([keras.layers.Lambda(lambda x: x), *model.layers])
    own.compile(optimizer=model.optimizer, loss=model.loss, metrics=["accuracy"])
    return own
