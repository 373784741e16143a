"""A variational autoencoder with a loss and layers of its own; there are no labels."""

import keras
import numpy as np
from keras import ops


def load(n=300):
    rng = np.random.default_rng(0)
    hidden = rng.normal(size=(n, 2))
    x = np.tanh(hidden @ rng.normal(size=(2, 16))) + rng.normal(0, 0.05, (n, 16))
    return {"train": (x.astype("float32"),)}


class Sampling(keras.layers.Layer):
    def __init__(self, weight, **kwargs):
        super().__init__(**kwargs)
        self.weight = weight
        self.seed = keras.random.SeedGenerator(1)

    def call(self, inputs):
        mean, log_variance = inputs
        kl = -0.5 * ops.mean(1 + log_variance - ops.square(mean) - ops.exp(log_variance))
        self.add_loss(self.weight * kl)
        noise = keras.random.normal(ops.shape(mean), seed=self.seed)
        return mean + ops.exp(0.5 * log_variance) * noise


class Vae(keras.Model):
    def __init__(self, latent, units, weight):
        super().__init__()
        self.encode = keras.layers.Dense(units, activation="tanh")
        self.mean, self.log_variance = keras.layers.Dense(latent), keras.layers.Dense(latent)
        self.sample = Sampling(weight)
        self.hidden = keras.layers.Dense(units, activation="tanh")
        self.decode = keras.layers.Dense(16)

    def call(self, inputs):
        x = self.encode(inputs)
        return self.decode(self.hidden(self.sample((self.mean(x), self.log_variance(x)))))

    def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
        return ops.mean(ops.square(x - y_pred)) + sum(self.losses)


def build(trial):
    model = Vae(
        trial.suggest_int("latent", 1, 4),
        trial.suggest_categorical("units", [8, 16]),
        trial.suggest_float("kl_weight", 1e-3, 1e-1, log=True),
    )
    rate = trial.suggest_float("learning_rate", 1e-3, 1e-1, log=True)
    model.compile(keras.optimizers.Adam(rate))
    return model
