"""What the training of a trial gives: its value, its metrics, its network, and how it ended.

On the backend that KERAS_BACKEND names; the last test of test_training_train.py runs these on the
other one.
"""

import math
import zipfile
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from sklearn import metrics as stock_metrics
from trained_digits import CNN, DIGITS, MLP, PROGRAMS, SMALL, run

from objectives.data.datasets import load
from objectives.data.options import DataOptions
from objectives.training import evaluate
from objectives.training.program_cache import ProgramCache
from objectives.training.result import TrainingResult
from objectives.training.train import train

# Keras 3.15 reads its variables in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy")


@pytest.mark.parametrize("restore", [True, False])
def test_value_is_that_of_the_weights_kept(restore: bool) -> None:
    hyperparameters = MLP.hyperparameters(
        **SMALL, learning_rate=0.01, restore_best_weights=restore, regularizer="l2"
    )
    # The highest loss wins here, so the best epoch is the first.
    result = run(hyperparameters, maximize=True)
    losses = result.history["val_loss"]
    assert losses[0] > losses[1] > losses[2]
    assert (result.best_epoch, result.last_epoch) == (1, 3)
    assert result.value == losses[0 if restore else -1]
    loss, _ = result.model().evaluate(DIGITS.x_validation, DIGITS.y_validation, verbose=0)
    assert loss == pytest.approx(result.value, rel=1e-5)


def test_model_is_saved_as_stock_keras(tmp_path: Path) -> None:
    hyperparameters = CNN.hyperparameters(
        **SMALL, filters=[4], dropout=0.2, regularizer="l1_l2", batch_normalization=True
    )
    result = run(hyperparameters, objective=CNN, metric="val_accuracy", maximize=True)
    result.model().save(tmp_path / "network.keras")
    with zipfile.ZipFile(tmp_path / "network.keras") as archive:
        config = archive.read("config.json").decode()
    assert "objectives" not in config
    assert "Tunable" not in config
    assert "L1L2" not in config
    network = keras.models.load_model(tmp_path / "network.keras")
    for layer in network.layers:
        if hasattr(layer, "kernel"):
            assert isinstance(layer.kernel_initializer, keras.initializers.GlorotUniform)
    x, y = DIGITS.x_validation, DIGITS.y_validation
    assert network.evaluate(x, y, verbose=0)[1] == pytest.approx(result.value)
    # Four 3x3 filters, 4x4 pixels left of 8x8, 16 units, 10 classes; 4 numbers a normalized unit.
    assert result.parameter_count == 40 + 4 * 4 + (64 * 16 + 16) + 16 * 4 + 170


def test_evaluation_counts_a_last_batch_that_is_not_full(monkeypatch: pytest.MonkeyPatch) -> None:
    hyperparameters = MLP.hyperparameters(**SMALL)
    at_once = run(hyperparameters).history
    # 144 pictures: one batch of 100, and one of 44.
    monkeypatch.setattr("objectives.training.lanes.EVALUATION_BATCH", 100)
    in_batches = run(hyperparameters).history
    for name in ("val_loss", "val_accuracy"):
        assert in_batches[name] == pytest.approx(at_once[name], rel=1e-5)


def test_history_and_reports_have_every_metric() -> None:
    reports: list[tuple[int, dict[str, float]]] = []
    result = train(
        MLP, MLP.hyperparameters(**SMALL), DIGITS, seed=0, metric="accuracy", maximize=True,
        report=lambda epoch, metrics: not reports.append((epoch, metrics)),
        programs=PROGRAMS,
    )  # fmt: skip
    assert [epoch for epoch, _ in reports] == [1, 2, 3]
    assert set(result.history) == {"loss", "accuracy", "val_loss", "val_accuracy"}
    for name, numbers in result.history.items():
        assert numbers == [metrics[name] for _, metrics in reports]
    assert result.value == max(result.history["accuracy"])
    assert result.stopped == "finished"
    assert result.train_seconds > 0


def test_metrics_of_classes_are_those_of_scikit_learn() -> None:
    result = run(MLP.hyperparameters(**SMALL), metric="val_auc", maximize=True)
    x, y = DIGITS.x_validation, DIGITS.y_validation
    probabilities = result.model().predict(x, verbose=0)
    predicted = probabilities.argmax(axis=1)
    macro = {"average": "macro", "zero_division": 0}
    expected = {
        "accuracy": stock_metrics.accuracy_score(y, predicted),
        "balanced_accuracy": stock_metrics.balanced_accuracy_score(y, predicted),
        "f1": stock_metrics.f1_score(y, predicted, **macro),
        "precision": stock_metrics.precision_score(y, predicted, **macro),
        "recall": stock_metrics.recall_score(y, predicted, **macro),
        "auc": stock_metrics.roc_auc_score(y, probabilities, multi_class="ovr"),
    }
    best = {name: values[result.best_epoch - 1] for name, values in result.history.items()}
    assert {name: best[f"val_{name}"] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert result.value == best["val_auc"] == max(result.history["val_auc"])
    assert set(best) == {"loss", "accuracy", "val_loss", *(f"val_{name}" for name in expected)}
    # As on a test part, by every metric.
    head = MLP.head_of(MLP.hyperparameters(**SMALL), reported=MLP.every_metric())
    scores = evaluate.losses_and_predictions(result.model(), head, x, y)
    found = evaluate.metrics(head, scores, y)
    expected["top_5_accuracy"] = stock_metrics.top_k_accuracy_score(y, probabilities, k=5)
    assert found == pytest.approx(expected | {"loss": best["val_loss"]}, rel=1e-5)


def test_report_stops_training() -> None:
    result = run(MLP.hyperparameters(**SMALL), stop_after=2)
    assert (result.stopped, result.last_epoch) == ("by_report", 2)


def test_early_stopping_waits_for_its_patience() -> None:
    stuck = SMALL | {"epochs": 50, "learning_rate": 1e-9, "early_stopping_min_delta": 0.001}
    result = run(MLP.hyperparameters(**stuck, early_stopping_patience=3))
    # The first epoch improves on nothing at all; three more do not improve on it.
    assert (result.stopped, result.last_epoch) == ("early_stopping", 4)
    improving = SMALL | {"epochs": 6, "learning_rate": 0.002}
    assert run(MLP.hyperparameters(**improving, early_stopping_patience=1)).stopped == "finished"


def test_loss_that_is_no_number_ends_a_trial_without_a_value() -> None:
    # Each step multiplies the hidden kernel by about -2,000.
    hyperparameters = MLP.hyperparameters(
        **SMALL, optimizer="sgd", learning_rate=100, regularizer="l2", regularizer_strength=10
    )
    result = run(hyperparameters)
    assert (result.stopped, result.value, result.last_epoch) == ("diverged", None, 2)
    assert not math.isfinite(result.history["loss"][-1])
    assert result.parameter_count == 64 * 16 + 16 + 170


def test_a_network_that_is_surely_wrong_learns_on_every_backend() -> None:
    """Of probabilities Keras on JAX cuts off those below 1e-7, and with them the gradient."""
    wide = {"learning_rate": 0.01, "initializer": "random_normal", "initializer_spread": 2.0}
    loss = run(MLP.hyperparameters(**SMALL | wide | {"epochs": 12})).history["loss"]
    assert loss[0] > 20  # more than -log(1e-7), which is 16.1
    assert loss[-1] < 6


def test_float_pictures_are_taken_as_they_are() -> None:
    scaled = [(x / 255).astype(np.float32) for x in (DIGITS.x_train, DIGITS.x_validation)]
    data = replace(DIGITS, x_train=scaled[0], x_validation=scaled[1], scale=1.0)
    hyperparameters = MLP.hyperparameters(**SMALL)
    raw = run(hyperparameters).history["loss"]
    assert run(hyperparameters, data=data).history["loss"] == pytest.approx(raw, rel=1e-5)


def test_pictures_and_labels_in_another_form_come_to_the_same(tmp_path: Path) -> None:
    x, y, programs = DIGITS.x_train, DIGITS.y_train, ProgramCache()
    mask = (x > 127).astype(np.uint8)
    forms = [(x, y), (x.astype(float), y.astype(np.uint64) * 2**60), (mask, y), (mask * 1.0, y - 5)]
    results = []
    for pixels, labels in forms:
        np.savez(tmp_path / "form.npz", x_train=pixels, y_train=labels)
        data = load(str(tmp_path / "form.npz"), DataOptions())
        results.append(run(MLP.hyperparameters(**SMALL), data=data, programs=programs))
    for plain, other in (results[:2], results[2:]):
        assert other.history == {n: pytest.approx(v, rel=1e-3) for n, v in plain.history.items()}
    kept, as_floats = (result.model().predict(x * 1.0, verbose=0) for result in results[:2])
    np.testing.assert_allclose(kept, as_floats, atol=1e-3)


@pytest.mark.parametrize(
    ("last", "said"),
    [
        ((math.inf, 1.0), "Expected a finite loss. Received: loss=inf in epoch 1."),
        ((0.5, math.nan), "Expected a finite val_loss. Received: val_loss=nan in epoch 1."),
        ((math.nan, math.nan), "Expected a finite loss. Received: loss=nan in epoch 1."),
    ],
)
def test_a_diverged_trial_names_the_metric_that_was_not_finite(
    last: tuple[float, float], said: str
) -> None:
    history = {"loss": [last[0]], "accuracy": [1.0], "val_loss": [last[1]], "val_accuracy": [1.0]}
    result = TrainingResult(
        None, 0, 1, history, 0.1, 0.0, 9, "diverged", [], lambda _: keras.Sequential()
    )
    assert result.fail_reason() == f"{said} A smaller learning rate may help."
    assert replace(result, stopped="finished").fail_reason() is None
