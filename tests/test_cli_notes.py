"""What is said of a study that has stopped, by `hpo status` and at the end of a run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from commands import hpo
from optuna.trial import TrialState
from queues import run_out, write
from rich.console import Console
from small_studies import table

from storage import TrialStorage, claim, get_budget, overview, study_id, trial_id
from storage.budget import write_budget
from studies import create_study
from studies.cli.live import live_progress
from studies.cli.notes import budget_note, failure_note, missing_note, time_note
from studies.cli.status import status_block
from studies.definition.study import parse_definition


@pytest.mark.parametrize(
    ("search", "words"),
    [
        ({"design": "grid", "timeout": "90m"}, "of 90m is over, and 1 trial still waiting. "),
        ({"sampler": "random", "timeout": "6h"}, "of 6h is over. "),
        ({"sampler": "random", "n_trials": 9, "timeout": 7}, "of 7s is over. "),
        ({"sampler": "random", "n_trials": 1, "timeout": "6h"}, None),  # it is done
    ],
)
def test_a_timeout_that_is_over_is_told_with_the_way_to_go_on(
    sqlite_storage: TrialStorage, tmp_path: Path, search: dict[str, object], words: str | None
) -> None:
    definition = parse_definition(table(name="-s", search=search))
    study = create_study(definition, sqlite_storage, artifacts=tmp_path)
    claim(sqlite_storage, study_id(study))
    assert time_note(study, overview(sqlite_storage, study_id(study))) is None
    run_out(sqlite_storage, study_id(study))
    said = time_note(study, overview(sqlite_storage, study_id(study)))
    if words is None:
        assert said is None
    else:
        assert said is not None
        assert words in said
        assert said.endswith(" -- -s")


def test_status_tells_that_the_timeout_is_over_and_how_to_go_on(
    sqlite_storage: TrialStorage, sqlite_url: str, tmp_path: Path
) -> None:
    definition = parse_definition(table(search={"design": "grid", "timeout": "6h"}))
    study = create_study(definition, sqlite_storage, artifacts=tmp_path)
    run_out(sqlite_storage, study_id(study))
    words = " ".join(hpo("status", "s", url=sqlite_url, folder=tmp_path).stdout.split())
    expected = "The timeout of 6h is over, and 2 trials still waiting. Go on with a larger one: "
    assert f"{expected}hpo run --set search.timeout=12h s" in words
    arguments = ("--set", "search.timeout=999999h", "s")
    assert hpo("create", *arguments, url=sqlite_url, folder=tmp_path).returncode == 0
    assert len(claim(sqlite_storage, study_id(study), 9)) == 2


def test_the_way_to_a_traceback_is_told(sqlite_storage: TrialStorage, tmp_path: Path) -> None:
    definition = parse_definition(table())
    study = create_study(definition, sqlite_storage, artifacts=tmp_path)
    for trial in claim(sqlite_storage, study_id(study), 2):
        for key, value in (("fail_reason", "KeyError: x\nand more"), ("traceback", "Traceback")):
            sqlite_storage.set_trial_user_attr(trial_id(trial), key, value)
        study.tell(trial.number, state=TrialState.FAIL)
    said = failure_note(study, overview(sqlite_storage, study_id(study)))
    assert said is not None
    assert said.splitlines() == [
        "2 of 2 trials failed. The first, trial 0: KeyError: x",
        "Its traceback: hpo status --trial 0 s",
        "Queue them again: hpo retry s",
    ]


@pytest.mark.parametrize(
    ("deleted", "said"),
    [
        ("()", None),
        ("(1)", "Trial 1 is missing, its row was deleted. Another takes its place in n_trials"),
        ("(0, 2)", "Trials 0, 2 are missing, their rows were deleted. Others take their places"),
        ("(0, 1, 2, 3, 4)", "Trials 0, 1, 2 and 2 more are missing, their rows were deleted. "),
    ],
)
def test_trials_of_a_sampler_whose_rows_were_deleted_are_told(
    sqlite_storage: TrialStorage, tmp_path: Path, deleted: str, said: str | None
) -> None:
    definition = parse_definition(table(search={"sampler": "random", "n_trials": 6}))
    study = create_study(definition, sqlite_storage, artifacts=tmp_path)
    claim(sqlite_storage, study_id(study), 6)
    assert missing_note(study, overview(sqlite_storage, study_id(study))) is None
    write(sqlite_storage, f"DELETE FROM trials WHERE number IN {deleted}")
    console = Console(width=200)
    with console.capture() as shown:
        console.print(status_block(study))
    note = missing_note(study, overview(sqlite_storage, study_id(study)))
    assert note == said or (said and note and note.startswith(said))
    assert ("missing" in shown.get()) is (said is not None)


def test_why_a_study_has_ended_is_left_to_the_end_of_a_run(
    sqlite_storage: TrialStorage, tmp_path: Path
) -> None:
    definition = parse_definition(table(search={"sampler": "rounds"}))
    study = create_study(definition, sqlite_storage, artifacts=tmp_path)
    budget = replace(get_budget(sqlite_storage, study_id(study)), over="no better")
    with sqlite_storage.transaction() as connection:
        write_budget(connection, study_id(study), budget)
    console = Console(width=80, force_terminal=True)
    with console.capture() as shown, live_progress(study, console) as redraw:
        redraw()
    assert "no trials yet" in shown.get()
    assert "by its own rule" not in shown.get()
    with console.capture() as shown:
        console.print(status_block(study))
    assert "has ended by its own rule: no better" in " ".join(shown.get().split())


@pytest.mark.parametrize(
    ("search", "n", "note"),
    [
        (
            {"sampler": "random", "n_trials": 3},
            1,
            "s has 1 trial by an earlier -n, its definition 3. All of them: hpo run -n 3 s",
        ),
        ({"sampler": "random", "n_trials": 3}, 4, None),
        ({"sampler": "random", "timeout": "6h"}, None, None),
    ],
)
def test_a_budget_below_that_of_the_definition_is_told(
    sqlite_storage: TrialStorage, tmp_path: Path, search: dict[str, Any], n: int, note: str | None
) -> None:
    definition = parse_definition(table(search=search))
    study = create_study(definition, sqlite_storage, artifacts=tmp_path)
    assert budget_note(study, definition) is None
    if n is not None:
        create_study(definition.with_budget(n), sqlite_storage, artifacts=tmp_path)
    said = budget_note(study, definition)
    assert said is None if note is None else said is not None and note in said
