"""The loop that people write, after the examples of Optuna's and Keras's documentation."""

from __future__ import annotations

import sys

import keras
import numpy as np
import optuna

SPACE = {
    "activation": ["relu", "sigmoid", "tanh"],
    "regularizer": ["none", "l1", "l2"],
    "optimizer_setting": ["rmsprop", "adam", "adam_fast"],
}

with np.load(sys.argv[1]) as arrays:
    x = arrays["x_train"].reshape(-1, 784).astype("float32") / 255
    y = arrays["y_train"]


def optimizer(setting: str) -> keras.optimizers.Optimizer:
    """Make the optimizer of a setting."""
    if setting == "rmsprop":
        return keras.optimizers.RMSprop(1e-3)
    return keras.optimizers.Adam(1e-3 if setting == "adam" else 1e-2)


def network(activation: str, regularizer: str, setting: str) -> keras.Model:
    """Build and compile the network of a setting."""
    penalty = {"none": None, "l1": keras.regularizers.L1(), "l2": keras.regularizers.L2()}
    model = keras.Sequential(
        [
            keras.Input((784,)),
            keras.layers.Dense(
                128,
                activation=activation,
                kernel_initializer=keras.initializers.RandomNormal(stddev=0.05),
                kernel_regularizer=penalty[regularizer],
            ),
            keras.layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(optimizer(setting), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def objective(trial: optuna.Trial) -> float:
    """Train one network."""
    keras.backend.clear_session()
    chosen = [trial.suggest_categorical(name, levels) for name, levels in SPACE.items()]
    model = network(*chosen)
    fit = model.fit(x, y, batch_size=128, epochs=5, validation_split=0.1, verbose=0)
    return float(max(fit.history["val_accuracy"]))


if __name__ == "__main__":
    sampler = optuna.samplers.GridSampler(SPACE)
    study = optuna.create_study(direction="maximize", storage="sqlite:///plain.db", sampler=sampler)
    study.optimize(objective)
    assert len(study.trials) == 27
    print(f"best val_accuracy {study.best_value:.4f}")
