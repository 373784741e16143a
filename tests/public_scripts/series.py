"""An LSTM that forecasts a series: windows of the past, the next value; split by time."""

import keras
import numpy as np

WINDOW = 12


def load(n=400):
    rng = np.random.default_rng(0)
    t = np.arange(n + WINDOW)
    series = np.sin(t / 7) + 0.3 * np.sin(t / 2) + rng.normal(0, 0.05, len(t))
    x = np.lib.stride_tricks.sliding_window_view(series, WINDOW)[:n, :, None].astype("float32")
    y = series[WINDOW:].astype("float32")
    parts = {"train": slice(0, 280), "validation": slice(280, 340), "test": slice(340, n)}
    return {name: (x[rows], y[rows]) for name, rows in parts.items()}


def build(trial):
    model = keras.Sequential([keras.Input((WINDOW, 1))])
    layers = trial.suggest_int("layers", 1, 2)
    for i in range(layers):
        units = trial.suggest_categorical(f"units_{i}", [4, 8])
        model.add(keras.layers.LSTM(units, return_sequences=i + 1 < layers))
    model.add(keras.layers.Dense(1))
    rate = trial.suggest_float("learning_rate", 1e-3, 1e-1, log=True)
    model.compile(keras.optimizers.RMSprop(rate), "mse", metrics=["mae"])
    return model
