"""The study that confirms the best settings of another one: what it trains, and how it goes on."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
from commands import hpo_here
from confirmations import ALLOWED, confirmed, searched, tell
from optuna.trial import TrialState

from storage import create_storage, storage_of, trial_id
from studies import (
    NoCompleteTrialError,
    SettingError,
    StudyNotFoundError,
    TakenNameError,
    load_study,
)
from studies.confirmation.confirm import confirm_by
from studies.confirmation.looks import Wanted, looks_for
from studies.confirmation.ways import Ways
from studies.create import create_study
from studies.definition.fresh_seeds import FRESH_SEEDS
from studies.definition.study import parse_definition
from studies.errors import DefinitionError
from studies.results.confirmed.confirmation import read_confirmation
from studies.retry import retry_trials


def clear(x: float, seed: int) -> float:
    """Tell the levels apart in each seed."""
    return x + 0.01 * random.Random(seed).random()


def seeds_of(study: optuna.Study) -> dict[float, list[int]]:
    """Return the seeds of each level, in the order of trials."""
    found: dict[float, list[int]] = {}
    for trial in study.trials:
        found.setdefault(trial.params["x"], []).append(trial.user_attrs["seed"])
    return found


def test_the_best_settings_get_the_same_fresh_seeds_and_the_search_is_untouched(
    sqlite_url: str,
) -> None:
    study = searched(sqlite_url, clear)
    before = study.trials, study.user_attrs
    found = confirmed(sqlite_url, clear)
    assert (study.trials, study.user_attrs) == before
    own, definition = load_study("s-confirm", sqlite_url)
    fresh = list(range(FRESH_SEEDS, FRESH_SEEDS + 8))
    assert seeds_of(own) == {0.7: fresh, 0.51: fresh, 0.5: fresh}
    assert max(fresh) < 2**31
    assert (definition.metric, definition.space) == ("score", {"x": [0.1, 0.5, 0.51, 0.7]})
    assert list(found.settings["trial"]) == [3, 2, 1]
    assert list(found.settings["searched"]) == [study.trials[i].value for i in (3, 2, 1)]
    assert list(found.settings["parameters"]) == [{"x": 0.7}, {"x": 0.51}, {"x": 0.5}]
    assert list(found.pairs["better"]) == [3, 3, 2]
    assert found.is_complete


def test_a_second_command_goes_on_where_the_first_was_stopped(sqlite_url: str) -> None:
    searched(sqlite_url, clear)
    first = confirm_by(
        "s", sqlite_url, Wanted(), Ways(lambda own: tell(own, clear, 15), lambda d: d), ALLOWED
    )
    assert not first.is_complete
    assert first.pairs["p"].isna().all()  # what is half done is no look
    before = load_study("s-confirm", sqlite_url)[0].trials[:15]
    second = confirmed(sqlite_url, clear)
    study = load_study("s-confirm", sqlite_url)[0]
    assert second.is_complete
    assert (study.trials[:15], len(study.trials)) == (before, 24)
    assert list(second.looks) == [8]


def test_more_seeds_are_added_and_the_second_look_is_told(sqlite_url: str) -> None:
    searched(sqlite_url, clear)
    confirmed(sqlite_url, clear)
    before = load_study("s-confirm", sqlite_url)[0].trials
    found = confirmed(sqlite_url, clear, seeds=12)
    study = load_study("s-confirm", sqlite_url)[0]
    assert study.trials[:24] == before
    fresh = list(range(FRESH_SEEDS, FRESH_SEEDS + 12))
    assert seeds_of(study) == {0.7: fresh, 0.51: fresh, 0.5: fresh}
    assert (list(found.looks), found.n_units) == ([8, 12], 12)
    assert any("7.5 % in all, not 5 %" in note for note in found.notes)
    assert found.confidence == pytest.approx(1 - 0.05 / 6)
    # A larger number than before was seen by nobody where its seeds were never trained.
    again = confirmed(sqlite_url, clear, seeds=9)
    assert list(again.looks) == [8, 12]
    # The study goes on by `hpo run` too, which finds nothing left to queue.
    create_study(load_study("s-confirm", sqlite_url)[1], sqlite_url)
    assert len(load_study("s-confirm", sqlite_url)[0].trials) == 36


def test_seeds_that_nobody_has_seen_are_no_look(sqlite_url: str) -> None:
    searched(sqlite_url, clear)
    some = Ways(lambda own: tell(own, clear, 5), lambda d: d)
    confirm_by("s", sqlite_url, Wanted(), some, ALLOWED)
    found = confirmed(sqlite_url, clear, seeds=10)
    assert (list(found.looks), found.n_units, found.notes) == ([10], 10, [])


def test_a_creation_that_was_interrupted_is_completed(sqlite_url: str) -> None:
    searched(sqlite_url, clear)
    confirmed(sqlite_url, clear)
    study = load_study("s-confirm", sqlite_url)[0]
    study.set_user_attr(
        "added_seeds", [{"settings": [0, 1, 2], "first": 8, "n": 1}]
    )  # no trials yet
    found = confirmed(sqlite_url, clear)
    assert (found.is_complete, found.n_units) == (True, 9)


def test_other_settings_need_another_name(sqlite_url: str) -> None:
    searched(sqlite_url, clear)
    confirmed(sqlite_url, clear)
    with pytest.raises(TakenNameError, match=r"trials 3, 2, 1, the best of 4 .*--name"):
        confirmed(sqlite_url, clear, top=2)
    assert list(confirmed(sqlite_url, clear, top=2, name="two").settings["trial"]) == [3, 2]
    with pytest.raises(TakenNameError, match="Choose another with --name"):
        confirmed(sqlite_url, clear, name="s")
    # Named itself, it goes on with its own settings, and confirms no other confirmation.
    assert list(confirmed(sqlite_url, clear, source="s-confirm").settings["trial"]) == [3, 2, 1]
    with pytest.raises(SettingError, match="Expected top=3"):
        confirmed(sqlite_url, clear, source="s-confirm", top=2)


def test_of_a_study_with_a_sampler_the_same_point_is_confirmed_once(sqlite_url: str) -> None:
    search = {"sampler": "random", "n_trials": 12, "repeats": "train"}
    study = searched(sqlite_url, lambda x, seed: x, search=search, space={"x": [0.1, 0.2, 0.3]})
    tell(study, lambda x, seed: x)
    found = confirmed(sqlite_url, clear)
    assert [each["x"] for each in found.settings["parameters"]] == [0.3, 0.2, 0.1]


NETWORK = {"objective": "mlp", "dataset": "digits", "metric": "val_accuracy"}
OF_SEED_3 = {**NETWORK, "fixed": {"seed": 3}, "space": {"dropout": [0.1, 0.5, 0.7]}}
TWO_SEEDS = {"space": {"x": [0.1, 0.5, 0.7], "seed": [1, 2]}}


@pytest.mark.parametrize("lines", [OF_SEED_3, TWO_SEEDS])
def test_where_the_seed_is_a_hyperparameter_it_is_a_fresh_one(
    sqlite_url: str, lines: dict[str, Any]
) -> None:
    searched(sqlite_url, clear, **lines)
    found = confirmed(sqlite_url, clear)
    study, definition = load_study("s-confirm", sqlite_url)
    assert len(study.trials) == 24
    given = [trial.user_attrs["seed"] for trial in study.trials[:8]]
    assert given == list(range(FRESH_SEEDS, FRESH_SEEDS + 8))
    assert "seed" not in {**definition.fixed, **definition.space}
    assert list(found.settings["n"]) == [8, 8, 8]


def test_workers_get_the_heartbeat_and_the_grace_of_the_command(
    sqlite_url: str, tmp_path: Path
) -> None:
    searched(sqlite_url, clear, **NETWORK, space={"dropout": [0.1, 0.5]})
    words = ("confirm", "s", "-j1", "--heartbeat=8", "--grace=7")
    said = hpo_here(*words, url=sqlite_url, folder=tmp_path)
    assert said.returncode == 1
    assert "Received: heartbeat=8, grace=7" in said.stderr


def test_a_function_that_asks_for_its_parameters_is_confirmed(sqlite_url: str) -> None:
    search = {"sampler": "random", "n_trials": 5}
    study = searched(sqlite_url, clear, search=search, space={})
    found = confirmed(sqlite_url, clear)
    best = sorted((trial.params["x"] for trial in study.trials), reverse=True)[:3]
    assert [each["x"] for each in found.settings["parameters"]] == best
    own = seeds_of(load_study("s-confirm", sqlite_url)[0])
    assert own == {x: list(range(FRESH_SEEDS, FRESH_SEEDS + 8)) for x in best}
    assert list(found.settings["n"]) == [8, 8, 8]


def test_seeds_of_a_search_stay_below_the_fresh_ones(sqlite_url: str) -> None:
    for lines in (
        {"search": {"design": "grid", "seed": 900_000_000}},
        {**OF_SEED_3, "fixed": {"seed": FRESH_SEEDS}},
        {"space": {"x": [1, 2], "seed": [1, FRESH_SEEDS]}},
    ):
        with pytest.raises(DefinitionError, match="hpo confirm takes fresh seeds"):
            searched(sqlite_url, clear, **lines)
    # Known settings may have them; to confirm these would give them the same seeds again.
    search = {"design": "settings", "enqueue": [{"x": 0.1}, {"x": 0.7}], "seed": FRESH_SEEDS}
    searched(sqlite_url, clear, search=search)
    with pytest.raises(DefinitionError, match="which no search may use"):
        confirmed(sqlite_url, clear, top=2)


def test_too_few_seeds_or_settings_are_refused_before_anything_is_trained(sqlite_url: str) -> None:
    searched(sqlite_url, clear)
    for wanted, words in (
        ({"seeds": 6}, "Expected at least 7 seeds for 3 settings"),
        ({"seeds": 41}, "Expected at most 40 seeds"),
        ({"seeds": 1, "top": 1}, "for a standard deviation"),
        ({"seeds": 8, "top": 4, "until_clear": True}, "Expected at least 9 seeds for 4 set"),
        ({"seeds": 9, "until_clear": True, "max_seeds": 9}, "Expected max_seeds from 10 to 40"),
        ({"max_seeds": 9}, "Expected max_seeds with until_clear"),
        ({"top": 1, "until_clear": True}, "Expected two settings or more"),
        ({"top": 5}, "Expected at most 4, the settings of s"),
    ):
        with pytest.raises(ValueError, match=words):
            confirmed(sqlite_url, clear, **wanted)
    with pytest.raises(KeyError, match="a study in the storage"):
        confirmed(sqlite_url, clear, source="nope")
    assert [each.study_name for each in create_storage(sqlite_url).get_all_studies()] == ["s"]


def test_a_study_without_a_complete_trial_has_nothing_to_confirm(sqlite_url: str) -> None:
    study = searched(sqlite_url, lambda x, seed: None)
    with pytest.raises(NoCompleteTrialError, match="See how its trials have ended: hpo status s"):
        confirmed(sqlite_url, clear)
    assert retry_trials(study) == [0, 1, 2, 3]
    with pytest.raises(NoCompleteTrialError, match="Work on it first: hpo run s"):
        confirmed(sqlite_url, clear)
    other = optuna.create_study(storage=storage_of(study), study_name="other")
    other.add_trial(optuna.trial.create_trial(value=1.0))
    with pytest.raises(StudyNotFoundError, match="another program's"):
        confirmed(sqlite_url, clear, source="other")


def test_failed_seeds_are_left_out_and_diverged_ones_are_not(sqlite_url: str) -> None:
    def flawed(x: float, seed: int) -> float | None:
        if x == 0.5 and seed == FRESH_SEEDS + 2:
            return None
        return float("nan") if x == 0.51 and seed == FRESH_SEEDS + 4 else clear(x, seed)

    searched(sqlite_url, clear)
    found = confirmed(sqlite_url, flawed)
    assert list(found.settings["n"]) == [8, 7, 7]
    assert list(found.settings["n_failed"]) == [0, 0, 1]
    assert list(found.settings["n_diverged"]) == [0, 1, 0]
    by_pair = found.pairs.set_index(["first", "second"])
    assert by_pair.loc[(3, 1), "n"] == 7
    assert by_pair.loc[(3, 1), "p"] == 2 / 2**7
    assert by_pair["p"].isna().to_dict() == {(3, 2): True, (3, 1): False, (2, 1): True}
    assert len(found.notes) == 2


def test_equal_values_say_that_the_seed_is_not_used(sqlite_url: str) -> None:
    searched(sqlite_url, lambda x, seed: x)
    found = confirmed(sqlite_url, lambda x, seed: x)
    assert any("All seeds gave the same value" in note for note in found.notes)


def test_a_function_whose_code_has_changed_since_the_search_is_told(sqlite_url: str) -> None:
    def by_code(sha256: str) -> Callable[[optuna.Study], bool]:
        def work(own: optuna.Study) -> bool:
            for each in own.get_trials(states=[TrialState.WAITING]):
                code = {"mine": sha256, "always_the_same": "0"}
                storage_of(own).set_trial_user_attr(trial_id(each), "files_sha256", code)
            return tell(own, clear)

        return work

    study = searched(sqlite_url, clear, n=0)
    by_code("a")(study)
    notes = {}
    for code in ("a", "b"):
        ways = Ways(by_code(code), lambda definition: definition)
        notes[code] = confirm_by("s", sqlite_url, Wanted(top=2, name=code), ways, ALLOWED).notes
    assert list(notes["a"]) == []
    assert [note[:54] for note in notes["b"]] == [
        "The code of the function has changed meanwhile (mine):"
    ]


def test_one_setting_has_no_pairs(sqlite_url: str) -> None:
    searched(sqlite_url, clear)
    found = confirmed(sqlite_url, clear, top=1)
    assert (len(found.pairs), list(found.settings["n"])) == (0, [8])


def test_of_fewer_settings_than_three_all_are_confirmed_unless_more_are_asked_for(
    sqlite_url: str,
) -> None:
    searched(sqlite_url, clear, levels=[0.1, 0.5])
    with pytest.raises(SettingError, match=r"at most 2, .* Without --top it takes these"):
        confirmed(sqlite_url, clear, top=3)
    found = confirmed(sqlite_url, clear)
    assert list(found.settings["n"]) == [8, 8]
    with pytest.raises(SettingError, match="max_seeds with until_clear"):
        confirmed(sqlite_url, clear, max_seeds=24)


def test_seeds_go_to_those_in_question_until_it_is_clear(storage_url: str) -> None:
    def close(x: float, seed: int) -> float:
        rng = random.Random(f"{x} {seed}")
        return (0.0 if x == 0.1 else 1.0) + 0.01 * rng.gauss(0, 1)

    searched(storage_url, lambda x, seed: x)
    found = confirmed(storage_url, close, top=4, until_clear=True, seeds=10, max_seeds=13)
    assert list(found.looks) == [10, 12, 13]
    assert list(found.settings["n"]) == [13, 13, 13, 10]  # the fourth was worse at the first look
    assert found.confidence == pytest.approx(1 - 0.05 / (6 * 3))
    assert list(found.pairs["n"]) == [13, 13, 10, 13, 10, 10]
    again = confirmed(storage_url, close)
    assert again.pairs.equals(found.pairs)
    for wanted in ({"max_seeds": 20}, {"seeds": 14}):
        with pytest.raises(SettingError, match="looks that s-confirm was begun with"):
            confirmed(storage_url, close, **wanted)
    confirmed(storage_url, close, top=4, name="t")
    with pytest.raises(SettingError, match="fixed before the first one"):
        confirmed(storage_url, close, top=4, name="t", until_clear=True)


def test_looks_are_as_many_as_the_first_can_tell_settings_apart_at() -> None:
    assert looks_for(3, Wanted(seeds=8, until_clear=True, max_seeds=24)) == [8, 24]
    assert looks_for(3, Wanted(seeds=9, until_clear=True, max_seeds=24)) == [9, 17, 24]
    assert looks_for(3, Wanted(until_clear=True)) == [8, 24]


def test_of_a_metric_to_minimize_the_smaller_is_better(sqlite_url: str) -> None:
    searched(sqlite_url, clear, direction="minimize")
    found = confirmed(sqlite_url, clear)
    assert list(found.settings["trial"]) == [0, 1, 2]
    assert list(found.pairs["better"]) == [0, 0, 1]


def test_a_study_that_confirms_none_has_no_confirmation(sqlite_url: str) -> None:
    study = searched(sqlite_url, clear)
    with pytest.raises(KeyError, match="that hpo confirm has made"):
        read_confirmation([study])


def test_the_design_settings_trains_these_and_nothing_else() -> None:
    lines = {"name": "s", "objective": "mlp", "dataset": "digits", "space": {"dropout": [0.1, 0.2]}}
    with pytest.raises(DefinitionError, match="Expected settings in enqueue"):
        parse_definition({**lines, "search": {"design": "settings"}})
    with pytest.raises(DefinitionError, match="Expected every factor of the design"):
        parse_definition({**lines, "search": {"design": "settings", "enqueue": [{}]}})


def test_pruned_trials_have_no_value(sqlite_url: str) -> None:
    searched(sqlite_url, clear)

    def work(own: optuna.Study) -> bool:
        trial = own.ask()
        own.tell(trial, state=TrialState.PRUNED)
        return tell(own, clear)

    found = confirm_by("s", sqlite_url, Wanted(), Ways(work, lambda d: d), ALLOWED)
    assert list(found.settings["n_failed"]) == [1, 0, 0]
