"""Tables: what is told of a house by a network that its author builds."""

import keras


def build(trial):
    model = keras.Sequential()
    for i in range(trial.suggest_int("layers", 1, 3)):
        model.add(keras.layers.Dense(trial.suggest_int(f"units_{i}", 8, 32, step=8), "relu"))
    model.add(keras.layers.Dense(1))
    rate = trial.suggest_float("learning_rate", 1e-3, 1e-1, log=True)
    model.compile(keras.optimizers.Adam(rate), "mse", metrics=["mae"])
    return model


def build_classes(trial):
    model = keras.Sequential(
        [
            keras.layers.Dense(trial.suggest_int("units", 8, 32, step=8), "relu"),
            keras.layers.Dense(1, "sigmoid"),
        ]
    )
    rate = trial.suggest_float("learning_rate", 1e-3, 1e-1, log=True)
    model.compile(keras.optimizers.Adam(rate), "binary_crossentropy", metrics=["auc", "recall"])
    return model
