"""`studies.effects` of searches: importance and its stability, and the means of levels and bins."""

from __future__ import annotations

from math import log10
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import pytest
from ended_designs import FAILED, end, ended, noise
from scipy.stats import t as student

from storage import claim, create_storage, study_id
from studies import create_study, effects
from studies.definition.study import parse_definition
from studies.results.effects.effects import Effects
from studies.suggest import prepare_trials

SPACE = {
    "activation": ["relu", "tanh"],
    "batch_size": {"low": 8, "high": 64, "step": 8},
    "learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
}


def value(params: dict[str, Any], seed: int) -> float | None:
    """Hang on the learning rate most, a little on the activation, and not on the batch size."""
    if params["learning_rate"] > 0.03:
        return FAILED
    away = (log10(params["learning_rate"]) + 3) ** 2
    return 0.8 - 0.1 * away + 0.001 * (params["activation"] == "relu")


def searched(url: str, folder: Path, sampler: Any, n: int, **lines: Any) -> optuna.Study:
    """Make a search by a sampler, and end its trials one after the other."""
    table = {"name": "s", "objective": "mlp", "dataset": "digits", "space": SPACE}
    table |= {"search": {"sampler": sampler, "n_trials": n}}
    definition = parse_definition(table | lines)
    storage = create_storage(url)
    study = create_study(definition, storage, artifacts=folder / "artifacts")
    for _ in range(n):
        (trial,) = claim(storage, study_id(study))
        with storage.batch(study_id(study)) as batch:
            prepare_trials(study, definition, [trial])
        batch.write()
        params = study.get_trials(deepcopy=False)[trial.number].params
        end(study, trial, value(params, 0))
    return study


def of(found: Effects, factor: str) -> pd.DataFrame:
    return found.levels[found.levels["factor"] == factor]


def test_a_search_has_importance_with_its_stability_and_no_p(
    sqlite_url: str, tmp_path: Path
) -> None:
    found = effects(searched(sqlite_url, tmp_path, "tpe", 60))
    assert found.design is None
    assert found.anova is None
    assert found.predicted is None
    assert found.importance is not None
    assert found.importance["factor"].iloc[0] == "learning_rate"
    assert found.importance["importance"].sum() == pytest.approx(1.0)
    shown = found.importance.iloc[0]
    assert 0 <= shown["stability_low"] < shown["stability_high"] <= 1
    # What an adaptive sampler has chosen is no sample of a level.
    assert found.levels["low"].isna().all()
    assert any("no confidence interval" in note for note in found.notes)
    assert any("chose each point by the values before it" in note for note in found.notes)


def test_ranges_are_in_bins_of_about_equally_many_trials_which_have_all_of_them(
    sqlite_url: str, tmp_path: Path
) -> None:
    found = effects(searched(sqlite_url, tmp_path, "random", 41))
    own = of(found, "learning_rate")
    assert len(own) == 4
    assert own["n_trials"].sum() == 41
    assert own["n_trials"].max() - own["n_trials"].min() <= 1
    assert own["failed"].iloc[:-1].sum() == 0
    assert own["failed"].iloc[-1] == own["n_trials"].iloc[-1] - own["n"].iloc[-1] > 0
    ends = [float(end) for words in own["level"] for end in words.split(" to ")]
    assert ends == sorted(ends)
    assert list(of(found, "activation")["level"]) == ["relu", "tanh"]
    assert any("what was pruned or failed is not in it" in note for note in found.notes)
    # Points that were drawn whatever the others came to are a sample.
    assert found.levels["low"].notna().all()


def test_a_random_design_is_a_search(sqlite_url: str, tmp_path: Path) -> None:
    study = ended(
        sqlite_url,
        tmp_path,
        {"A": [0, 1], "x": {"low": 0.0, "high": 1.0}},
        {"design": "random", "n_trials": 50},
        lambda p, _: (p["x"] - 0.5) ** 2,
        direction="minimize",
    )
    found = effects(study)
    assert found.design == "random"
    assert found.importance is not None
    assert list(found.importance["factor"]) == ["x", "A"]
    assert of(found, "A")["low"].notna().all()


@pytest.mark.parametrize(("n", "why"), [(8, "only 8 of them"), (20, "all values are equal")])
def test_few_trials_and_equal_values_have_no_importance(
    n: int, why: str, sqlite_url: str, tmp_path: Path
) -> None:
    space = {"x": {"low": 0.0, "high": 1.0}}
    search = {"design": "random", "n_trials": n}
    found = effects(
        ended(sqlite_url, tmp_path, space, search, lambda p, _: 1.0 if n == 20 else p["x"])
    )
    assert found.importance is not None
    assert found.importance.empty
    assert any(why in note for note in found.notes)


def test_a_study_of_another_program_is_a_search(sqlite_url: str) -> None:
    study = optuna.create_study(storage=create_storage(sqlite_url), study_name="other")
    for number in range(25):
        trial = study.ask()
        x, n = trial.suggest_float("x", 0, 1), trial.suggest_int("n", 1, 3)
        study.tell(trial, x + 0.001 * n + noise(number, size=1e-6))
    found = effects(study)
    assert found.importance is not None
    assert found.importance["factor"].iloc[0] == "x"
    assert list(of(found, "n")["level"]) == [1, 2, 3]


def test_the_same_trials_have_the_same_stability(sqlite_url: str, tmp_path: Path) -> None:
    study = searched(sqlite_url, tmp_path, "random", 24)
    one, other = (effects(study).importance for _ in range(2))
    assert one is not None
    pd.testing.assert_frame_equal(one, other)


def test_the_seeds_of_a_random_design_are_no_further_draws(sqlite_url: str, tmp_path: Path) -> None:
    """Three seeds a point that agree tell no more of a level than one does."""
    space = {"A": [0, 1], "x": {"low": 0.0, "high": 1.0}}
    search = {"design": "random", "n_trials": 36, "replicates": 3}
    study = ended(sqlite_url, tmp_path, space, search, lambda p, s: p["x"] + noise(s, size=1e-3))
    found = of(effects(study), "A")
    points = pd.DataFrame([{**t.params, "y": t.value} for t in study.trials])
    for level, low, high in zip(found["level"], found["low"], found["high"], strict=True):
        values = points[points["A"] == level].groupby("x")["y"].mean()
        ends = student.interval(0.95, len(values) - 1, values.mean(), values.sem())
        assert (low, high) == pytest.approx(ends)
    assert any("over the means of points" in note for note in effects(study).notes)


def test_the_seeds_of_a_point_count_once_in_the_importance(tmp_path: Path) -> None:
    """Twenty points of three seeds have the importance of a design of their means."""
    space = {"A": [0, 1], "x": {"low": 0.0, "high": 1.0}}
    search = {"design": "random", "n_trials": 60, "replicates": 3}

    def ended_by(points: str, search: dict[str, Any], value: Any) -> Effects:
        folder = tmp_path / points
        folder.mkdir()
        return effects(ended(f"sqlite:///{folder}/h.db", folder, space, search, value))

    noisy: dict[tuple[Any, ...], list[float]] = {}

    def value(p: dict[str, Any], seed: int) -> float:
        noisy.setdefault((p["A"], p["x"]), []).append(p["x"] + noise(seed, size=0.3))
        return noisy[p["A"], p["x"]][-1]

    found = ended_by("seeds", search, value).importance
    means = ended_by(
        "means",
        {"design": "random", "n_trials": 20},
        lambda p, _: sum(noisy[p["A"], p["x"]]) / 3,
    ).importance
    assert found is not None
    assert means is not None
    assert set(found["n"]) == {20}
    pd.testing.assert_frame_equal(found, means)


def test_points_of_several_seeds_that_are_few_have_no_importance(
    sqlite_url: str, tmp_path: Path
) -> None:
    space = {"x": {"low": 0.0, "high": 1.0}}
    search = {"design": "random", "n_trials": 30, "replicates": 3}
    found = effects(ended(sqlite_url, tmp_path, space, search, lambda p, s: p["x"] + noise(s)))
    assert found.importance is not None
    assert found.importance.empty
    assert any("20 complete points or more; here only 10 of them" in each for each in found.notes)
