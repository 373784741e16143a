"""Metrics of a classification, against scikit-learn's."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as stock

from objectives.networks.class_metrics import auc, of_predictions
from objectives.networks.classification import Classification

# Keras 3.15 reads its variables in a way that NumPy 2 deprecates.
pytestmark = [
    pytest.mark.filterwarnings("ignore:__array__ implementation doesn't accept a copy"),
    pytest.mark.filterwarnings("ignore:.*(y_pred contains classes|ill-defined):UserWarning"),
]


@pytest.mark.parametrize("n_classes", [2, 3, 9])
@pytest.mark.parametrize("n", [12, 500])
def test_numbers_are_those_of_scikit_learn(n: int, n_classes: int) -> None:
    """Of 12 examples, some classes are never predicted, and others are no label."""
    for seed in range(5):
        rng = np.random.default_rng(seed)
        y, predicted = rng.integers(0, n_classes, n), rng.integers(0, n_classes, n) // 2
        y[0], predicted[0] = 0, n_classes - 1
        expected = {"balanced_accuracy": stock.balanced_accuracy_score(y, predicted)}
        for name in ("f1", "precision", "recall"):
            score = getattr(stock, f"{name}_score")
            expected[name] = score(y, predicted, average="macro", zero_division=0)
        assert of_predictions(y, predicted) == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("n_classes", [2, 3, 9])
def test_the_area_is_that_of_scikit_learn_where_many_are_as_probable(n_classes: int) -> None:
    rng = np.random.default_rng(n_classes)
    y = np.concatenate([np.arange(n_classes), rng.integers(0, n_classes, 300)])
    probabilities = rng.integers(1, 9, (len(y), n_classes)).astype(np.float32)
    probabilities /= probabilities.sum(axis=1, keepdims=True)
    scores = probabilities[:, 1] if n_classes == 2 else probabilities
    expected = stock.roc_auc_score(y, scores, multi_class="ovr", average="macro")
    assert auc(y, probabilities) == pytest.approx(expected, abs=1e-6)


def test_a_class_without_examples_has_no_area() -> None:
    y = np.array([0, 0, 2, 2])
    probabilities = np.array([[0.6, 0.3, 0.1], [0.2, 0.3, 0.5], [0.3, 0.3, 0.4], [0.1, 0.1, 0.8]])
    one, other = (stock.roc_auc_score(y == k, probabilities[:, k]) for k in (0, 2))
    assert auc(y, probabilities) == (one + other) / 2
    assert np.isnan(auc(y[:2], probabilities[:2, :2]))


def test_the_best_five_are_those_of_scikit_learn_also_of_equal_ones() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(0, 9, 300)
    scores = rng.integers(0, 4, (300, 9)).astype(np.float32)
    head = Classification().reporting(["top_5_accuracy"])
    (place,) = (np.asarray(each) for each in head.details(y, scores))
    expected = stock.top_k_accuracy_score(y, scores, k=5, labels=range(9))
    assert 0.4 < expected < 0.9
    found = head.summarize(y, y, place)
    assert found == {"accuracy": 1.0, "top_5_accuracy": pytest.approx(expected, abs=1e-6)}
