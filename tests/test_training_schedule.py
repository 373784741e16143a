"""The order of the pictures, the steps of an epoch and its learning rate: functions of numbers."""

import numpy as np
import pytest

from objectives.hyperparameters import Hyperparameters
from objectives.training.schedule import epoch_order, epoch_steps, learning_rate_factor


def test_epoch_order_is_a_permutation_that_changes_with_seed_and_epoch() -> None:
    order = epoch_order(100, seed=1, epoch=1)
    assert order.dtype == np.int32
    assert sorted(order) == list(range(100))
    np.testing.assert_array_equal(order, epoch_order(100, seed=1, epoch=1))
    for seed, epoch in ((1, 2), (2, 1)):
        assert (order != epoch_order(100, seed, epoch)).any()


@pytest.mark.parametrize(
    ("schedule", "factors"),
    [
        ("constant", [1, 1, 1]),
        ("linear", [1, 0.505, 0.01]),
        ("cosine", [1, 0.505, 0.01]),
        ("exponential", [1, 0.1, 0.01]),
    ],
)
def test_schedule_goes_from_the_first_rate_to_the_final_one(
    schedule: str, factors: list[float]
) -> None:
    hyperparameters = Hyperparameters(learning_rate_schedule=schedule)
    made = [learning_rate_factor(hyperparameters, epoch, 3) for epoch in (1, 2, 3)]
    assert made == pytest.approx(factors)
    assert learning_rate_factor(hyperparameters, 1, 1) == 1


@pytest.mark.parametrize(
    ("setting", "steps"),
    [
        ({"epochs": 2}, [4, 4]),
        ({"steps": 9}, [4, 4, 1]),
        ({"steps": 8}, [4, 4]),
        ({"steps": 3}, [3]),
    ],
)
def test_steps_of_each_epoch(setting: dict[str, int], steps: list[int]) -> None:
    assert epoch_steps(Hyperparameters(**setting), 4) == steps
