"""The loop that people write with Optuna's TPE and median pruner, after their documentation."""

from __future__ import annotations

import keras
import optuna
from networks import fit, network, pictures, search

data = pictures()


class Pruning(keras.callbacks.Callback):  # type: ignore[misc]
    """Optuna's callback for Keras, of the package optuna-integration."""

    def __init__(self, trial: optuna.Trial) -> None:
        super().__init__()
        self._trial = trial

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Report an epoch."""
        self._trial.report((logs or {})["val_accuracy"], epoch)
        if self._trial.should_prune():
            raise optuna.TrialPruned()


def objective(trial: optuna.Trial) -> float:
    """Train one network."""
    keras.backend.clear_session()
    levels = {name: trial.suggest_categorical(name, known) for name, known in search.space.items()}
    return fit(network(**levels), data, Pruning(trial))


if __name__ == "__main__":
    study = optuna.create_study(
        direction="maximize",
        storage="sqlite:///plain.db",
        sampler=optuna.samplers.TPESampler(),
        pruner=optuna.pruners.MedianPruner(),
    )
    study.optimize(objective, n_trials=len(search))
    print(f"best val_accuracy {study.best_value:.4f}")
