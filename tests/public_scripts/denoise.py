"""A denoising autoencoder: noisy inputs, clean targets; an encoder nested in the network."""

import keras
import numpy as np


def load(n=300):
    rng = np.random.default_rng(0)
    clean = np.cumsum(rng.normal(size=(n, 16)), axis=1) / 4
    noisy = clean + rng.normal(0, 0.3, clean.shape)
    return {"train": (noisy.astype("float32"), clean.astype("float32"))}


def build(trial):
    layers = keras.layers
    code = trial.suggest_int("code", 2, 8)
    encoder = keras.Sequential([layers.Dense(16, activation="gelu"), layers.Dense(code)])
    decoder = keras.Sequential([layers.Dense(16, activation="gelu"), layers.Dense(16)])
    inputs = keras.Input((16,))
    noise = layers.GaussianNoise(trial.suggest_float("noise", 0.01, 0.3))(inputs)
    model = keras.Model(inputs, decoder(encoder(noise)))
    rate = trial.suggest_float("learning_rate", 1e-3, 1e-1, log=True)
    model.compile(keras.optimizers.Nadam(rate), "mse")
    return model
