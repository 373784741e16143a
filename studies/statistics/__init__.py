"""Tests, intervals and forecasts of values: pure functions of numbers, without studies."""
