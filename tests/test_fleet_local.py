"""`hpo run`: workers on this machine, replaced when one is killed, stopped by one Ctrl-C."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import optuna
import pytest
from commands import (
    COMMAND,
    HERE,
    QUICK,
    environment,
    executions,
    executors,
    is_alive,
    wait_until,
)
from forked_processes import usual_start
from rich.console import Console

import studies
from storage import create_storage, workers_seen
from studies.cli.show_output import OutputFollower
from studies.errors import DefinitionError
from studies.fleet import own_code
from studies.fleet.gpus import gpus
from studies.fleet.trials_bar import told_here, trials_bar
from studies.fleet.worker_processes import WorkerProcesses

STUDY = """
name = "s"
objective = "user_objectives:{function}"
metric = "value"
direction = "minimize"
[search]
sampler = "random"
n_trials = {n}
[space]
x = {{ low = 0.0, high = 1.0 }}
"""
ALLOWED = ("--allow-module=user_objectives", *QUICK)


def start_run(
    url: str, folder: Path, function: str, n: int, *options: str
) -> subprocess.Popen[str]:
    """Start `hpo run` with two workers on a function of user_objectives.py."""
    file = folder / "s.toml"
    file.write_text(STUDY.format(function=function, n=n))
    folders = [str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])]
    return subprocess.Popen(
        [*COMMAND, "run", str(file), "-j", "2", *ALLOWED, *options],
        env={**environment(url, folder), "PYTHONPATH": os.pathsep.join(folders)},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.fixture
def user_modules(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let executors find user_objectives.py from wherever they were started."""
    monkeypatch.setenv("PYTHONPATH", str(HERE), prepend=os.pathsep)
    monkeypatch.setenv("EXECUTIONS", str(tmp_path / "executions"))


def test_run_ends_with_the_best_the_csv_and_the_way_to_the_dashboard(
    sqlite_url: str, tmp_path: Path
) -> None:
    process = start_run(sqlite_url, tmp_path, "quick", 12)
    words, _ = process.communicate(timeout=300)
    assert process.returncode == 0, words
    assert "s: the best of 12 trials" in words
    csv = re.search(r"the best first: (.+\.csv)", words)
    assert csv is not None
    assert len(Path(csv[1]).read_text().splitlines()) == 13
    assert "hpo dashboard" in words


def test_a_killed_worker_is_replaced_and_the_study_is_finished(
    sqlite_url: str, tmp_path: Path
) -> None:
    (tmp_path / "hold").write_text("0")  # else one may have done all before the other begins
    process = start_run(sqlite_url, tmp_path, "slow", 16)
    wait_until(lambda: len(set(executors(tmp_path))) == 2, "both workers execute")
    storage = create_storage(sqlite_url)
    for worker in workers_seen(storage):
        os.kill(worker.pid, signal.SIGKILL)
    (tmp_path / "hold").unlink()
    words, _ = process.communicate(timeout=300)
    assert process.returncode == 0, words
    states = [t.state.name for t in studies.load_study("s", sqlite_url)[0].trials]
    assert states.count("COMPLETE") == 16


def test_a_bar_shows_the_trials_that_have_ended(
    study_url: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    study = studies.load_study("s", study_url)[0]
    with trials_bar(study) as advance:
        advance()
    assert capsys.readouterr().err == "", "nobody sees it"
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with trials_bar(study) as advance:
        advance()
    shown = capsys.readouterr().err
    assert "s: 100%" in shown
    assert "4/4" in shown
    assert "best=0.7" in shown


def test_that_networks_are_examined_is_shown_where_the_bar_would_be(
    sqlite_url: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def build(*_: object) -> None:
        raise DefinitionError("objective", "Expected a network.")

    monkeypatch.setattr(own_code, "_inspect_now", build)
    file = tmp_path / "net.py"
    file.write_text("def build(trial): ...\n")
    table = {"name": "s", "objective": f"{file}:build", "dataset": "digits"}
    table |= {"metric": "val_loss", "direction": "minimize", "search": {"n_trials": 1}}
    words = "Building networks of net.py:build to find its space ..."
    for is_seen in (False, True):
        monkeypatch.setattr("sys.stderr.isatty", lambda is_seen=is_seen: is_seen)
        with pytest.raises(DefinitionError, match="Expected a network"):
            studies.run(table, sqlite_url, allow_modules=[str(file)])
        assert (words in capsys.readouterr().err) == is_seen


def test_what_is_told_while_it_happens_goes_when_it_ends(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    with told_here("Doing it"):
        assert "Doing it ..." in capsys.readouterr().err
    assert capsys.readouterr().err.strip() == ""


def test_what_trials_print_is_shown_when_that_is_wanted(sqlite_url: str, tmp_path: Path) -> None:
    process = start_run(sqlite_url, tmp_path, "talks", 3, "--show-output")
    words, _ = process.communicate(timeout=300)
    assert process.returncode == 0, words
    for number in range(3):
        assert words.count(f"[trial {number}] printed by {number}\n") == 1
        assert words.count(f"[trial {number}] echoed by {number}\n") == 1
    assert "claimed" not in words


def test_the_output_of_an_earlier_run_is_not_shown_again(study_url: str, tmp_path: Path) -> None:
    logs = tmp_path / "artifacts" / "logs"
    logs.mkdir(parents=True)
    log = logs / f"s-{os.getpid()}-0.log"  # by the same process id, as in containers
    log.write_text("2026-01-01 12:00:00,000 [trial 0] long ago\n")
    console = Console(width=80)
    follower = OutputFollower(studies.load_study("s", study_url)[0], console)
    with log.open("a") as file, console.capture() as shown:
        file.write("2026-01-01 12:00:01,000 [trial 1] now\n2026-01-01 12:00:01,000 worker=w\n")
        file.write("2026-01-01 12:00:02,000 [trial 1] without its end")
        file.flush()
        follower.show()
    assert shown.get() == "[trial 1] now\n"


def test_one_ctrl_c_stops_in_order_and_a_second_run_goes_on(
    sqlite_url: str, tmp_path: Path
) -> None:
    (tmp_path / "hold").write_text("2")
    process = start_run(sqlite_url, tmp_path, "slow", 20)
    wait_until(lambda: len(executions(tmp_path)) >= 3, "the workers execute")
    process.send_signal(signal.SIGINT)
    words, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "Stopping after this epoch" in words
    assert f"begins its trial anew. Go on with: hpo run {tmp_path}/s.toml\n" in words
    study = studies.load_study("s", sqlite_url)[0]
    assert not [t for t in study.trials if t.state.name == "RUNNING"]
    assert workers_seen(create_storage(sqlite_url)) == []
    assert not any(map(is_alive, set(executors(tmp_path))))
    (tmp_path / "hold").unlink()
    again = start_run(sqlite_url, tmp_path, "slow", 20)
    words, _ = again.communicate(timeout=300)
    assert again.returncode == 0, words
    assert [t.state.name for t in study.get_trials()].count("COMPLETE") == 20


def test_a_signal_while_the_workers_are_being_started_stops_them_all(
    sqlite_url: str, tmp_path: Path
) -> None:
    process = start_run(sqlite_url, tmp_path, "slow", 500)
    logs = tmp_path / "artifacts" / "logs"
    wait_until(lambda: logs.is_dir() and any(logs.iterdir()), "the first worker is started")
    process.send_signal(signal.SIGINT)
    words, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert f"begins its trial anew. Go on with: hpo run {tmp_path}/s.toml\n" in words
    assert workers_seen(create_storage(sqlite_url)) == []
    assert "RUNNING" not in {t.state.name for t in studies.load_study("s", sqlite_url)[0].trials}


def test_no_worker_is_started_after_a_signal(tmp_path: Path) -> None:
    processes = WorkerProcesses("s", "sqlite:///nowhere.db", tmp_path, ())
    processes.request_stop(signal.SIGINT)
    processes.start(2)
    assert processes.members == []


def test_a_data_set_that_is_nowhere_is_an_error_and_leaves_no_study(
    sqlite_url: str, tmp_path: Path
) -> None:
    env = environment(sqlite_url, tmp_path) | {
        "HPO_DATA": "",
        "KERAS_HOME": str(tmp_path / "keras"),
        "https_proxy": "http://127.0.0.1:1",  # no network
    }
    command = [*COMMAND, "run", "mnist-mlp-dropout"]
    done = subprocess.run(
        command, env=env, cwd=tmp_path, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 1
    assert "Put mnist.npz" in done.stderr
    assert done.stderr.count("\n") < 5  # no traceback
    assert optuna.get_all_study_names(create_storage(sqlite_url)) == []


def test_workers_end_when_the_launcher_is_killed(sqlite_url: str, tmp_path: Path) -> None:
    with usual_start():
        process = start_run(sqlite_url, tmp_path, "slow", 500)
    wait_until(lambda: len(set(executors(tmp_path))) == 2, "both workers execute")
    workers = [worker.pid for worker in workers_seen(create_storage(sqlite_url))]
    process.kill()
    process.communicate()
    wait_until(lambda: not any(map(is_alive, workers)), "the workers end")
    trials = studies.load_study("s", sqlite_url)[0].trials
    assert "RUNNING" not in {t.state.name for t in trials}
    assert len(trials) < 500, "they have not ended by themselves"


def test_a_worker_that_cannot_work_ends_the_run_with_its_word(
    sqlite_url: str, tmp_path: Path
) -> None:
    process = start_run(sqlite_url, tmp_path, "broken", 50)
    words, _ = process.communicate(timeout=300)
    assert process.returncode == 1
    assert "error: 5 trials failed in a row" in words
    assert "Traceback" not in words


@pytest.mark.usefixtures("user_modules")
def test_run_from_python_returns_the_study_of_optuna_in_any_thread(
    sqlite_url: str, tmp_path: Path
) -> None:
    table = {
        "name": "digits",
        "objective": "mlp",
        "dataset": "digits",
        "search": {"sampler": "random", "n_trials": 2},
        "fixed": {"epochs": 1, "hidden_units": [8]},
        "space": {"learning_rate": {"low": 0.001, "high": 0.01}},
    }
    from studies.definition.study import parse_definition

    with ThreadPoolExecutor() as threads:  # as in a notebook or a web server
        running = threads.submit(
            studies.run, parse_definition(table), sqlite_url, artifacts=tmp_path / "artifacts"
        )
        study = running.result()
    assert [t.state.name for t in study.trials] == ["COMPLETE"] * 2
    assert list(studies.best_trials(study)["value"]) == sorted(
        (t.value for t in study.trials), reverse=True
    )


def test_the_gpus_are_those_that_the_environment_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "2,5")
    assert gpus() == ["2", "5"]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert gpus() == []
