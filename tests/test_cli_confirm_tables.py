"""The text of `hpo confirm`: what "better" stands for is said where it is said."""

from __future__ import annotations

import pytest
from confirmations import confirmed, searched
from rich.console import Console

from studies.cli.confirm_tables import confirmation_view


@pytest.mark.parametrize("gain", [0.2, 0.0])
def test_better_is_said_by_the_test_alone_and_what_it_tests_is_told(
    gain: float, sqlite_url: str
) -> None:
    def value(x: float, seed: int) -> float:
        return gain * x + 0.01 * (seed % 5) + (0.001 if (seed * 7 + int(10 * x)) % 3 else 0.0)

    searched(sqlite_url, value)
    found = confirmed(sqlite_url, value, top=2)
    console = Console(width=80, record=True)
    for part in confirmation_view(found):
        console.print(part)
    lines = console.export_text().splitlines()
    assert "better: the test rejects that both have one distribution; the mean says which." in [
        line.strip() for line in lines
    ]
    assert any("is better" in line for line in lines) == (gain > 0)
    assert any("distinguishable" in line for line in lines) == (gain == 0)
