"""Analysis of variance, aliases and Lenth's method against references and published examples."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from scipy.stats import t as student

from studies.designs.tables import table
from studies.statistics.aliases import Alias, aliases
from studies.statistics.factorial import (
    Codes,
    anova,
    estimable,
    fit,
    main_effects,
    two_factor_interactions,
)
from studies.statistics.lenth import lenth

SIZES = {"a": 2, "b": 3, "c": 3}
TERMS = [*main_effects("abc"), *two_factor_interactions("abc")]


def trials(missing: tuple[int, ...] = ()) -> pd.DataFrame:
    """Return three replicates of a 2 x 3 x 3 grid, without some of them."""
    rows = [(a, b, c) for a in range(2) for b in range(3) for c in range(3) for _ in range(3)]
    frame = pd.DataFrame([r for i, r in enumerate(rows) if i not in missing], columns=list("abc"))
    draws = np.random.default_rng(0).normal(size=len(frame))
    return frame.assign(y=frame["a"] + 0.5 * frame["b"] + draws)


def codes(frame: pd.DataFrame) -> Codes:
    return {name: frame[name].to_numpy() for name in "abc"}


@pytest.mark.parametrize("missing", [(), (3, 4, 20, 33)], ids=["balanced", "seeds are missing"])
def test_sums_of_squares_and_p_are_those_of_statsmodels_by_type_ii(
    missing: tuple[int, ...],
) -> None:
    frame = trials(missing)
    formula = "y ~ C(a) + C(b) + C(c) + C(a):C(b) + C(a):C(c) + C(b):C(c)"
    reference = sm.stats.anova_lm(smf.ols(formula, frame).fit(), typ=2)
    found = anova(codes(frame), frame["y"].to_numpy(), SIZES, TERMS, list(range(len(frame))))
    assert [row.df for row in found.rows] == list(reference["df"][:-1])
    assert [row.ss for row in found.rows] == pytest.approx(list(reference["sum_sq"][:-1]))
    assert [row.f for row in found.rows] == pytest.approx(list(reference["F"][:-1]))
    assert [row.p for row in found.rows] == pytest.approx(list(reference["PR(>F)"][:-1]))
    assert (found.error.kind, found.error.df) == ("residual", reference["df"].iloc[-1])
    assert found.error.ss == pytest.approx(reference["sum_sq"].iloc[-1])


def test_the_pure_error_of_the_seeds_takes_the_residuals_place() -> None:
    frame = trials((3,))
    points = list(zip(frame["a"], frame["b"], frame["c"], strict=True))
    found = anova(codes(frame), frame["y"].to_numpy(), SIZES, TERMS, points)
    within = frame.groupby(["a", "b", "c"])["y"].agg(lambda y: ((y - y.mean()) ** 2).sum())
    assert (found.error.kind, found.error.df) == ("seeds", 53 - 18)
    assert found.error.ss == pytest.approx(within.sum())
    assert found.lack is not None
    assert found.lack.df == 4  # the interaction of all three


def test_what_the_trials_do_not_determine_is_no_line() -> None:
    frame = trials()
    confounded = frame[frame["a"] == (frame["b"] == 2)]  # a says whether b is 2
    known = estimable(codes(confounded), SIZES, main_effects("abc"))
    assert known == [("c",)]
    every = main_effects("abc")
    y = confounded["y"].to_numpy()
    found = anova(codes(confounded), y, SIZES, every, list(range(len(y))))
    assert [row.term for row in found.rows] == [("c",)]
    main = fit(codes(confounded), y, SIZES, every)
    equal = {name: np.full(n, 1 / n) for name, n in SIZES.items()}
    assert main.at(equal | {"a": np.array([1.0, 0.0])}) is None
    assert main.at(equal | {"a": np.array([0.0, 1.0]), "b": np.array([0.0, 0.0, 1.0])}) is not None


def test_a_mean_over_levels_and_its_variance_are_those_of_least_squares() -> None:
    frame = trials((3, 4, 20, 33))
    reference = smf.ols("y ~ C(a) + C(b) + C(c)", frame).fit()
    at = pd.DataFrame([(1, b, c) for b in range(3) for c in range(3)], columns=list("abc"))
    predicted = reference.predict(at).mean()
    main = fit(codes(frame), frame["y"].to_numpy(), SIZES, main_effects("abc"))
    equal = {name: np.full(n, 1 / n) for name, n in SIZES.items()}
    found = main.at(equal | {"a": np.array([0.0, 1.0])})
    assert found is not None
    assert found[0] == pytest.approx(predicted)


def columns(file: str) -> tuple[Codes, dict[str, int]]:
    every = table(file).columns
    found = {f"f{i}": np.asarray(column) for i, column in enumerate(every)}
    return found, {name: int(column.max()) + 1 for name, column in found.items()}


def test_aliases_of_an_array_of_two_levels_are_found_from_its_columns() -> None:
    array, sizes = columns("L_8_2_7")
    found = aliases(array, sizes, list(sizes))
    for each in found:
        one, other = (2 * array[name] - 1 for name in each.interaction)
        assert abs((one * other) @ (2 * array[each.factor] - 1)) == 8
        assert each.is_whole
    assert len(found) == 7 * 3


def test_in_an_array_of_plackett_and_burman_each_effect_is_a_ninth_of_each_interaction() -> None:
    array, sizes = columns("L_12_2_11")
    found = aliases(array, sizes, list(sizes))
    assert len(found) == 11 * 45
    assert {round(each.share, 6) for each in found} == {round(1 / 9, 6)}


def test_of_a_full_factorial_no_main_effect_is_an_interaction() -> None:
    assert aliases(codes(trials()), SIZES, list("abc")) == []


def test_of_three_levels_a_column_is_half_of_the_interaction_of_two_others() -> None:
    array, sizes = columns("L_9_3_4")
    found = aliases(array, sizes, ["f0", "f1", "f2"])
    assert Alias("f2", ("f0", "f1"), pytest.approx(1.0)) in found


def test_lenths_example_of_1989() -> None:
    # Box and Meyer's tensile strengths, 15 contrasts, as in Lenth's first example.
    contrasts = [0.13, -0.15, -0.30, -0.15, 0.40, -0.03, 0.38, 0.40, -0.05, 0.43, 0.13, 0.13]
    contrasts += [-0.38, 2.15, 3.10]
    found = lenth(contrasts)
    assert found is not None
    assert found.pse == pytest.approx(0.225)
    assert found.margin == pytest.approx(student.ppf(0.975, 5) * 0.225)
    assert found.margin < found.simultaneous < 2.15
    assert lenth([1.0, 2.0]) is None
