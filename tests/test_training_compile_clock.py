"""Spans of compilation, which lie within each other."""

from __future__ import annotations

import pytest

from objectives.training import compile_clock
from objectives.training.compile_clock import CompileClock


def test_spans_that_lie_within_others_are_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, now = CompileClock(), 100.0
    monkeypatch.setattr(compile_clock.time, "perf_counter", lambda: now)
    with clock.running():
        now = 101.0
        clock.add(0.5)  # from 100.5
        now = 102.0
        clock.add(0.25)
        assert clock.seconds == 0.75
        now = 103.0
        clock.add(2.75)  # from 100.25: it contains both
        assert clock.seconds == 2.75
        now = 104.0
    assert clock.seconds == 4.0
    now = 110.0
    clock.add(1.0)
    assert clock.seconds == 5.0
