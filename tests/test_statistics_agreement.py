"""Series of numbers that agree in every bit, within rounding, or not."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from studies.statistics.agreement import (
    ABSOLUTE,
    RELATIVE,
    Agreement,
    agreement,
    agreements,
    worst,
)

LAST_BIT = math.nextafter(0.5, 1)


@pytest.mark.parametrize(
    ("first", "second", "verdict", "largest", "at", "since"),
    [
        ([1.0, 0.5], [1.0, 0.5], "equal bits", 0.0, None, None),
        ([None, 0.5], [None, 0.5], "equal bits", 0.0, None, None),
        ([], [], "equal bits", 0.0, None, None),
        ([1.0, 0.5, 2.0], [1.0, LAST_BIT, 2.0], "within rounding", LAST_BIT - 0.5, 2, 2),
        ([0.0], [-0.0], "within rounding", 0.0, 1, 1),
        ([0.0], [0.9 * ABSOLUTE], "within rounding", 0.9 * ABSOLUTE, 1, 1),
        ([0.0], [1.1 * ABSOLUTE], "different", 1.1 * ABSOLUTE, 1, 1),
        ([5.0, 400.0], [5.0, 400.0 * (1 - 0.9 * RELATIVE)], "within rounding", 0.036, 2, 2),
        ([5.0, 400.0], [5.0, 400.0 * (1 - 1.1 * RELATIVE)], "different", 0.044, 2, 2),
        ([1.0, 2.0, 9.0], [1.0, 2.0 + 1e-9, 8.0], "different", 1.0, 3, 2),
        ([None, 1.0], [1.0, 1.0], "different", math.inf, 1, 1),
        ([math.inf], [None], "different", math.inf, 1, 1),
        ([1.0, 2.0], [1.0], "different", math.inf, 2, 2),
        ([1.0, 2.0], [1.5], "different", math.inf, 2, 1),
    ],
)
def test_the_verdict_on_two_series(
    first: list[Any], second: list[Any], verdict: str, largest: float, at: int | None, since: Any
) -> None:
    for pair in ((first, second), (second, first)):
        found = agreement("loss", *pair)
        assert (found.name, found.verdict) == ("loss", verdict)
        assert (found.largest_at, found.differs_from) == (at, since)
        assert found.largest == pytest.approx(largest, rel=1e-6)


def test_weights_are_compared_as_they_are_stored() -> None:
    weights = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 4)
    other = weights.copy()
    other[1, 2] = np.nextafter(other[1, 2], np.float32(9))
    assert agreement("w", weights, weights.copy()).verdict == "equal bits"
    assert agreement("w", weights, other).differs_from == 7
    assert agreement("w", weights, weights[:2]).verdict == "different"


def test_several_series_by_name_and_the_worst_of_them() -> None:
    first = {"loss": [1.0, 2.0, 3.0], "accuracy": [0.5, 0.6, 0.7]}
    second = {"loss": [1.0, 2.0 + 1e-7, 9.0], "accuracy": [0.5, 0.6, 0.1]}
    found = agreements(first, second, 2)
    assert [each.verdict for each in found] == ["within rounding", "equal bits"]
    assert worst(found) == "within rounding"
    assert worst(agreements(first, second)) == "different"
    (lacks,) = agreements({"loss": [1.0]}, {})
    assert lacks == Agreement("loss", "different", math.inf, 1, 1)
    assert worst([]) == "equal bits"
