"""Weights of classes: of which labels, and which labels are none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.utils.class_weight import compute_class_weight

from objectives.data.datasets import Dataset
from objectives.errors import SettingError, UnknownNameError
from objectives.training.class_weights import class_weights, classes_of, weighted
from objectives.training_hyperparameters import TrainingHyperparameters

Y = np.array([0, 0, 0, 2, 2, 1])
X = np.zeros((6, 3))


def data(y: Any = Y, labels: Any = ()) -> Dataset:
    return Dataset("own", X, y, X, y, 3, "", 1.0, labels)


@pytest.mark.parametrize("y", [Y, Y[:, None], np.eye(3)[Y], Y.astype(np.uint8)])
def test_balanced_is_what_scikit_learn_has(y: Any) -> None:
    expected = compute_class_weight("balanced", classes=np.arange(3), y=Y)
    np.testing.assert_allclose(class_weights("balanced", data(y)), expected, rtol=1e-6)
    (_, _, weights) = weighted((X, y), np.array([1.0, 2.0, 3.0]))
    assert weights.tolist() == [1, 1, 1, 3, 3, 2]
    (_, _, weights) = weighted((X, y, np.full(6, 2.0)), np.array([1.0, 2.0, 3.0]))
    assert weights.tolist() == [2, 2, 2, 6, 6, 4]


def test_weights_are_named_by_the_labels_of_the_data() -> None:
    assert class_weights({"1": 4.0}, data()).tolist() == [1, 4, 1]
    assert class_weights({"dog": 4.0}, data(labels=("ape", "cat", "dog"))).tolist() == [1, 1, 4]
    assert class_weights(None, data()) is None
    with pytest.raises(UnknownNameError, match=r"one of dog, ape, cat\. Received: dgo"):
        class_weights({"dgo": 4.0}, data(labels=("ape", "cat", "dog")))


@pytest.mark.parametrize(
    "y",
    [
        Y + 0.5,
        {"a": Y},
        np.ones((6, 3)),
        np.zeros((6, 2, 2), int),
        Y - 1,
    ],
)
def test_other_labels_are_no_classes(y: Any) -> None:
    assert classes_of(y) is None
    with pytest.raises(SettingError, match="for class_weight"):
        class_weights("balanced", data(y))


@pytest.mark.parametrize(
    ("value", "held"),
    [
        (None, None),
        ("balanced", "balanced"),
        ({"a": 2, "b": 0.5}, {"a": 2.0, "b": 0.5}),
        ({1: 2.0}, {"1": 2.0}),
    ],
)
def test_a_setting_holds_a_table_of_weights(value: Any, held: Any) -> None:
    setting = TrainingHyperparameters(class_weight=value)
    assert setting.weights_of_classes() == held
    assert hash(setting.class_weight) is not None
    for wrong in ("balance", {"a": -1.0}, {"a": "much"}, 3.0, [1.0, 2.0]):
        with pytest.raises(ValueError, match="Expected 'balanced', a table of labels and their"):
            TrainingHyperparameters(class_weight=wrong)
