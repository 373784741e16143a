"""A HyperModel of KerasTuner: handwriting, with the batch size searched by a `fit` of its own."""

import keras
import keras_tuner
import numpy as np


def load():
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    return {"train": (x[:1500].astype("float32"), y[:1500].astype(np.int32))}


class Digits(keras_tuner.HyperModel):
    def build(self, hp):
        model = keras.Sequential([keras.Input((64,)), keras.layers.Rescaling(1 / 16)])
        units = hp.Choice("units", [32, 64])
        model.add(keras.layers.Dense(units, activation="relu"))
        model.add(keras.layers.Dense(10))
        rate = hp.Choice("learning_rate", [1e-3, 1e-2])
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(rate), loss, metrics=["accuracy"])
        return model

    def fit(self, hp, model, *args, **kwargs):
        return model.fit(*args, batch_size=hp.Choice("batch_size", [32, 64]), **kwargs)
