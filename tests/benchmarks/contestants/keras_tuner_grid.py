"""KerasTuner's own grid search, after its documentation."""

from __future__ import annotations

import keras
import keras_tuner
from networks import network, pictures, search


def build(hp: keras_tuner.HyperParameters) -> keras.Model:
    """Build the network of one trial."""
    return network(**{name: hp.Choice(name, levels) for name, levels in search.space.items()})


if __name__ == "__main__":
    x, x_validation, y, y_validation = pictures()
    tuner = keras_tuner.GridSearch(
        build,
        objective="val_accuracy",
        max_trials=len(search),
        directory="tuner",
        project_name="grid",
    )
    tuner.search(
        x,
        y,
        batch_size=128,
        epochs=search.epochs,
        validation_data=(x_validation, y_validation),
        verbose=0,
    )
    trials = tuner.oracle.get_best_trials(100)
    assert len(trials) == len(search)
    print(f"best val_accuracy {trials[0].score:.4f}")
