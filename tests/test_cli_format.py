"""Numbers and durations in words."""

from __future__ import annotations

import pytest

from studies.cli.format import duration, number


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.97916667, "0.9792"),
        (0.0, "0.0000"),
        (-0.00090542, "-0.000905"),  # beside such as 0.8940
        (1.5e-06, "1.5e-06"),
        (1000000123.456, "1e+09"),
        (1234567.8, "1.2346e+06"),
    ],
)
def test_a_number_says_something_whatever_its_size(value: float, shown: str) -> None:
    assert number(value) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(59.6, "1 min 0 s"), (5, "5 s"), (3599, "59 min 59 s"), (3661, "1 h 1 min")],
)
def test_a_duration_is_in_its_two_largest_units(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
