"""How far two series of numbers agree: in every bit, within rounding, or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Verdict = Literal["equal bits", "within rounding", "different"]
VERDICTS: tuple[Verdict, ...] = ("equal bits", "within rounding", "different")
# Sums of float32 in another order differ by some 1e-7 of their size; training carries that on from
# step to step. What differs by more than this is no longer told from another training.
RELATIVE = 1e-4  # of the larger number
ABSOLUTE = 1e-6  # for numbers near 0


@dataclass(frozen=True)
class Agreement:
    """How far two series agree.

    Attributes:
        name: What they are, such as a metric.
        verdict: The verdict.
        largest: The largest absolute difference; infinite where only one of two is a finite number
            or one series has fewer of them.
        largest_at: The place of that, from 1; None where all are equal.
        differs_from: The first place where any bit differs, from 1; None where none does.
    """

    name: str
    verdict: Verdict
    largest: float
    largest_at: int | None
    differs_from: int | None


def agreement(name: str, first: Any, second: Any) -> Agreement:
    """Compare two series, number by number.

    Args:
        name: What they are.
        first: Numbers, (n,) or any other shape, which is flattened; None for one that is not
            finite.
        second: The same.
    """
    one, other = _numbers(first), _numbers(second)
    n = min(len(one), len(other))
    differs = one[:n].view(np.int64) != other[:n].view(np.int64)
    if len(one) != len(other):
        since = int(np.argmax(differs)) + 1 if differs.any() else n + 1
        return Agreement(name, "different", np.inf, n + 1, since)
    if not differs.any():
        return Agreement(name, "equal bits", 0.0, None, None)
    both = np.isfinite(one) & np.isfinite(other)
    difference = np.where(differs, np.inf, 0.0)
    difference[both] = np.abs(one[both] - other[both])
    size = np.maximum(np.abs(one), np.abs(other), where=both, out=np.zeros_like(one))
    is_near = bool(np.all(difference <= ABSOLUTE + RELATIVE * size))
    return Agreement(
        name,
        "within rounding" if is_near else "different",
        float(difference.max()),
        int(np.argmax(difference)) + 1,
        int(np.argmax(differs)) + 1,
    )


def agreements(
    first: Mapping[str, Sequence[float | None]],
    second: Mapping[str, Sequence[float | None]],
    n: int | None = None,
) -> list[Agreement]:
    """Compare series by name; one that is missing counts as an empty one.

    Args:
        first: Name -> its numbers.
        second: The same.
        n: How many of each are compared; None for all.
    """
    names = dict.fromkeys([*first, *second])
    return [agreement(k, first.get(k, ())[:n], second.get(k, ())[:n]) for k in names]


def worst(found: Iterable[Agreement]) -> Verdict:
    """Return the verdict on several series together."""
    return max((each.verdict for each in found), key=VERDICTS.index, default=VERDICTS[0])


def _numbers(values: Any) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    """Return numbers as float64, (n,), in which each float32 is exact; None and NaN as one NaN."""
    found = np.array(values, dtype=np.float64).reshape(-1)
    found[np.isnan(found)] = np.nan
    return found
