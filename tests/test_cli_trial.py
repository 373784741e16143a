"""The text of `hpo status STUDY --trial N`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from optuna.trial import TrialState, create_trial
from typer.testing import CliRunner

from storage import Worker, claim, create_storage, record_worker, study_id, trial_id
from studies import load_study, retry_trials
from studies.cli.commands import app
from studies.errors import TrialNotFoundError

LONG = "C:/" + "long/" * 30 + "name.py"


def status(url: str, *arguments: str) -> str:
    """Return what the command prints on 80 columns, without the blanks at the ends of lines."""
    done = CliRunner().invoke(
        app, ["status", *arguments, "--storage", url], env={"COLUMNS": "80"}, catch_exceptions=False
    )
    lines = [line.rstrip() for line in done.output.splitlines()]
    assert max(map(len, lines)) <= 80
    return "\n".join(lines)


def test_all_about_a_failed_trial_and_the_attempts_of_its_lineage(study_url: str) -> None:
    study, _ = load_study("s", study_url)
    storage = create_storage(study_url)
    attributes: dict[str, Any] = {"train_seconds": 75.0, "compile_seconds": 12.25}
    attributes |= {"fail_reason": "E: no\nand more", "traceback": f'T:\n  "{LONG}", line 1\nE: no'}
    study.add_trial(create_trial(state=TrialState.FAIL, user_attrs=attributes))
    words = status(study_url, "s", "--trial", "4")
    assert "reason  E: no\n        and more\n" in words
    assert "took    1 min 15 s, 12.2 s of it for compiling\n" in words
    assert "train_seconds" not in words
    assert "compile_seconds" not in words
    assert f'T:  "{LONG}", line 1E: noQueue it again' in words.replace("\n", "")
    words = status(study_url, "s", "--trial", "3")
    assert "trial 3 of s\nstate         fail\nreason        the loss was nan\n" in words
    assert "hidden_units  32-16\noptimizer     sgd\n" in words
    assert words.endswith("\nQueue it again: hpo retry --trial 3 s")
    retry_trials(study, [3])
    (retry,) = claim(storage, study_id(study))
    record_worker(storage, Worker("host-1", "host", 1, "a GPU", "s", (5,)))
    storage.set_trial_intermediate_value(trial_id(retry), 7, 0.25)
    words = status(study_url, "s", "--trial", "5")
    assert "state         running\nlast report   0.2500 at step 7\n" in words
    assert "attempt 3     fail: the loss was nan\n" in words
    assert "worker        host-1\ndevice        a GPU" in words
    assert "hpo retry" not in words
    study.tell(5, 0.75)
    words = status(study_url, "s", "--trial", "3")
    assert "state         fail, and queued again as trial 5\n" in words
    assert "attempt 5     complete, 0.7500\n" in words
    assert "hpo retry" not in words
    words = status(study_url, "s", "--trial", "5")
    assert "state         complete\nval_accuracy  0.7500\n" in words


def test_a_trial_that_is_not_there_is_an_error_and_so_is_a_trial_of_no_study(
    study_url: str, tmp_path: Path
) -> None:
    with pytest.raises(TrialNotFoundError, match=r"a trial of s. Received: trial=77. See them"):
        status(study_url, "s", "--trial", "77")
    for arguments in (["--trial", "1"], ["s", "--trial", "1", "--watch"]):
        assert "Expected --trial with a STUDY" in status(study_url, *arguments)
