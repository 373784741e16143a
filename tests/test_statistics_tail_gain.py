"""The gain beyond the best so far, against the true one of known distributions."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from studies.statistics.tail_gain import HEAVIEST, Floats, fit_tail, tail_gain

Draw = Callable[[np.random.Generator, tuple[int, int]], Floats]
SAMPLES = 600
KNOWN: dict[str, Draw] = {
    "uniform": lambda rng, shape: rng.random(shape),
    "normal": lambda rng, shape: rng.standard_normal(shape),
    "exponential": lambda rng, shape: rng.exponential(size=shape),
}


def ratio(draw: Draw, n_trials: int, n: int) -> float:
    """Return the mean of the predicted gains by the mean of the true ones."""
    rng = np.random.default_rng(n_trials + n)
    runs = np.maximum.accumulate(draw(rng, (20_000, n_trials + n)), axis=1)
    true = (runs[:, -1] - runs[:, n_trials - 1]).mean()
    found = [tail_gain(values, n) for values in draw(rng, (SAMPLES, n_trials))]
    return float(np.mean([each.gain for each in found if each is not None]) / true)


@pytest.mark.parametrize("name", KNOWN)
@pytest.mark.parametrize("n_trials", [50, 100, 200])
def test_the_mean_of_the_predictions_is_near_the_true_gain(name: str, n_trials: int) -> None:
    assert 0.6 < ratio(KNOWN[name], n_trials, n_trials // 5) < 1.4
    assert 0.7 < ratio(KNOWN[name], n_trials, n_trials) < 1.8


def test_of_a_heavy_tail_it_is_too_low_as_its_docstring_says() -> None:
    assert ratio(lambda rng, shape: rng.standard_t(3, shape), 100, 100) < 0.7


@pytest.mark.parametrize(("shape", "n"), [(-1.0, 2000), (-0.5, 2000), (0.1, 5000)])
def test_the_fit_finds_a_known_shape_and_scale(shape: float, n: int) -> None:
    uniform = np.random.default_rng(0).random((100, n))
    excess = np.sort(3.0 * (uniform**-shape - 1) / shape)
    found = np.mean([fit_tail(each) for each in excess], axis=0)
    assert found == pytest.approx([shape, 3.0], abs=0.06)


def test_a_shape_is_held_where_few_estimates_would_rule_the_mean() -> None:
    excess = np.sort(np.random.default_rng(0).pareto(1.0, 100))
    shape, scale = fit_tail(excess)
    assert shape == HEAVIEST
    assert scale == pytest.approx(excess.mean() * (1 - HEAVIEST))


def test_units_and_where_zero_is_do_not_matter() -> None:
    values = np.random.default_rng(0).normal(size=80)
    plain, other = tail_gain(values, 20), tail_gain(5 + 1000 * values, 20)
    assert plain is not None
    assert other is not None
    assert other.gain == pytest.approx(1000 * plain.gain)
    assert other.shape == pytest.approx(plain.shape)


def test_failed_trials_lower_the_gain_and_do_not_count_as_values() -> None:
    values = np.random.default_rng(0).normal(size=60)
    failed = np.full(60, float("nan"))
    plain, diluted = tail_gain(values, 30), tail_gain(np.concatenate([values, failed]), 30)
    assert plain is not None
    assert diluted is not None
    assert 0.3 < diluted.gain / plain.gain < 0.7
    assert tail_gain(np.concatenate([values[:49], failed]), 30) is None


def test_no_more_than_as_many_trials_again_are_foretold() -> None:
    found = tail_gain(np.random.default_rng(0).normal(size=60), 1000)
    assert found is not None
    assert found.n == 60


@pytest.mark.parametrize("digits", [0, 1])
def test_values_that_are_too_alike_have_no_tail(digits: int) -> None:
    assert tail_gain(np.random.default_rng(0).random(100).round(digits), 10) is None
