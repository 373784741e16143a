"""`studies.effects` of designs: known effects are found again, and what is not known is said."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from ended_designs import FAILED, column, ended, found_trials, noise, with_seeds
from scipy.stats import t as student

from studies import effects
from studies.results.effects.effects import Effects

TWO = {name: [0, 1] for name in "ABCDE"}
L16 = TWO | {"F": ["a", "b", "c", "d"]}
SLOPES = {"A": 0.05, "B": -0.02, "C": 0.0, "D": 0.03, "E": 0.01}
OF_F = {"a": 0.0, "b": 0.04, "c": -0.01, "d": 0.02}
GRID = {
    "initializer": ["zeros", "glorot", "normal"],
    "activation": ["relu", "tanh", "elu"],
    "optimizer": ["sgd", "adam", "rmsprop"],
    "regularizer": ["none", "l1", "l2"],
}


def known_sum(params: dict[str, Any]) -> float:
    return 0.7 + sum(SLOPES[name] * params[name] for name in SLOPES) + OF_F[params["F"]]


def p_of(found: Effects, term: str) -> float:
    assert found.anova is not None
    return float(found.anova.set_index("term")["p"][term])


@pytest.mark.parametrize("direction", ["maximize", "minimize"])
def test_an_l16_gives_the_known_effects_of_its_levels_again(
    direction: str, sqlite_url: str, tmp_path: Path
) -> None:
    search = {"design": "orthogonal"}
    study = ended(sqlite_url, tmp_path, L16, search, lambda p, _: known_sum(p), direction=direction)
    found = effects(study)
    assert found.n_trials == 16
    for name, slope in SLOPES.items():
        (difference,) = (b - a for a, b in pairwise(column(found, name, "mean")))
        assert difference == pytest.approx(slope)
    assert column(found, "F", "level") == list("abcd")
    means = np.asarray(column(found, "F", "mean"))
    assert means - means[0] == pytest.approx(list(OF_F.values()))
    assert found.predicted is not None
    best = {n: int((slope > 0) == (direction == "maximize")) for n, slope in SLOPES.items()}
    best["F"] = "b" if direction == "maximize" else "c"
    assert {n: v for n, v in found.predicted.setting.items() if n != "C"} == {
        n: v for n, v in best.items() if n != "C"
    }
    assert found.predicted.value == pytest.approx(known_sum({**best, "C": 0}))
    # Nothing is left over: the values are an exact sum.
    assert found.anova is not None
    assert found.anova["p"].isna().all()
    assert any("exact sum" in note for note in found.notes)


def test_intervals_of_an_l16_are_students_by_its_residual(sqlite_url: str, tmp_path: Path) -> None:
    search = {"design": "orthogonal"}
    study = ended(
        sqlite_url, tmp_path, L16, search, lambda p, _: known_sum(p) + noise(*map(ord, str(p)))
    )
    found = effects(study)
    frame = pd.DataFrame([{**t.params, "y": t.value} for t in study.trials])
    reference = smf.ols("y ~ A + B + C + D + E + F", frame).fit()
    assert found.anova is not None
    error = found.anova.iloc[-1]
    assert (error["term"], error["df"]) == ("residual", 7)
    assert error["sum_of_squares"] == pytest.approx(reference.ssr)
    assert p_of(found, "A") == pytest.approx(reference.pvalues["A"])
    half = student.ppf(0.975, 7) * (reference.mse_resid / 8) ** 0.5
    (low, high), (mean, _) = zip(*column_pairs(found, "A"), strict=True), column(found, "A", "mean")
    assert (low[0], high[0]) == pytest.approx((mean - half, mean + half))
    assert any("one seed a point" in note for note in found.notes)


def column_pairs(found: Effects, factor: str) -> list[tuple[float, float]]:
    return list(zip(column(found, factor, "low"), column(found, factor, "high"), strict=True))


def test_an_l16_with_an_interaction_names_the_effect_that_is_confounded_with_it(
    sqlite_url: str, tmp_path: Path
) -> None:
    def value(params: dict[str, Any], seed: int) -> float:
        return known_sum(params) + 0.1 * (params["B"] == params["C"])

    found = effects(ended(sqlite_url, tmp_path, L16, {"design": "orthogonal"}, value))
    shares = found.aliases.set_index(["factor", "interaction"])["share"]
    assert shares["A", "B x C"] == pytest.approx(1.0)
    # The main effect of A is its own, and the interaction, which nothing tells apart.
    low, high = column(found, "A", "mean")
    assert abs(high - low - SLOPES["A"]) == pytest.approx(0.1)
    assert found.anova is not None
    assert not any(" x " in term for term in found.anova["term"])


def test_a_saturated_l8_has_contrasts_and_no_p(sqlite_url: str, tmp_path: Path) -> None:
    space = {name: [0, 1] for name in "ABCDEFG"}

    def value(params: dict[str, Any], seed: int) -> float:
        return 0.8 + 0.05 * params["A"] + noise(*params.values(), size=0.001)

    found = effects(ended(sqlite_url, tmp_path, space, {"design": "orthogonal"}, value))
    assert found.anova is not None
    assert found.anova["p"].isna().all()
    assert found.anova["f"].isna().all()
    assert found.levels["low"].isna().all()
    assert found.predicted is not None
    assert found.predicted.low is None
    assert found.contrasts is not None
    assert list(found.contrasts["factor"]) == list("ABCDEFG")
    for row in found.contrasts.itertuples():
        low, high = column(found, str(row.factor), "mean")
        assert row.estimate == pytest.approx(high - low)
        assert (abs(row.estimate) > row.simultaneous) == (row.factor == "A")
    assert any("No degrees of freedom" in n and "Add replicates: hpo run" in n for n in found.notes)
    assert len(found.aliases) == 21


def test_replicates_give_a_saturated_array_its_p(sqlite_url: str, tmp_path: Path) -> None:
    space = {name: [0, 1] for name in "ABCDEFG"}
    search = {"design": "orthogonal", "replicates": 2}
    study = ended(
        sqlite_url, tmp_path, space, search, lambda p, s: 0.05 * p["A"] + noise(s, *p.values())
    )
    found = effects(study)
    assert found.anova is not None
    assert list(found.anova["term"][-2:]) == ["seeds (blocks)", "points x seeds (error)"]
    assert list(found.anova["df"][-2:]) == [1, 7]
    assert p_of(found, "A") < 0.001
    assert found.contrasts is None
    assert not found.aliases.empty


def test_failed_trials_lower_no_mean_silently(sqlite_url: str, tmp_path: Path) -> None:
    """Zeros fail with sgd, which does worst: the mean of what is left of zeros is too good."""
    slopes = {"sgd": -0.3, "adam": 0.0, "rmsprop": 0.0}

    def value(params: dict[str, Any], seed: int) -> float | None:
        if params["initializer"] == "zeros" and params["optimizer"] == "sgd":
            return FAILED
        return 0.5 + slopes[params["optimizer"]] + noise(*map(ord, str(params)), size=1e-3)

    found = effects(ended(sqlite_url, tmp_path, GRID, {"design": "grid"}, value))
    assert column(found, "initializer", "n") == [18, 27, 27]
    assert column(found, "initializer", "n_trials") == [27, 27, 27]
    assert column(found, "initializer", "failed") == [9, 0, 0]
    assert "9 of 81 failed in all: they are in no mean, so that means may be too good." in (
        found.findings
    )
    assert "initializer zeros: 9 of 27 failed; of its other levels 0 of 54." in found.findings
    mean, *_ = column(found, "initializer", "mean")
    adjusted = column(found, "initializer", "adjusted")
    assert mean == pytest.approx(0.5, abs=0.01)
    assert adjusted == pytest.approx([0.4, 0.4, 0.4], abs=0.01)
    assert any("type II" in note for note in found.notes)
    assert any("initializer x optimizer" in note for note in found.notes)  # its cell is empty


def test_failures_that_are_spread_evenly_are_no_finding_of_a_level(
    sqlite_url: str, tmp_path: Path
) -> None:
    seen: list[int] = []

    def value(params: dict[str, Any], seed: int) -> float | None:
        seen.append(seed)
        return FAILED if len(seen) == 5 else noise(len(seen))

    found = effects(ended(sqlite_url, tmp_path, GRID, {"design": "grid"}, value))
    assert len(found.findings) == 1
    assert found.findings[0].startswith("1 of 81 failed in all")


def test_a_level_without_a_value_is_shown_and_left_out_of_the_model(
    sqlite_url: str, tmp_path: Path
) -> None:
    def value(params: dict[str, Any], seed: int) -> float | None:
        return FAILED if params["F"] == "a" else known_sum(params) + noise(*params.values_hash)

    class Params(dict[str, Any]):
        @property
        def values_hash(self) -> tuple[int, ...]:
            return tuple(ord(str(v)) for v in self.values())

    study = ended(
        sqlite_url, tmp_path, L16, {"design": "orthogonal"}, lambda p, s: value(Params(p), s)
    )
    found = effects(study)
    assert column(found, "F", "n") == [0, 4, 4, 4]
    assert np.isnan(column(found, "F", "mean")[0])
    assert "F a: 4 of 4 failed; of its other levels 0 of 12." in found.findings
    assert found.anova is not None
    assert dict(zip(found.anova["term"], found.anova["df"], strict=True))["F"] == 2
    assert found.predicted is not None
    assert found.predicted.setting["F"] == "b"


def test_seeds_that_are_missing_make_it_unbalanced_and_that_is_said(
    sqlite_url: str, tmp_path: Path
) -> None:
    space = {"A": [0, 1], "B": [0, 1, 2]}
    search = {"design": "grid", "replicates": 3}

    def value(params: dict[str, Any], seed: int) -> float | None:
        if seed == 2 and params == {"A": 1, "B": 2}:
            return FAILED
        return params["A"] + noise(seed, *params.values())

    found = effects(ended(sqlite_url, tmp_path, space, search, value))
    assert found.anova is not None
    error = ["seeds (blocks)", "points x seeds (error)"]
    assert list(found.anova["term"]) == ["A", "B", "A x B", *error]
    assert list(found.anova["df"]) == [1, 2, 2, 2, 9]
    assert any("Unbalanced" in note and "type II" in note for note in found.notes)
    assert column(found, "B", "n") == [6, 6, 5]


def test_of_two_factors_with_a_seed_each_the_interaction_is_what_is_judged_by(
    sqlite_url: str, tmp_path: Path
) -> None:
    space = {"A": [0, 1], "B": [0, 1, 2]}
    study = ended(sqlite_url, tmp_path, space, {"design": "grid"}, lambda p, _: noise(*p.values()))
    found = effects(study)
    assert found.anova is not None
    assert list(found.anova["term"]) == ["A", "B", "residual"]
    assert "Interactions not estimated: A x B." in found.notes


def test_an_interaction_of_a_grid_is_a_finding(sqlite_url: str, tmp_path: Path) -> None:
    space = {"rate": [0.1, 0.01], "optimizer": ["sgd", "adam"]}
    search = {"design": "grid", "replicates": 3}

    def value(params: dict[str, Any], seed: int) -> float:
        good = (params["rate"] > 0.05) == (params["optimizer"] == "sgd")
        return 0.3 * good + noise(seed, int(good))

    found = effects(ended(sqlite_url, tmp_path, space, search, value))
    assert p_of(found, "rate x optimizer") < 1e-4
    assert any(each.startswith("rate x optimizer: the effect of") for each in found.findings)
    assert any("do not add up" in note for note in found.notes)


def test_conditional_factors_are_analysed_within_the_trials_that_have_them(
    sqlite_url: str, tmp_path: Path
) -> None:
    space = {
        "optimizer": ["sgd", "adam"],
        "momentum": {"levels": [0.0, 0.5, 0.9], "when": {"optimizer": ["sgd"]}},
        "activation": ["relu", "tanh"],
    }

    def value(params: dict[str, Any], seed: int) -> float:
        slope = 0.1 * params["momentum"] if "momentum" in params else 0.0
        own = noise(seed, *map(ord, str(params)), size=1e-4)
        return 0.5 + slope + 0.05 * (params["activation"] == "tanh") + own

    search = {"design": "grid", "replicates": 2}
    found = effects(ended(sqlite_url, tmp_path, space, search, value))
    own = found.levels[found.levels["factor"] == "momentum"]
    assert set(own["within"]) == {"optimizer sgd"}
    assert list(own["n_trials"]) == [4, 4, 4]
    assert list(own["mean"].diff()[1:]) == pytest.approx([0.05, 0.04], abs=1e-3)
    assert found.anova is not None
    within = found.anova[found.anova["within"] == "optimizer sgd"]
    first, second, *error = within["term"]
    assert (first, second) == ("momentum", "activation x momentum") or (
        second == "momentum x activation"
    )
    assert error == ["seeds (blocks)", "points x seeds (error)"]
    assert list(within["df"]) == [2, 2, 1, 5]
    assert found.predicted is not None
    setting = {"optimizer": "sgd", "momentum": 0.9, "activation": "tanh"}
    assert found.predicted.setting == setting
    # The mean of sgd is over all momenta; that of .9 is added to it.
    assert found.predicted.value == pytest.approx(0.5 + 0.09 + 0.05, abs=2e-3)
    assert found.predicted.n_observed == 2


def test_the_interval_of_a_prediction_is_for_the_mean_of_new_seeds(
    sqlite_url: str, tmp_path: Path
) -> None:
    space = {"A": [0, 1], "B": [0, 1, 2]}
    search = {"design": "grid", "replicates": 3}
    study = ended(
        sqlite_url,
        tmp_path,
        space,
        search,
        lambda p, s: sum(p.values()) + noise(s, size=0.03) + noise(s, *p.values()),
    )
    found = effects(study).predicted
    assert found is not None
    frame = with_seeds(study.trials)
    means = [frame[frame["A"] == 1]["y"].mean(), frame[frame["B"] == 2]["y"].mean()]
    value = sum(means) - frame["y"].mean()
    table = sm.stats.anova_lm(smf.ols("y ~ C(A) * C(B) + C(seed)", frame).fit(), typ=2)
    of_seeds, of_rest = (table["sum_sq"] / table["df"])[["C(seed)", "Residual"]]
    of_seed = (of_seeds - of_rest) / 6
    assert of_seed > 0
    # The model's mean has 3 seeds in common. Beside these it is the sum of a mean of 9 and one of 6
    # trials, less that of all 18. Of the new trials each has a seed of its own.
    variance = of_seed * (1 / 3 + 1 / 3) + of_rest * (1 / 9 + 1 / 6 - 1 / 18 + 1 / 3)
    parts = (of_seeds / 6 * 2 / 3, variance - of_seeds / 6 * 2 / 3)
    freedom = variance**2 / (parts[0] ** 2 / 2 + parts[1] ** 2 / 10)
    half = student.ppf(0.975, freedom) * variance**0.5
    assert (found.value, found.n_seeds) == (pytest.approx(value), 3)
    assert (found.low, found.high) == pytest.approx((value - half, value + half))
    assert found.observed == pytest.approx(frame[(frame["A"] == 1) & (frame["B"] == 2)]["y"].mean())


def test_a_prediction_that_no_accuracy_can_reach_is_said_to_be_one(
    sqlite_url: str, tmp_path: Path
) -> None:
    space = {"activation": ["relu", "tanh"], "hidden_units": [[8], [16]]}
    lines = {"objective": "mlp", "dataset": "digits"}
    found = [
        effects(ended(url, tmp_path, space, {"design": "grid"}, value, **lines))
        for url, value in (
            (
                sqlite_url,
                lambda p, s: 0.5 if p == {"activation": "relu", "hidden_units": "8"} else 0.99,
            ),
            (f"sqlite:///{tmp_path}/low.db", lambda p, s: 0.5 + 0.1 * (p["activation"] == "relu")),
        )
    ]
    told = [[note for note in each.notes if "above 1" in note] for each in found]
    assert [len(each) for each in told] == [1, 0]


def test_a_factor_that_sets_several_hyperparameters_is_one_by_its_label(
    sqlite_url: str, tmp_path: Path
) -> None:
    how = {"plain": {"rate": 0.1, "decay": 0.0}, "decayed": {"rate": 0.2, "decay": 0.1}}
    space = {"how": how, "B": [0, 1]}
    study = ended(
        sqlite_url,
        tmp_path,
        space,
        {"design": "grid", "replicates": 2},
        lambda p, s: (p["how"] == "plain") + noise(s),
    )
    found = effects(study)
    assert column(found, "how", "level") == ["plain", "decayed"]
    assert list(dict.fromkeys(found.levels["factor"])) == ["how", "B"]


def test_one_factor_at_a_time_is_each_level_against_the_default(
    sqlite_url: str, tmp_path: Path
) -> None:
    space = {"A": ["x", "y", "z"], "B": [1, 2], "C": [1, 2]}
    default = {"A": "y", "B": 2, "C": 1}
    search = {"design": "one-factor-at-a-time", "replicates": 3, "default": default}

    def value(params: dict[str, Any], seed: int) -> float:
        return (
            0.5
            - 0.3 * (params["A"] == "x")
            + 0.1 * params["B"]
            + noise(seed)
            + noise(seed, *map(ord, str(params)), size=1e-3)
        )

    found = effects(ended(sqlite_url, tmp_path, space, search, value))
    assert column(found, "A", "is_default") == [False, True, False]
    differences = column(found, "A", "difference")
    assert differences[0] == pytest.approx(-0.3, abs=2e-3)  # the seeds are the same
    assert np.isnan(differences[1])
    assert column(found, "B", "difference")[0] == pytest.approx(-0.1, abs=2e-3)
    assert list(found.levels["n"]) == [3] * 7
    frame = with_seeds(found_trials(sqlite_url))
    reference = smf.ols("y ~ point + seed", frame).fit()
    assert reference.df_resid == 8
    half = student.ppf(0.975, 8) * (reference.mse_resid * 2 / 3) ** 0.5
    low, high = column(found, "A", "low")[0], column(found, "A", "high")[0]
    assert (low, high) == pytest.approx((differences[0] - half, differences[0] + half))
    assert any("No interactions can be estimated" in note for note in found.notes)
    assert found.anova is not None
    error = ["seeds (blocks)", "points x seeds (error)"]
    assert list(found.anova["term"]) == ["A", "B", "C", *error]
