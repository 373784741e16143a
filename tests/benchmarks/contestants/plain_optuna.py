"""The loop that people write, after the examples of Optuna's and Keras's documentation."""

from __future__ import annotations

import keras
import optuna
from networks import fit, network, pictures, search

data = pictures()


def objective(trial: optuna.Trial) -> float:
    """Train one network."""
    keras.backend.clear_session()
    levels = {name: trial.suggest_categorical(name, known) for name, known in search.space.items()}
    return fit(network(**levels), data)


if __name__ == "__main__":
    sampler = optuna.samplers.GridSampler(search.space)
    study = optuna.create_study(direction="maximize", storage="sqlite:///plain.db", sampler=sampler)
    study.optimize(objective)
    assert len(study.trials) == len(search)
    print(f"best val_accuracy {study.best_value:.4f}")
