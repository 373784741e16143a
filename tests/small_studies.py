"""Small definitions that are valid, for tests to change a line of."""

from __future__ import annotations

from typing import Any

RANDOM = {"sampler": "random", "n_trials": 3}


def table(**lines: Any) -> dict[str, Any]:
    """Return a small valid definition with some lines of its own."""
    plain = {"name": "s", "objective": "mlp", "dataset": "digits", "search": RANDOM}
    return plain | {"space": {"activation": ["relu", "tanh"]}} | lines


def searching(**options: Any) -> dict[str, Any]:
    """Return one with other options of its search."""
    return table(search=RANDOM | options)


def spaced(**factors: Any) -> dict[str, Any]:
    """Return one with other factors."""
    return table(space=factors)
