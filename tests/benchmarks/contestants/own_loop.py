"""The loop that the author of own_network.py would write around it: Optuna and `model.fit`.

python own_loop.py FUNCTION FILE.npz EPOCHS
"""

from __future__ import annotations

import sys

import keras
import numpy as np
import optuna
import own_network
from sklearn.model_selection import train_test_split

FUNCTION, FILE, EPOCHS = sys.argv[1:]
with np.load(FILE) as arrays:
    x, y = arrays["x_train"], arrays["y_train"]
x_train, x_validation, y_train, y_validation = train_test_split(
    x, y, test_size=0.1, stratify=y, random_state=0
)


def objective(trial: optuna.Trial) -> float:
    """Train one network."""
    keras.backend.clear_session()
    model = getattr(own_network, FUNCTION)(trial)
    history = model.fit(
        x_train,
        y_train,
        validation_data=(x_validation, y_validation),
        batch_size=128,
        epochs=int(EPOCHS),
        verbose=0,
    )
    return float(max(history.history["val_accuracy"]))


if __name__ == "__main__":
    sampler = optuna.samplers.GridSampler(own_network.SPACE)
    study = optuna.create_study(direction="maximize", storage="sqlite:///plain.db", sampler=sampler)
    study.optimize(objective)
    print(f"best val_accuracy {study.best_value:.4f}")
