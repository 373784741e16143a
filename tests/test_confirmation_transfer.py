"""The best settings of a search on other data: which studies are made, and what the tests say."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
from confirmations import confirmed
from transfers import (
    RATES,
    by_rate,
    noise_there,
    reversed_there,
    searched,
    small_npz,
    tell,
    transferred,
)

from studies import (
    DefinitionError,
    NoCompleteTrialError,
    SettingError,
    StudyNotFoundError,
    TakenNameError,
    WorkerError,
    load_study,
)
from studies.attributes import DATA_KEY
from studies.confirmation.transfer import transfer_by
from studies.create import create_study
from studies.definition.fresh_seeds import FRESH_SEEDS
from studies.definition.study import parse_definition
from studies.results.confirmed.transfer import Transfer
from studies.results.confirmed.transfer_link import search_link


@pytest.fixture
def other(tmp_path: Path) -> Path:
    """Another data set, in a file."""
    return small_npz(tmp_path)


def test_the_same_search_is_made_there_and_the_settings_get_fresh_seeds(
    sqlite_url: str, other: Path
) -> None:
    study = searched(sqlite_url)
    study.set_user_attr(DATA_KEY, "that of the digits, which its workers have recorded")
    before = study.trials, study.user_attrs
    found = transferred(sqlite_url, other)
    assert (study.trials, study.user_attrs) == before
    there, definition = load_study("s-on-other", sqlite_url)
    own = load_study("s", sqlite_url)[1]
    assert definition.dataset == str(other)
    assert DATA_KEY not in there.user_attrs
    assert definition.identity | {"dataset": "digits"} == own.identity
    assert [trial.params for trial in there.trials] == [trial.params for trial in study.trials]
    trained = load_study("s-on-other-settings", sqlite_url)[0].trials
    seeds = {trial.user_attrs["seed"] for trial in trained}
    assert seeds == set(range(FRESH_SEEDS, FRESH_SEEDS + 8))
    assert (found.there, found.trained_in) == ("s-on-other", "s-on-other-settings")
    assert (found.n_searched, found.n_searched_there, found.n_seeds) == (12, 12, 8)


def test_a_gain_that_carries_over(sqlite_url: str, other: Path) -> None:
    searched(sqlite_url)
    found = transferred(sqlite_url, other)
    assert list(found.settings["role"]) == ["transferred"] * 8 + ["median", "best there"]
    assert list(found.settings["trial"]) == [11, 10, 9, 8, 7, 6, 5, 4, 5, 11]
    # The median and the best there are among the eight: nothing is trained twice.
    assert len(load_study("s-on-other-settings", sqlite_url)[0].trials) == 8 * 8
    gain, beside = found.tests.to_dict("records")
    assert (gain["test"], gain["against"], gain["verdict"]) == ("gain", 5, "better")
    assert gain["p"] == gain["p_adjusted"] == 2 / 2**8
    assert gain["difference"] == pytest.approx(10 * (RATES[11] - RATES[5]))
    assert (beside["against"], beside["verdict"]) == (11, "same setting")
    assert found.top_correlation is not None
    assert (found.top_correlation.n, found.top_correlation.tau) == (8, pytest.approx(1))
    assert found.all_correlation is not None
    assert (found.all_correlation.n, found.all_correlation.tau) == (12, pytest.approx(1))
    assert found.confidence == 0.95  # of the one test
    assert found.is_complete


def test_a_gain_that_does_not_carry_over(sqlite_url: str, other: Path) -> None:
    searched(sqlite_url, reversed_there)
    found = transferred(sqlite_url, other, reversed_there)
    assert list(found.tests["verdict"]) == ["worse", "worse"]
    assert list(found.tests["against"]) == [5, 0]
    assert list(found.tests["p_adjusted"]) == [2 * 2 / 2**8] * 2
    assert found.confidence == 0.975
    assert found.top_correlation is not None
    assert found.top_correlation.tau == pytest.approx(-1)
    assert len(load_study("s-on-other-settings", sqlite_url)[0].trials) == 9 * 8


def test_noise_there_is_not_called_a_gain(sqlite_url: str, other: Path) -> None:
    searched(sqlite_url, noise_there)
    found = transferred(sqlite_url, other, noise_there)
    assert list(found.tests["verdict"]) == ["not distinguishable"] * 2
    best = found.settings[found.settings["role"] == "best there"].iloc[0]
    assert best["searched"] == max(
        trial.value for trial in load_study("s-on-other", sqlite_url)[0].trials
    )
    assert best["mean"] < best["searched"]


def test_smaller_losses_are_better(sqlite_url: str, other: Path) -> None:
    searched(sqlite_url, metric="val_loss", direction="minimize")
    found = transferred(sqlite_url, other)
    assert found.settings["trial"].iloc[0] == 0
    assert found.tests["verdict"].iloc[0] == "better"
    assert found.tests["difference"].iloc[0] < 0
    assert found.top_correlation is not None
    assert found.top_correlation.tau == pytest.approx(1)


def test_the_search_there_has_the_budget_that_the_search_has_by_now(
    sqlite_url: str, other: Path
) -> None:
    search = {"sampler": "random", "n_trials": 4}
    searched(sqlite_url, search=search)
    larger = {"sampler": "random", "n_trials": 9}
    searched(sqlite_url, search=larger)
    transferred(sqlite_url, other)
    assert len(load_study("s-on-other", sqlite_url)[0].trials) == 9


def test_it_goes_on_where_it_was_stopped(sqlite_url: str, other: Path) -> None:
    searched(sqlite_url)
    left = [5, 100, 20]  # trials that are told until the signals come

    def work(own: optuna.Study) -> bool:
        return tell(own, by_rate, left.pop(0))

    def call() -> Transfer:
        return transfer_by("s", sqlite_url, str(other), work, lambda d: d, [])

    with pytest.raises(WorkerError, match=r"s-on-other to be worked on.*the same command goes on"):
        call()
    with pytest.raises(WorkerError, match="s-on-other-settings to be worked on"):
        call()
    left.append(1000)
    found = call()
    assert found.is_complete
    assert len(load_study("s-on-other-settings", sqlite_url)[0].trials) == 64
    left.clear()
    assert call().tests.equals(found.tests)  # there is nothing to work on


def test_a_setting_that_diverges_there_is_not_tested_and_ranks_last(
    sqlite_url: str, other: Path
) -> None:
    def diverging(params: Mapping[str, Any], seed: int, dataset: str) -> float | None:
        is_best = params["learning_rate"] == RATES[-1]
        if dataset == "other" and is_best and seed == FRESH_SEEDS + 3:
            return None
        return by_rate(params, seed, dataset)

    searched(sqlite_url)
    found = transferred(sqlite_url, other, diverging)
    assert found.tests["verdict"].iloc[0] == "not tested"
    assert found.settings["n_diverged"].iloc[0] == 1
    assert found.top_correlation is not None
    assert found.top_correlation.tau == pytest.approx(1 - 2 * 7 / 28)
    assert any("1 of the trials diverged" in note for note in found.notes)


def test_fewer_settings_than_eight_have_no_rank_correlation(sqlite_url: str, other: Path) -> None:
    searched(sqlite_url, space={"learning_rate": RATES[:5]})
    found = transferred(sqlite_url, other)
    assert (found.settings["role"] == "transferred").sum() == 5
    assert found.top_correlation is found.all_correlation is None


def test_what_cannot_be_transferred_is_refused(sqlite_url: str, other: Path) -> None:
    searched(sqlite_url)
    names = [study.study_name for study in optuna.get_all_study_summaries(sqlite_url)]
    with pytest.raises(DefinitionError, match=r"dataset: .*cifar10.*Received: cifra10"):
        transferred(sqlite_url, "cifra10")
    with pytest.raises(SettingError, match=r"another data set than that of s.*hpo confirm s"):
        transferred(sqlite_url, "digits")
    with pytest.raises(SettingError, match=r"top from 1 to 12.*Received: top=13"):
        transferred(sqlite_url, other, top=13)
    with pytest.raises(SettingError, match=r"seeds from 7 to 40.*Received: seeds=6"):
        transferred(sqlite_url, other, seeds=6)
    with pytest.raises(StudyNotFoundError):
        transfer_by("t", sqlite_url, str(other), lambda own: True, lambda d: d, [])
    with pytest.raises(TakenNameError, match=r"Received: 's', another one.*--name"):
        transferred(sqlite_url, other, name="s")
    assert [study.study_name for study in optuna.get_all_study_summaries(sqlite_url)] == names


def test_a_study_that_has_trained_settings_anew_is_not_the_searched_one(
    sqlite_url: str, other: Path
) -> None:
    searched(sqlite_url)
    transferred(sqlite_url, other)
    confirmed(sqlite_url, lambda x, seed: x, top=2)
    for source in ("s-on-other-settings", "s-confirm"):
        with pytest.raises(SettingError, match=r"settings of s anew\. .* hpo transfer s"):
            transfer_by(source, sqlite_url, "mnist", lambda own: True, lambda d: d, [])
    with pytest.raises(SettingError, match=r"settings of s anew\. .* hpo confirm s"):
        confirmed(sqlite_url, lambda x, seed: x, source="s-on-other-settings")


def test_networks_that_do_not_fit_the_other_data_are_refused(
    sqlite_url: str, tmp_path: Path
) -> None:
    images, labels = np.zeros((200, 3, 3), dtype=np.uint8), np.arange(200) % 10
    images[:, 0, 0] = labels
    path = tmp_path / "tiny.npz"
    np.savez(path, x_train=images, y_train=labels, x_test=images[:20], y_test=labels[:20])
    searched(sqlite_url, objective="cnn", fixed={"epochs": 1, "pool_size": 4, "filters": [4]})
    with pytest.raises(DefinitionError, match="Expected"):
        transferred(sqlite_url, path)


def test_a_function_and_a_search_without_two_settings_are_refused(
    sqlite_url: str, other: Path
) -> None:
    searched(sqlite_url, lambda params, seed, dataset: None)
    with pytest.raises(
        NoCompleteTrialError, match=r"2 complete settings.*which has 0.*hpo status s"
    ):
        transferred(sqlite_url, other)
    table = {"name": "f", "objective": "user_objectives:quick", "metric": "score"}
    table |= {"direction": "maximize", "search": {"design": "grid"}, "space": {"x": [0.1, 0.2]}}
    create_study(parse_definition(table), sqlite_url)
    with pytest.raises(SettingError, match=r"train on a data set.*Received: f, of the function"):
        transfer_by("f", sqlite_url, str(other), lambda own: True, lambda d: d, [])


def test_a_transfer_is_gone_on_with_only_as_it_was_begun(sqlite_url: str, other: Path) -> None:
    searched(sqlite_url)
    transferred(sqlite_url, other, top=3)
    with pytest.raises(SettingError, match=r"top=3, seeds=8. Received: top=4"):
        transferred(sqlite_url, other, top=4)
    assert transferred(sqlite_url, other).n_seeds == 8
    study = load_study("s-on-other", sqlite_url)[0]
    link = search_link(study)
    assert link is not None
    assert (link.study, link.dataset) == ("s", str(other))
