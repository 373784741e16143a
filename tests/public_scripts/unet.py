"""A small U-Net that finds disks: masks as labels, a Dice loss of one's own."""

import keras
import numpy as np
from keras import ops


def load(n=80, size=16):
    rng = np.random.default_rng(0)
    down, across = np.mgrid[:size, :size]
    centers, radii = rng.uniform(4, size - 4, (n, 2)), rng.uniform(2, 4, n)
    distance = np.hypot(down - centers[:, :1, None], across - centers[:, 1:, None])
    masks = (distance < radii[:, None, None]).astype("float32")[..., None]
    pictures = masks * 0.6 + rng.normal(0.2, 0.2, masks.shape)
    return {"train": (pictures.astype("float32"), masks)}


def dice_loss(y_true, y_pred):
    both = ops.sum(y_true * y_pred, axis=(1, 2, 3))
    either = ops.sum(y_true, axis=(1, 2, 3)) + ops.sum(y_pred, axis=(1, 2, 3))
    return 1 - (2 * both + 1) / (either + 1)


def build(trial):
    layers = keras.layers
    filters = trial.suggest_categorical("filters", [4, 8])
    inputs = keras.Input((None, None, 1))
    skip = layers.Conv2D(filters, 3, padding="same", activation="relu")(inputs)
    x = layers.MaxPooling2D()(skip)
    x = layers.Conv2D(2 * filters, 3, padding="same", activation="relu")(x)
    x = layers.Dropout(trial.suggest_float("dropout", 0.0, 0.3))(x)
    x = layers.concatenate([layers.Conv2DTranspose(filters, 2, strides=2)(x), skip])
    outputs = layers.Conv2D(1, 1, activation="sigmoid")(x)
    model = keras.Model(inputs, outputs)
    rate = trial.suggest_float("learning_rate", 1e-4, 1e-1, log=True)
    model.compile(keras.optimizers.Adam(rate), loss=dice_loss, metrics=["accuracy"])
    return model
