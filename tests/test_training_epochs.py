"""Early stopping and plateaus on another metric than the study's: as Keras's callbacks."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from objectives.errors import UnknownNameError
from objectives.training.epochs import Epochs
from objectives.training_hyperparameters import TrainingHyperparameters

ACCURACY = [0.5, 0.6, 0.6, 0.7, 0.7, 0.7, 0.7, 0.7]
LOSS = [1.0, 0.9, 0.8, 0.81, 0.82, 0.7, 0.6, 0.5]


def test_the_metric_that_is_named_stops_and_shows_a_plateau_and_the_studys_chooses() -> None:
    from keras.callbacks import EarlyStopping, ReduceLROnPlateau

    hyperparameters = TrainingHyperparameters(
        early_stopping_patience=3, early_stopping_metric="val_accuracy",
        plateau_patience=1, plateau_factor=0.5, plateau_metric="val_loss",
    )  # fmt: skip
    epochs = Epochs(hyperparameters, "loss", maximize=False, n_epochs=len(LOSS))
    optimizer = SimpleNamespace(learning_rate=1.0)
    model = SimpleNamespace(stop_training=False, optimizer=optimizer)
    plain = [
        EarlyStopping("val_accuracy", mode="max", patience=3),
        ReduceLROnPlateau("val_loss", factor=0.5, patience=1),
    ]
    for callback in plain:
        callback.set_model(model)
        callback.on_train_begin()
    for epoch, (accuracy, loss) in enumerate(zip(ACCURACY, LOSS, strict=True)):
        metrics = {"loss": 1 / (epoch + 1), "val_loss": loss, "val_accuracy": accuracy}
        epochs.record(metrics)
        for callback in plain:
            callback.on_epoch_end(epoch, metrics)
        assert epochs.rate_factor() == optimizer.learning_rate
        if epochs.stopped:
            break
    assert (epochs.stopped, epochs.completed, epochs.best) == ("early_stopping", 7, 7)
    assert model.stop_training
    assert optimizer.learning_rate == 0.25


@pytest.mark.parametrize("name", ["plateau_metric", "early_stopping_metric"])
def test_a_metric_that_the_network_does_not_report_is_named(name: str) -> None:
    epochs = Epochs(TrainingHyperparameters(**{name: "val_acuracy"}), "val_loss", False, 3)
    with pytest.raises(UnknownNameError, match="Did you mean val_accuracy"):
        epochs.record({"val_loss": 1.0, "val_accuracy": 0.5})
