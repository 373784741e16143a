"""Run the command `hpo` as its users do, in a process of its own, or in this one."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import optuna
from forked_processes import is_server

from studies.cli.commands import main

HERE = Path(__file__).parent
# A lost worker is found within seconds, and no other is taken for one that waits for its turn.
QUICK = ("--heartbeat=0.5", "--grace=5")
LINES_SHOWN = 40  # of a log, when a test has failed
COMMAND = (sys.executable, "-P", "-m", "studies")


def environment(url: str, folder: Path) -> dict[str, str]:
    """Return the environment of a command that works on the storage at `url`."""
    return {
        **os.environ,
        "OPTUNA_STORAGE": url,
        "HPO_ARTIFACTS": str(folder / "artifacts"),
        "EXECUTIONS": str(folder / "executions"),
        "COLUMNS": "80",
    }


def hpo(
    *arguments: str, url: str, folder: Path, cwd: Path | None = None, stdin: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command to its end; what it writes goes to `folder` unless `cwd` is given."""
    return subprocess.run(
        [*COMMAND, *arguments],
        env=environment(url, folder),
        cwd=cwd or folder,
        input=stdin,
        capture_output=True,
        text=True,
        check=False,
        timeout=1000,
    )


def hpo_here(*arguments: str, url: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Run a command in this process, which costs a tenth; for what needs no process of its own."""
    out, errors = io.StringIO(), io.StringIO()
    code: object = 0
    with (
        mock.patch.dict(os.environ, environment(url, folder)),
        mock.patch.object(sys, "argv", ["hpo", *arguments]),
        contextlib.chdir(folder),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(errors),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code or 0
    assert isinstance(code, int)
    return subprocess.CompletedProcess(arguments, code, out.getvalue(), errors.getvalue())


def start_worker(*arguments: str, url: str, folder: Path) -> subprocess.Popen[bytes]:
    """Start a worker that may execute the objectives of this folder; it logs to a file."""
    with (folder / "worker.log").open("ab") as log:
        return subprocess.Popen(
            [*COMMAND, "worker", "--allow-module", "user_objectives", *arguments],
            env=environment(url, folder),
            cwd=HERE,
            stdout=log,
            stderr=log,
        )


def executions(folder: Path) -> list[int]:
    """Return the numbers of the trials that were executed, in order."""
    return [int(line.split()[0]) for line in _lines(folder)]


def executors(folder: Path) -> list[int]:
    """Return the process id that executed each of these trials."""
    return [int(line.split()[1]) for line in _lines(folder)]


def wait_until(condition: Callable[[], bool], what: str, seconds: float = 300.0) -> None:
    """Wait for a condition that must come true; if it does not, the test fails.

    As all limits of tests, it ends what hangs, and is not for telling quick from slow: a machine
    that does more than it can has processes wait for seconds.
    """
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"it did not happen in {seconds:g} s: {what}"
        time.sleep(0.05)


def states(study: optuna.Study) -> dict[str, int]:
    """Return the number of trials in each state that occurs."""
    found = [trial.state.name for trial in study.get_trials(deepcopy=False)]
    return {state: found.count(state) for state in sorted(set(found))}


def is_alive(pid: int) -> bool:
    """Tell whether a process exists and is no zombie."""
    try:
        os.kill(pid, 0)
        if not Path("/proc/self/stat").exists():
            return True
        status = Path(f"/proc/{pid}/stat").read_text()
    except (ProcessLookupError, FileNotFoundError):  # it may end between the two as well
        return False
    return status.rpartition(")")[2].split()[0] != "Z"


def child_of(worker: subprocess.Popen[bytes]) -> int:
    """Return the process id of the executor child of a worker."""
    children = Path(f"/proc/{worker.pid}/task/{worker.pid}/children").read_text().split()
    (pid,) = (int(child) for child in children if not is_server(int(child)))
    return pid


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that a test has left running."""
    if process.poll() is None:
        process.send_signal(signal.SIGKILL)
    process.wait()


def ends_of_logs(folder: Path) -> list[tuple[str, str]]:
    """Return a title and the last lines of each log in a folder, as sections of a test's report."""
    return [
        (f"end of {file.relative_to(folder)}", "\n".join(lines[-LINES_SHOWN:]))
        for file in sorted(folder.rglob("*.log"))
        if (lines := file.read_text(errors="replace").splitlines())
    ]


def _lines(folder: Path) -> list[str]:
    file = folder / "executions"
    return file.read_text().splitlines() if file.exists() else []
