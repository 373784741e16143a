"""Tests that a forked command is a process like one that is started in the usual way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from commands import (
    COMMAND,
    LINES_SHOWN,
    child_of,
    end,
    ends_of_logs,
    executors,
    hpo,
    is_alive,
    start_worker,
    wait_until,
)
from forked_processes import PATCHES, is_server, usual_start
from nested import FULL, said_by, start_tests
from small_workers import function_study

CHILD = (sys.executable, "-P", "-u", "-m", "studies.executor.server")  # ends with its input
pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="commands are forked on Linux only")


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Any]:
    """Start children that wait for requests, and end them after the test."""
    started: list[subprocess.Popen[bytes]] = []

    def start(**options: Any) -> subprocess.Popen[bytes]:
        pipe = subprocess.PIPE
        started.append(subprocess.Popen(CHILD, stdin=pipe, stdout=pipe, **options))
        return started[-1]

    yield start
    for process in started:
        end(process)
        for stream in (process.stdin, process.stdout):
            assert stream is not None
            stream.close()


def is_forked(pid: int) -> bool:
    """Tell whether a process is a fork and not a program of its own."""
    return b"fork_server" in Path(f"/proc/{pid}/cmdline").read_bytes()


def status(pid: int) -> list[str]:
    """Return the fields of a process's status, its state and its parent first."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()


def test_a_forked_process_has_a_group_or_session_and_a_folder_of_its_own(
    start: Any, tmp_path: Path
) -> None:
    grouped, leader, plain = (
        start(cwd=tmp_path, process_group=0),
        start(start_new_session=True),
        start(),
    )
    for process in (grouped, leader, plain):
        assert is_forked(process.pid)
        assert int(status(process.pid)[1]) == os.getpid()
        assert not is_server(process.pid)
    assert os.getpgid(grouped.pid) == grouped.pid
    assert os.getsid(grouped.pid) == os.getsid(0)
    assert os.getsid(leader.pid) == leader.pid
    assert os.getpgid(plain.pid) == os.getpgid(0)
    assert Path(f"/proc/{grouped.pid}/cwd").readlink() == tmp_path
    assert Path(f"/proc/{plain.pid}/cwd").readlink() == Path.cwd()


def test_a_forked_process_is_stopped_killed_and_waited_for(start: Any) -> None:
    one, other = start(process_group=0), start(process_group=0)
    one.send_signal(signal.SIGSTOP)
    wait_until(lambda: status(one.pid)[0] == "T", "it is stopped")
    assert one.poll() is None
    os.killpg(one.pid, signal.SIGKILL)
    assert one.wait(timeout=300) == -signal.SIGKILL
    assert other.poll() is None
    other.stdin.close()  # it kills its group, as it does when its worker is gone
    assert other.wait(timeout=300) == -signal.SIGKILL


@pytest.mark.parametrize("words", ["--version", "nope", "status s", "list --help"])
def test_a_forked_command_writes_and_returns_what_the_usual_one_does(
    words: str, study_url: str, tmp_path: Path
) -> None:
    forked = hpo(*words.split(), url=study_url, folder=tmp_path)
    with usual_start():
        usual = hpo(*words.split(), url=study_url, folder=tmp_path)
    assert (forked.returncode, forked.stdout) == (usual.returncode, usual.stdout)
    assert forked.stderr == usual.stderr


def test_what_an_import_may_depend_on_is_started_in_the_usual_way(
    start: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not is_forked(start(env=os.environ | {"JAX_ENABLE_X64": "1"}).pid)
    assert is_forked(start(env=os.environ | {"HPO_ARTIFACTS": "a"}).pid)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path), prepend=os.pathsep)
    assert is_forked(start().pid)
    (tmp_path / "sitecustomize.py").touch()
    assert not is_forked(start().pid)
    (tmp_path / f"{PATCHES}.py").touch()
    assert is_forked(start().pid)
    (tmp_path / "storage").mkdir()
    assert not is_forked(start().pid)
    with usual_start():
        assert not is_forked(start().pid)
    with pytest.raises(FileNotFoundError):
        subprocess.Popen([*COMMAND, "list"], cwd=tmp_path / "nowhere")


def test_what_a_forked_worker_has_started_is_its_own_child_and_ends_with_it(
    sqlite_url: str, tmp_path: Path, launched: list[subprocess.Popen[bytes]]
) -> None:
    function_study(sqlite_url, tmp_path, "endless", 1)
    worker = start_worker("s", url=sqlite_url, folder=tmp_path)
    launched.append(worker)
    wait_until(lambda: len(executors(tmp_path)) == 1, "the trial is executed")
    assert is_forked(worker.pid)
    assert [child_of(worker)] == executors(tmp_path)
    assert is_forked(child_of(worker))
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
    assert sum(is_server(int(child)) for child in children) == 1
    worker.kill()
    wait_until(lambda: not any(is_alive(int(child)) for child in children), "they end")


def test_a_forked_worker_has_no_more_modules_than_the_usual_one(
    sqlite_url: str, tmp_path: Path
) -> None:
    study = function_study(sqlite_url, tmp_path, "loaded", 1)
    assert start_worker("s", url=sqlite_url, folder=tmp_path).wait(timeout=300) == 0
    assert study.trials[0].value == 0.0


def test_tests_on_jax_are_forked_and_others_are_not() -> None:
    file = str(Path(__file__).with_name("test_training_pack.py"))
    select = "activation_that_overflows"  # which others than those in float64 skip
    forked = start_tests(file, select=select, floatx="float64")
    whole = start_tests(file, "--collect-only", kind=FULL)
    assert (is_forked(forked.pid), is_forked(whole.pid)) == (True, False)
    one, other = said_by(forked, whole)
    assert "1 passed" in one
    assert "tests collected" in other


def test_a_failure_shows_the_ends_of_the_logs(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "w.log").write_bytes(b"first\n" + b"\xff\n" * LINES_SHOWN)
    (tmp_path / "empty.log").touch()
    shown = "\n".join("�" * LINES_SHOWN)
    assert ends_of_logs(tmp_path) == [("end of logs/w.log", shown)]
