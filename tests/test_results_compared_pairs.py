"""`studies.compare` of one setting on several data sets: differences over common seeds."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from commands import hpo_here
from scipy.stats import permutation_test, ttest_rel
from statsmodels.stats.multitest import multipletests
from told_networks import told

from storage import TrialStorage, claim, study_id, trial_id
from studies import compare
from studies.results.compared_pairs import pair_notes, pair_table
from studies.results.compared_points import ComparedPoint

N = 8
Made = Callable[..., optuna.Study]


@pytest.fixture
def made(sqlite_storage: TrialStorage, tmp_path: Path) -> Made:
    """Make studies of one network with 8 seeds, on permuted digits or as they are."""

    def make(name: str, values: Sequence[float], *, permuted: bool, **lines: Any) -> optuna.Study:
        plain: dict[str, Any] = {
            "search": {"design": "grid", "replicates": N},
            "space": {"activation": ["relu"]},
            "data": {"permute_pixels": permuted},
        }
        return told(sqlite_storage, tmp_path, name, list(values), **plain | lines)

    return make


def values(mean: float, size: float = 0.001, key: int = 0) -> np.ndarray[Any, Any]:
    """Return a value of each seed; much of its noise is common to all."""
    common = np.random.default_rng(99).normal(0, 0.02, N)
    return np.asarray(mean + common + np.random.default_rng(key).normal(0, size, N))


def test_differences_between_data_sets_are_paired_by_the_seed(
    made: Made, sqlite_url: str, tmp_path: Path
) -> None:
    plain, permuted = values(0.85), values(0.84, key=1)
    studies = [
        made("plain", plain, permuted=False),
        made("permuted", permuted, permuted=True),
    ]
    found = compare(studies)
    (row,) = found.pairs.to_dict("records")
    assert (row["first"], row["second"], row["n"]) == ("plain", "permuted", N)
    reference = ttest_rel(plain, permuted)
    low, high = reference.confidence_interval(0.95)
    assert row["difference"] == pytest.approx((plain - permuted).mean())
    assert (row["low"], row["high"]) == pytest.approx((low, high))
    assert row["high"] - row["low"] < 0.004  # the seeds by themselves vary ten times as much
    assert row["p"] == row["p_adjusted"] == 2 / 2**N
    assert row["differs"]
    assert found.confidence == 0.95
    done = hpo_here("compare", "plain", "permuted", url=sqlite_url, folder=tmp_path)
    assert max(map(len, done.stdout.splitlines())) <= 80
    shown = " ".join(done.stdout.split())
    assert "This setting on different data: differences in val_accuracy by seed" in shown
    assert "0.0078125" not in shown
    assert "0.008 differ" in shown
    assert "better" not in shown.replace("calls nothing better", "").replace("hpo confirm", "")
    answer = json.loads(
        hpo_here("compare", "plain", "permuted", "--json", url=sqlite_url, folder=tmp_path).stdout
    )
    assert answer["pairs"][0]["differs"] is True


def test_data_that_do_not_matter_are_not_distinguishable(
    made: Made, sqlite_url: str, tmp_path: Path
) -> None:
    plain, permuted = values(0.85), values(0.85, key=1)
    study = made("plain", plain, permuted=False)
    found = compare([study, made("permuted", permuted, permuted=True)])
    (row,) = found.pairs.to_dict("records")
    exact = permutation_test(
        (plain - permuted,), np.mean, permutation_type="samples", n_resamples=np.inf
    )
    assert row["p"] == exact.pvalue > 0.05
    assert not row["differs"]
    shown = hpo_here("compare", "plain", "permuted", url=sqlite_url, folder=tmp_path).stdout
    assert "distinguishable" in shown
    assert " differ " not in shown


def test_several_data_sets_are_adjusted_together_and_seeds_that_one_lacks_left_out(
    made: Made,
) -> None:
    studies = [
        made("plain", values(0.85), permuted=False),
        made("permuted", values(0.84, key=1)[:7], permuted=True),
        made("mnist", values(0.9, key=2), permuted=False, dataset="mnist"),
    ]
    found = compare(studies)
    assert list(found.pairs["n"]) == [7, 8, 7]
    assert found.confidence == pytest.approx(1 - 0.05 / 3)
    adjusted = multipletests(found.pairs["p"], method="holm")[1]
    assert list(found.pairs["p_adjusted"]) == pytest.approx(list(adjusted))


def test_seeds_that_are_not_shared_are_no_pairs(made: Made) -> None:
    plain = made("plain", values(0.85), permuted=False)
    search = {"design": "grid", "replicates": N, "seed": 100}
    found = compare([plain, made("other", values(0.8), permuted=True, search=search)])
    assert found.pairs.empty
    assert any("no difference is told" in note for note in found.notes)


def test_each_pair_has_its_own_first_forty_common_seeds() -> None:
    random = np.random.default_rng(0)

    def point(*seeds: int) -> ComparedPoint:
        values = random.normal(size=len(seeds)).tolist()
        return ComparedPoint(0, [], values, 0, {}, dict(zip(seeds, values, strict=True)))

    points = [point(*range(60)), point(*range(50)), point(*range(50, 60))]
    pairs = [(0, 1), (0, 2), (1, 2)]
    names = ["A", "B", "C"]
    found, confidence = pair_table(names, points, pairs)
    own = found.set_index(["first", "second"])
    assert own["n"].to_dict() == {("A", "B"): 40, ("A", "C"): 10}
    a, b, c = (each.seeds for each in points)
    assert own["difference"]["A", "B"] == pytest.approx(np.mean([a[i] - b[i] for i in range(40)]))
    assert own["difference"]["A", "C"] == pytest.approx(np.mean([a[i] - c[i] for i in c]))
    assert confidence == 1 - 0.05 / 2
    adjusted = multipletests(found["p"], method="holm")[1]
    assert list(found["p_adjusted"]) == pytest.approx(list(adjusted))
    (note,) = pair_notes(names, points, pairs, found)
    assert note == "1 pair without two common seeds is left out."


def test_three_seeds_are_told_to_be_too_few(made: Made) -> None:
    found = compare(
        [
            made("plain", values(0.85)[:3], permuted=False),
            made("permuted", values(0.80, key=1)[:3], permuted=True),
        ]
    )
    (row,) = found.pairs.to_dict("records")
    assert (row["n"], row["p"], row["differs"]) == (3, 0.25, False)
    assert any(note.startswith("Fewer than 6 common seeds cannot") for note in found.notes)


def test_of_the_same_data_or_of_different_settings_there_are_no_pairs(made: Made) -> None:
    a, b = (made(name, values(0.85), permuted=False) for name in "ab")
    found = compare([a, b])
    assert found.pairs.empty
    assert not any("seeds in common" in note or "--trial" in note for note in found.notes)
    tanh = made("tanh", values(0.8), permuted=True, space={"activation": ["tanh"]})
    found = compare([a, tanh])
    assert found.pairs.empty
    assert any("of different settings. --trial takes one" in note for note in found.notes)


def test_the_setting_of_a_trial_is_compared_whatever_is_best(made: Made) -> None:
    lines: dict[str, Any] = {"space": {"activation": ["relu", "tanh"]}}
    relu, tanh = values(0.85), values(0.80, key=1)
    studies = [
        made("plain", [*relu, *tanh], permuted=False, **lines),
        made("permuted", [*(relu - 0.2), *(tanh - 0.01)], permuted=True, **lines),
    ]
    assert compare(studies).pairs.empty
    assert compare(studies, 0).pairs["difference"][0] == pytest.approx(0.2)
    assert compare(studies, N).pairs["difference"][0] == pytest.approx(0.01)


def test_the_seeds_of_a_samplers_trial_are_counted_on_from_its_own(
    made: Made, sqlite_storage: TrialStorage
) -> None:
    search = {"sampler": "random", "n_trials": 9, "replicates": N}
    studies = []
    for name, permuted in (("plain", False), ("permuted", True)):
        study = made(name, [], permuted=permuted, search=search)
        (trial,) = claim(sqlite_storage, study_id(study))
        own = values(0.84 if permuted else 0.85, key=int(permuted))
        sqlite_storage.set_trial_user_attr(trial_id(trial), "seed", 4 if permuted else 3)
        sqlite_storage.set_trial_user_attr(trial_id(trial), "seed_values", own.tolist())
        study.tell(trial.number, float(own.mean()))
        studies.append(study)
    (row,) = compare(studies).pairs.to_dict("records")
    assert row["n"] == N - 1
    assert row["difference"] == pytest.approx((values(0.85)[1:] - values(0.84, key=1)[:-1]).mean())
