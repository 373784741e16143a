"""Seeds as blocks: `studies.effects` where all points share their seeds, and where they do not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
import statsmodels.formula.api as smf
from commands import hpo_here
from ended_designs import FAILED, column, end, ended, noise, with_seeds
from scipy.stats import t as student

from storage import claim, storage_of, study_id, trial_id
from studies import create_study, effects
from studies.definition.study import parse_definition
from studies.results.effects.effects import Effects
from studies.results.effects.parts import Part
from studies.results.effects.trials import Trial, Trials

SPACE = {"A": [0, 1], "B": [0, 1, 2]}
GRID = {"design": "grid", "replicates": 4}
OF_SEED = 0.2  # twenty times the noise of a trial


def seeded(params: dict[str, Any], seed: int) -> float:
    """Be .05 A - .03 B, with much that all trials of a seed have in common."""
    known = 0.5 + 0.05 * params["A"] - 0.03 * params["B"]
    return known + noise(seed, size=OF_SEED) + noise(seed, *params.values())


def rows_of(found: Effects) -> dict[str, dict[str, float]]:
    assert found.anova is not None
    return {str(row["term"]): row for row in found.anova.to_dict("records")}  # type: ignore[misc]


def test_known_effects_are_found_beside_a_large_effect_of_the_seed(
    sqlite_url: str, tmp_path: Path
) -> None:
    study = ended(sqlite_url, tmp_path, SPACE, GRID, seeded)
    found, frame = effects(study), with_seeds(study.trials)
    own = rows_of(found)
    table = sm.stats.anova_lm(smf.ols("y ~ C(A) * C(B) + C(seed)", frame).fit(), typ=2)
    names = {"A": "C(A)", "B": "C(B)", "A x B": "C(A):C(B)"}
    for name, reference in names.items():
        assert own[name]["sum_of_squares"] == pytest.approx(table["sum_sq"][reference])
        assert own[name]["f"] == pytest.approx(table["F"][reference])
        assert own[name]["p"] == pytest.approx(table["PR(>F)"][reference])
    for name, reference in (("seeds (blocks)", "C(seed)"), ("points x seeds (error)", "Residual")):
        assert own[name]["df"] == table["df"][reference]
        assert own[name]["sum_of_squares"] == pytest.approx(table["sum_sq"][reference])
        assert np.isnan(own[name]["p"])
    without = smf.ols("y ~ C(A) * C(B)", frame).fit()
    assert table["sum_sq"]["Residual"] < without.ssr / 50
    assert own["A"]["p"] < 1e-4 < 0.1 < sm.stats.anova_lm(without)["PR(>F)"]["C(A)"]
    (low, high), (zero, one) = (column(found, "A", name) for name in ("low", "high"))
    assert column(found, "A", "mean")[1] - column(found, "A", "mean")[0] == pytest.approx(
        0.05, abs=0.01
    )
    half = student.ppf(0.975, 15) * (table["sum_sq"]["Residual"] / 15 / 12) ** 0.5
    assert (zero - low, one - high) == pytest.approx((2 * half, 2 * half))
    share = table["sum_sq"]["C(seed)"] / without.ssr
    assert any(
        f"{100 * share:.3g} % is common to all trials of a seed" in note for note in found.notes
    )


def test_seeds_that_miss_a_value_are_blocks_by_type_ii(sqlite_url: str, tmp_path: Path) -> None:
    """The seed that lowers all fails where A is 0: means are adjusted for it."""
    lowest = min(range(4), key=lambda seed: noise(seed, size=OF_SEED))

    def value(params: dict[str, Any], seed: int) -> float | None:
        return FAILED if seed == lowest and params["A"] == 0 else seeded(params, seed)

    study = ended(sqlite_url, tmp_path, SPACE, GRID, value)
    found, frame = effects(study), with_seeds(study.trials)
    table = sm.stats.anova_lm(smf.ols("y ~ C(A) * C(B) + C(seed)", frame).fit(), typ=2)
    own = rows_of(found)
    for name, reference in (("A", "C(A)"), ("A x B", "C(A):C(B)"), ("seeds (blocks)", "C(seed)")):
        assert own[name]["sum_of_squares"] == pytest.approx(table["sum_sq"][reference])
    assert own["points x seeds (error)"]["df"] == table["df"]["Residual"] == 12
    mean, adjusted = column(found, "A", "mean"), column(found, "A", "adjusted")
    assert mean[1] - mean[0] < 0.02
    assert adjusted[1] - adjusted[0] == pytest.approx(0.05, abs=0.02)
    assert any("all points share them (some lack values or seeds)" in note for note in found.notes)
    assert any("type II" in note for note in found.notes)


def test_a_point_that_was_cut_short_leaves_the_blocks_to_the_others(
    sqlite_url: str, tmp_path: Path
) -> None:
    """The budget ends after one of four seeds of the last point, the seed that raises all."""
    study = ended(sqlite_url, tmp_path, SPACE, GRID | {"n_trials": 21}, seeded)
    found, frame = effects(study), with_seeds(study.trials)
    assert sorted(frame["point"].value_counts()) == [1, 4, 4, 4, 4, 4]
    table = sm.stats.anova_lm(smf.ols("y ~ C(A) * C(B) + C(seed)", frame).fit(), typ=2)
    own = rows_of(found)
    for name, reference in (("A", "C(A)"), ("A x B", "C(A):C(B)"), ("seeds (blocks)", "C(seed)")):
        assert own[name]["sum_of_squares"] == pytest.approx(table["sum_sq"][reference])
    assert own["A"]["p"] == pytest.approx(table["PR(>F)"]["C(A)"])
    assert own["A"]["p"] < 1e-3
    assert own["points x seeds (error)"]["df"] == table["df"]["Residual"] == 12
    assert any("(some lack values or seeds)" in note for note in found.notes)


@pytest.mark.parametrize(
    ("seeds", "blocks"),
    [
        ([[0, 1, 2], [0, 1, 2], [0]], [0, 1, 2]),
        ([[0, 1, 2], [0, 1, 2], [0, 1]], [0, 1, 2]),
        ([[0, 1, 2, 3], [0, 1], [0]], [0, 1, 2, 3]),  # an array that has the first point twice
        ([[0, 1], [0, 1], [2]], []),  # what moves the last one may be its seed
        ([[0, 1], [0, 1], [2, 3]], []),
        ([[0, 1], [1, 2], [2, 0]], []),
        ([[0, 1], [0, 1], [0], [0]], []),  # an array that repeats some of its runs
        ([[0, 1], [0, 1], [None]], []),
    ],
)
def test_blocks_are_the_seeds_that_points_share(
    seeds: list[list[int | None]], blocks: list[int]
) -> None:
    each = [(point, seed) for point, own in enumerate(seeds) for seed in own]
    trials = [Trial(i, {"A": a}, 0.5, "complete", seed) for i, (a, seed) in enumerate(each)]
    every = Trials("grid", {"A": list(range(len(seeds)))}, frozenset(), trials, [])
    assert Part("", every, ("A",)).seeds == blocks


def test_by_one_factor_at_a_time_a_difference_is_of_the_seeds_of_both(
    sqlite_url: str, tmp_path: Path
) -> None:
    search = {"design": "one-factor-at-a-time", "replicates": 4, "default": {"A": 0, "B": 0}}

    def value(params: dict[str, Any], seed: int) -> float | None:
        return FAILED if seed == 3 and params["A"] == 1 else seeded(params, seed)

    study = ended(sqlite_url, tmp_path, SPACE, search, value)
    found, frame = effects(study), with_seeds(study.trials)
    values = frame[frame["B"] == 0].pivot(index="seed", columns="A", values="y").dropna()
    difference, low, high = (column(found, "A", name)[1] for name in ("difference", "low", "high"))
    assert difference == pytest.approx((values[1] - values[0]).mean())
    reference = smf.ols("y ~ point + seed", frame).fit()
    half = student.ppf(0.975, reference.df_resid) * (reference.mse_resid * 2 / 3) ** 0.5
    assert (difference - low, high - difference) == pytest.approx((half, half))


@pytest.mark.parametrize("all_differ", [True, False], ids=["by trial", "by half of the points"])
def test_seeds_that_not_all_points_share_are_no_blocks(
    all_differ: bool, sqlite_url: str, tmp_path: Path
) -> None:
    table = {"name": "s", "objective": "m:f", "direction": "maximize", "space": SPACE}
    definition = parse_definition(table | {"search": GRID})
    study = create_study(definition, sqlite_url, artifacts=tmp_path)
    storage = storage_of(study)
    for trial in claim(storage, study_id(study), 100):
        shared = trial.user_attrs["seed"] + 4 * trial.params["A"]
        own = 100 + trial.number if all_differ else shared
        storage.set_trial_user_attr(trial_id(trial), "seed", own)
        end(study, trial, seeded(trial.params, own))
    rows = rows_of(effects(study))
    assert list(rows) == ["A", "B", "A x B", "seeds (pure error)"]
    assert rows["seeds (pure error)"]["df"] == 18
    assert not any("blocks" in note for note in effects(study).notes)


def test_one_seed_for_all_points_is_no_block(sqlite_url: str, tmp_path: Path) -> None:
    study = ended(sqlite_url, tmp_path, SPACE, {"design": "grid"}, seeded)
    assert list(rows_of(effects(study))) == ["A", "B", "residual"]


def test_where_blocks_leave_nothing_over_there_are_none(sqlite_url: str, tmp_path: Path) -> None:
    def value(params: dict[str, Any], seed: int) -> float | None:
        return FAILED if seed and params["A"] else seeded(params | {"B": 0}, seed)

    search = {"design": "grid", "replicates": 2}
    study = ended(sqlite_url, tmp_path, {"A": [0, 1]}, search, value)
    assert list(rows_of(effects(study))) == ["A", "seeds (pure error)"]


@pytest.mark.parametrize("is_factor", [False, True], ids=["replicates", "factor"])
def test_the_command_says_that_seeds_are_blocks(
    is_factor: bool, sqlite_url: str, tmp_path: Path
) -> None:
    space = SPACE | ({"seed": [0, 1, 2, 3]} if is_factor else {})
    search = {"design": "grid"} if is_factor else GRID

    def value(params: dict[str, Any], seed: int) -> float:
        return seeded({name: params[name] for name in SPACE}, seed)

    ended(sqlite_url, tmp_path, space, search, value)
    done = hpo_here("effects", "s", url=sqlite_url, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert max(map(len, done.stdout.splitlines())) <= 80
    assert "seeds (blocks)          3" in done.stdout
    assert "points x seeds (error)  15" in done.stdout
    assert "other seeds move all levels alike" in " ".join(done.stdout.split())
