"""Trials that are made again: how far both agree, and that the searched study does not change."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from subprocess import Popen
from typing import Any

import optuna
import pytest
from commands import COMMAND, environment, hpo, hpo_here, start_worker, states, wait_until
from queues import silence
from repeated import change_attribute, change_history, functions, opened, trained

from storage import (
    claim,
    count_claimable,
    create_storage,
    history_of,
    requeue_stale,
    storage_of,
    study_id,
)
from studies import create_study, load_study, rerun
from studies.definition.study import parse_definition
from studies.errors import (
    CodeError,
    NotRepeatableError,
    StudyNotFoundError,
    TakenNameError,
    TrialNotFoundError,
    WorkerError,
)

BLOCKED = """
import os, time
from pathlib import Path

def f(trial):
    here = Path(__file__).parent
    (here / "pid").write_text(str(os.getpid()))
    while (here / "blocked").exists():
        time.sleep(0.05)
    return trial.suggest_float("x", 0, 1)
"""
PACKED: dict[str, Any] = {
    "search": {"design": "grid"},
    "fixed": {"hidden_units": [16], "batch_size": 64},
    "space": {"epochs": [2, 5], "learning_rate": [0.001, 0.01]},
    "keep": 3,
}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Train four trials side by side, of which two end earlier: URL, folder."""
    folder = tmp_path_factory.mktemp("packed")
    url = f"sqlite:///{folder}/hpo.db"
    study = trained(url, folder, "--pack-size=4", **PACKED)
    assert [trial.user_attrs["lanes"] for trial in study.trials] == [
        [[1, 4]], [[1, 4]], [[1, 4], [3, 2]], [[1, 4], [3, 2]]
    ]  # fmt: skip
    return url, folder


def snapshot(study: optuna.Study, url: str) -> Any:
    """Return all that the database has of a study."""
    found = opened(study, url)
    system = storage_of(found).get_study_system_attrs(study_id(found))
    return found.user_attrs, system, [vars(trial) for trial in found.trials]


def test_a_trial_in_as_many_lanes_comes_to_equal_bits_and_the_searched_study_stays(
    packed: tuple[str, Path],
) -> None:
    url, _ = packed
    study, _ = load_study("s", url)
    before = snapshot(study, url)
    found = rerun(study, 3)
    assert found.verdict == "equal bits"
    assert found.failure is None
    assert found.lanes == [[1, 4], [3, 2]]
    assert found.n_epochs == 5
    assert set(found.metrics["verdict"]) == {"equal bits"}
    assert {"loss", "val_accuracy", "value", "kept weights"} <= set(found.metrics["name"])
    assert len(found.epochs) == 5 * len(history_of(study.trials[3]))
    assert list(found.epochs["first"]) == list(found.epochs["second"])
    assert len(found.made_with) == 0
    assert found.notes == []
    assert found.values == (study.trials[3].value, study.trials[3].value)
    assert snapshot(study, url) == before
    # Both are kept, and nobody finds work there.
    reruns, definition = load_study(found.kept_in, url)
    assert (found.kept_in, found.kept_as) == ("s-rerun", 0)
    (second,) = reruns.trials
    first = study.trials[3]
    assert (second.params, second.value) == (first.params, first.value)
    assert history_of(second) == history_of(first)
    assert second.intermediate_values == first.intermediate_values
    assert second.user_attrs["rerun_of"] == 3
    assert second.user_attrs["rerun_verdict"] == "equal bits"
    assert second.user_attrs["lanes"] == first.user_attrs["lanes"]
    assert second.user_attrs.keys() - first.user_attrs.keys() == {"rerun_of", "rerun_verdict"}
    times = [first.datetime_complete, second.datetime_start, second.datetime_complete]
    assert times == sorted(time for time in times if time is not None)
    assert count_claimable(storage_of(reruns), study_id(reruns)) == 0
    assert claim(storage_of(reruns), study_id(reruns), 4) == []
    assert definition.search.pruner == "none"


def test_a_history_that_differs_in_its_last_digits_is_within_rounding(
    packed: tuple[str, Path],
) -> None:
    url, _ = packed
    study, _ = load_study("s", url)

    def nearly(history: dict[str, list[Any]]) -> None:
        history["val_loss"][1] *= 1 + 1e-9

    change_history(study, 0, nearly)
    versions = study.trials[0].user_attrs["versions"]
    change_attribute(study, 0, "versions", {**versions, "jax": "0.0.1"})
    found = rerun(opened(study, url), 0)
    assert found.verdict == "within rounding"
    row = found.metrics.set_index("name").loc["val_loss"]
    assert row["verdict"] == "within rounding"
    assert (row["differs_from"], row["largest_at"]) == (2, 2)
    assert 0 < row["largest_difference"] < 1e-8
    assert set(found.metrics["verdict"]) == {"equal bits", "within rounding"}
    assert list(found.made_with.itertuples(index=False, name=None)) == [
        ("jax", "0.0.1", versions["jax"])
    ]


def test_a_trial_of_another_seed_is_different_and_the_command_says_from_when_on(
    packed: tuple[str, Path],
) -> None:
    url, folder = packed
    study, _ = load_study("s", url)
    change_attribute(study, 1, "seed", 77)
    change_attribute(study, 1, "lanes", None)  # as of an earlier version
    said = hpo("rerun", "s", "1", url=url, folder=folder)
    assert said.returncode == 0, said.stderr
    assert "Trial 1 of s made again in 1 lane" in said.stdout
    assert "different from epoch 1 on, by up to" in " ".join(said.stdout.split())
    assert "is not recorded" in said.stdout
    assert "hpo show s-rerun" in said.stdout
    assert max(map(len, said.stdout.splitlines())) <= 80
    assert "Trial 1 is made again; it took" in said.stderr
    again = hpo("rerun", "s", "1", "--json", url=url, folder=folder)
    answer = json.loads(again.stdout)
    assert answer["verdict"] == "different"
    assert {row["metric"] for row in answer["epochs"]} >= {"loss", "val_loss"}
    assert answer["kept_as"] > 0


def test_trials_that_cannot_be_made_again_are_refused_with_the_reason(
    packed: tuple[str, Path],
) -> None:
    url, folder = packed
    study, _ = load_study("s", url)
    with pytest.raises(TrialNotFoundError, match="Received: trial=77"):
        rerun(study, 77)
    sha256 = study.trials[2].user_attrs["data_sha256"]
    change_attribute(study, 2, "data_sha256", "f" * 64)
    with pytest.raises(NotRepeatableError, match=r"SHA-256 ffffffffffff. Received: digits of"):
        rerun(opened(study, url), 2)
    change_attribute(study, 2, "data_sha256", sha256)
    # One that was made again is not made again, nor searched.
    if "s-rerun" in optuna.get_all_study_names(create_storage(url)):
        reruns, _ = load_study("s-rerun", url)
        with pytest.raises(NotRepeatableError, match=r"first one again: hpo rerun s \d"):
            rerun(reruns, 0)
        run = hpo_here("run", "s-rerun", url=url, folder=folder)
        assert "keeps trials that were made again" in run.stderr


def test_a_waiting_and_a_reused_trial_another_tool_s_study_and_a_taken_name_are_refused(
    sqlite_url: str, tmp_path: Path
) -> None:
    study = create_study(parse_definition(_lines()), sqlite_url, artifacts=tmp_path)
    with pytest.raises(NotRepeatableError, match=r"which is waiting. See it: hpo status"):
        rerun(study, 0)
    claim(storage_of(study), study_id(study), 1)
    with pytest.raises(NotRepeatableError, match="which is running"):
        rerun(study, 0)
    storage_of(study).set_trial_user_attr(1, "reused_from", 5)
    storage_of(study).set_trial_user_attr(1, "seed", 0)
    study.tell(0, 0.5)
    with pytest.raises(NotRepeatableError, match="Make that again: hpo rerun s 5"):
        rerun(study, 0)
    other = optuna.create_study(storage=storage_of(study), study_name="other")
    other.add_trial(optuna.trial.create_trial(value=1.0))
    with pytest.raises(StudyNotFoundError, match="another program's"):
        rerun(other, 0)
    study.add_trial(optuna.trial.create_trial(value=1.0))
    with pytest.raises(NotRepeatableError, match="added by another program"):
        rerun(study, len(study.trials) - 1)
    claim(storage_of(study), study_id(study), 1)
    storage_of(study).set_trial_user_attr(2, "seed", 0)
    # What is told before anything is trained or loaded: these would be other data.
    storage_of(study).set_trial_user_attr(2, "data_sha256", "0" * 64)
    study.tell(1, 0.5)
    optuna.create_study(storage=storage_of(study), study_name="s-rerun")
    with pytest.raises(TakenNameError, match="Delete it: hpo delete s-rerun"):
        rerun(study, 1)


def _lines() -> dict[str, Any]:
    from small_studies import table

    return table(search={"design": "grid"})


def rerun_words(study: optuna.Study, file: str, url: str, folder: Path, number: int) -> str:
    """Return what the command says, on one line."""
    words = ("rerun", study.study_name, str(number), "--allow-module", file)
    said = hpo_here(*words, url=url, folder=folder)
    assert said.returncode == 0, said.stderr
    assert max(map(len, said.stdout.splitlines())) <= 80
    return " ".join(said.stdout.split())


def test_functions_are_called_again_and_may_fail_again(sqlite_url: str, tmp_path: Path) -> None:
    study, file = functions(sqlite_url, tmp_path)
    before = snapshot(study, sqlite_url)
    with pytest.raises(WorkerError, match=f"If you trust it: --allow-module {file}"):
        rerun(study, 0)
    found = [rerun(study, number, allow_modules=[file]) for number in range(5)]
    plain, drawn, fails, pruned, moody = found
    assert plain.verdict == "equal bits"
    assert list(plain.metrics["name"]) == ["report", "value"]
    assert plain.n_epochs == 2
    assert drawn.verdict == "different"
    assert list(drawn.metrics["verdict"]) == ["equal bits", "different"]
    assert (fails.verdict, fails.failure) == ("equal bits", "fails again, for the same reason")
    assert (pruned.verdict, pruned.n_epochs) == ("equal bits", 1)
    assert "pruned after 1" in pruned.notes[0]
    assert (moody.verdict, moody.failure) == ("different", "fails again, for another reason")
    said = {number: rerun_words(study, file, sqlite_url, tmp_path, number) for number in (1, 2, 4)}
    assert "made again: different in the value, by 0." in said[1]
    assert "fails again, for the same reason; its numbers: equal bits." in said[2]
    assert "fails again, for another reason; its numbers: equal bits." in said[4]
    assert "The first one failed: ValueError: 0." in said[4]
    assert "The second one failed: ValueError: 0." in said[4]
    assert "Kept as trial 7 of calls-rerun: hpo show calls-rerun 7" in said[4]
    reruns, _ = load_study("calls-rerun", sqlite_url)
    states = [trial.state.name for trial in reruns.trials[:5]]
    assert states == [trial.state.name for trial in study.trials]
    assert reruns.trials[0].user_attrs["seed"] == study.trials[0].user_attrs["seed"] == 3
    assert reruns.trials[0].value == study.trials[0].value
    assert reruns.trials[0].intermediate_values == study.trials[0].intermediate_values
    assert snapshot(study, sqlite_url) == before
    # Mended, it does not fail again; but then it is another code.
    text = (tmp_path / "mine.py").read_text()
    (tmp_path / "mine.py").write_text(text.replace("raise ValueError(f", "return (1, "))
    with pytest.raises(
        CodeError, match=r"another mine, which has changed since\. Bring that code back"
    ):
        rerun(study, 2, allow_modules=[file])
    assert len(opened(reruns, sqlite_url).trials) == 8


def slow_study(url: str, folder: Path) -> tuple[optuna.Study, list[str]]:
    """Make a study of a function that can be held up, call it; return the command for it too."""
    file = folder / "slow.py"
    file.write_text(BLOCKED)
    lines: dict[str, Any] = {"name": "slow", "objective": f"{file}:f", "direction": "minimize"}
    search = {"sampler": "random", "n_trials": 1}
    create_study(parse_definition({**lines, "search": search}), url, artifacts=folder)
    words = ("slow", f"--allow-module={file}")
    assert start_worker(*words, url=url, folder=folder).wait(timeout=300) == 0
    study, _ = load_study("slow", url)
    return study, [*COMMAND, "rerun", "slow", "0", f"--allow-module={file}"]


def test_a_command_that_is_killed_leaves_no_trial_that_runs_for_ever(
    sqlite_url: str, tmp_path: Path, launched: list[Popen[bytes]]
) -> None:
    study, command = slow_study(sqlite_url, tmp_path)
    pid = tmp_path / "pid"
    (tmp_path / "blocked").touch()
    here = {"url": sqlite_url, "folder": tmp_path}
    for killed in (0, 1):
        pid.unlink(missing_ok=True)
        with (tmp_path / "said").open("w") as said:
            process = Popen(
                command, env=environment(sqlite_url, tmp_path), cwd=tmp_path, stdout=said
            )
        launched.append(process)
        wait_until(lambda: pid.exists() and pid.read_text() != "", "the function is called")
        assert "without a worker" not in hpo_here("status", **here).stdout or killed
        target = launched[-1].pid if killed == 0 else int(pid.read_text())
        os.kill(target, signal.SIGKILL)
        assert launched[-1].wait(timeout=300) == (-signal.SIGKILL if killed == 0 else 0)
    words = " ".join((tmp_path / "said").read_text().split())
    assert "fails only now; its numbers: different in the value, where one has no number." in words
    reruns, _ = load_study("slow-rerun", sqlite_url)
    assert states(reruns) == {"FAIL": 1, "RUNNING": 1}
    assert (
        "ended by SIGKILL" in reruns.trials[1].user_attrs["fail_reason"]
    )  # as it may be each time
    # The one whose command was killed is not silent for long: it may be alive as well.
    (tmp_path / "blocked").unlink()
    assert rerun(study, 0, allow_modules=[str(tmp_path / "slow.py")]).verdict == "equal bits"
    assert states(reruns) == {"COMPLETE": 1, "FAIL": 1, "RUNNING": 1}
    silence(storage_of(reruns))
    found = rerun(study, 0, allow_modules=[str(tmp_path / "slow.py")])
    assert (found.verdict, found.kept_as) == ("equal bits", 3)
    assert states(opened(reruns, sqlite_url)) == {"COMPLETE": 2, "FAIL": 2}  # and nothing waits
    lost = opened(reruns, sqlite_url).trials[0]
    assert "no heartbeat for 60 s" in lost.user_attrs["fail_reason"]
    # Nobody would make again what is queued there.
    assert "hpo retry" not in hpo_here("status", "slow-rerun", **here).stdout
    assert "Make one again: hpo rerun slow TRIAL" in hpo_here("retry", "slow-rerun", **here).stderr


def test_a_repetition_that_was_taken_for_lost_says_so_with_what_it_came_to(
    sqlite_url: str, tmp_path: Path, launched: list[Popen[bytes]]
) -> None:
    _, command = slow_study(sqlite_url, tmp_path)
    pid = tmp_path / "pid"
    (tmp_path / "blocked").touch()
    pid.unlink()
    with (tmp_path / "said").open("w") as said:
        env = environment(sqlite_url, tmp_path)
        launched.append(Popen(command, env=env, cwd=tmp_path, stderr=said))
    wait_until(lambda: pid.exists() and pid.read_text() != "", "the function is called")
    # As of a machine that slept, while another command ended it.
    reruns, _ = load_study("slow-rerun", sqlite_url)
    silence(storage_of(reruns))
    requeue_stale(storage_of(reruns), [study_id(reruns)], grace=60)
    (tmp_path / "blocked").unlink()
    assert launched[-1].wait(timeout=300) == 1
    words = " ".join((tmp_path / "said").read_text().split())
    assert "it came out as equal bits. Make it again: hpo rerun slow 0" in words
    assert states(opened(reruns, sqlite_url)) == {"FAIL": 1}
