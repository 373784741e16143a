"""Start the commands of tests by a fork of a process that has imported all libraries already.

A command of `hpo` spends 1.3 s of a CPU on its imports, and a child that trains 3 s; tests start
some hundreds of both. So a server, one for each process of pytest, imports everything once and
forks for each command (.1 s). What it makes is a real process: with a process id, a group or
session, standard streams, an environment and a folder of its own, a child of the process that
started it, to be signalled, killed and waited for as any other. What a worker starts is made
likewise, by a server of its own that ends with it.

    pytest -> server            a worker -> its server
      '-----> worker (forked)        '---> the child that trains (forked)

Only imports are shared: a server never opens a database, starts a thread or computes. Imports that
depend on the environment are not shared: a command is started in the usual way, as every other
program is, if its environment has another value of a variable that is not in READ_LATE, or if its
PYTHONPATH has a `sitecustomize.py`. Keras is shared with children that train on JAX only.

`install()` puts this file's `Popen` into `subprocess`, so that the tested code uses it too.
`usual_start()` starts commands in the usual way for a while: a worker that is killed, one that
trains on TensorFlow, and an `hpo run` that is killed are tested so, with all that they start.
test_forked_processes.py compares the two ways.

So do tests that run other tests on JAX (nested.py): that pytest is forked too.
"""

from __future__ import annotations

import atexit
import ctypes
import inspect
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from studies.executor.client import child_settings

PR_SET_CHILD_SUBREAPER = 36
NAME = "fork-server"  # of the servers, in /proc
PYTHON = sys.executable
SERVER = """import sys; sys.path.insert(0, sys.argv[1])
import fork_server; del sys.path[0]; fork_server.main()"""
PROGRAMS = ("studies", "studies.executor.server", "pytest")  # which are forked
LEAN = "lean"  # the kind of tests that are forked; see nested.py
# What is read from the environment when it is needed, and not as a library is imported.
READ_LATE = {
    "COLUMNS",
    "CUDA_VISIBLE_DEVICES",
    "EXECUTIONS",
    "HPO_ARTIFACTS",
    "HPO_DATA",
    "HPO_FLOATX",
    "HPO_LAUNCHER",
    "HPO_NESTED",
    "KERAS_BACKEND",
    "OPTUNA_STORAGE",
    "PYTEST_CURRENT_TEST",
    "PYTHONPATH",  # see added_folders
    "PYTHONUNBUFFERED",
    "XDG_CACHE_HOME",
    "XLA_FLAGS",
}
# Modules that a folder must not have that a command's PYTHONPATH has before the server's.
NOT_ADDED = ("objectives", "storage", "studies")
# A module that a test's `sitecustomize.py` imports, and that changes functions of ours only: so it
# can also be imported after them, as a fork does.
PATCHES = "patches_of_a_test"

_usual_popen = subprocess.Popen
_server: Server | None = None
_environment: dict[str, str] = {}  # of the servers


@dataclass(frozen=True)
class Command:
    """A process to make, as `Popen` is told.

    Attributes:
        process_group: The group to join or, if 0, to make; -1 for that of its parent.
        cores: The processors that it may use.
    """

    program: str
    arguments: list[str]
    is_unbuffered: bool
    cwd: str
    environment: dict[str, str]
    has_own_session: bool
    process_group: int
    cores: list[int]


class Popen(subprocess.Popen[Any]):
    """A process that a server forks, if it is a command of ours."""

    def _execute_child(self, *given: Any) -> None:
        """Make the process: `Popen.__init__` has made the pipes, and does the rest."""
        start = super()._execute_child  # type: ignore[misc]
        options = inspect.signature(start).bind(*given).arguments
        command = _command(options)
        if command is None or not _can_be_forked(command):
            start(*given)
            return
        ends = ("p2cread", "c2pwrite", "errwrite")
        streams = [i if options[end] == -1 else options[end] for i, end in enumerate(ends)]
        self.pid = _running_server().fork(command, streams)
        self._child_created = True
        pipes = ("p2cread", "p2cwrite", "c2pread", "c2pwrite", "errread", "errwrite")
        self._close_pipe_fds(*(options[end] for end in pipes))  # type: ignore[attr-defined]


class Server:
    """The way to the server of this process."""

    def __init__(self, line: socket.socket) -> None:
        self.owner = os.getpid()
        self._line = line
        self._lock = threading.Lock()

    def fork(self, command: Command, streams: list[int]) -> int:
        """Make a process, a child of this one, and return its id."""
        with self._lock, _adopting():
            socket.send_fds(self._line, [json.dumps(asdict(command)).encode()], streams)
            answer = self._line.recv(99)
        if not answer:
            raise OSError("the server that forks the commands of tests has ended")
        return int(answer)


def install() -> None:
    """Have the commands of ours that this process starts from now on forked."""
    if sys.platform == "linux":  # elsewhere a process cannot adopt another
        _environment.update(child_settings() | os.environ)
        subprocess.Popen = Popen  # type: ignore[misc]


def serve_this_process(line: socket.socket, environment: Mapping[str, str]) -> None:
    """Have commands of ours forked by a server that runs already, in this environment."""
    global _server
    _server = Server(line)
    _environment.update(environment)
    subprocess.Popen = Popen  # type: ignore[misc]


@contextmanager
def usual_start() -> Iterator[None]:
    """Have commands started in the usual way, for tests of what comes before the imports."""
    before = subprocess.Popen
    subprocess.Popen = _usual_popen  # type: ignore[misc]
    try:
        yield
    finally:
        subprocess.Popen = before  # type: ignore[misc]


def is_server(pid: int) -> bool:
    """Tell whether a process is one of the servers."""
    return Path(f"/proc/{pid}/comm").read_text().strip() == NAME


def added_folders(own: Mapping[str, str], given: Mapping[str, str]) -> list[str] | None:
    """Return what one environment's PYTHONPATH has before another's; None if it has not all of it.

    Nor may the added folders change what was imported.
    """
    old, new = (_folders(environment) for environment in (own, given))
    added = new[: len(new) - len(old)]
    changes = any(_changes_imports(Path(folder)) for folder in added)
    return None if changes or added + old != new else added


def control(option: int, value: Any) -> None:
    """Change an attribute of this process or thread; see prctl(2)."""
    if ctypes.CDLL(None, use_errno=True).prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl")


def _command(options: Mapping[str, Any]) -> Command | None:
    """Return the command of ours that `Popen` was told to start, or None."""
    defaults = {"executable": None, "preexec_fn": None, "shell": False, "pass_fds": ()}
    words = list(options["args"]) if isinstance(options["args"], list | tuple) else []
    is_plain = all(options[name] == default for name, default in defaults.items())
    is_unbuffered = "-u" in words[2:3]
    beginning = [PYTHON, "-P", "-u", "-m"] if is_unbuffered else [PYTHON, "-P", "-m"]
    n = len(beginning)
    if not is_plain or words[:n] != beginning or words[n] not in PROGRAMS:
        return None
    return Command(
        program=words[n],
        arguments=[str(word) for word in words[n + 1 :]],
        is_unbuffered=is_unbuffered,
        cwd=os.fspath(options["cwd"] or os.getcwd()),
        environment=dict(os.environ if options["env"] is None else options["env"]),
        has_own_session=options["start_new_session"],
        process_group=options["process_group"],
        cores=sorted(os.sched_getaffinity(0)),
    )


def _can_be_forked(command: Command) -> bool:
    """Tell whether a fork is as good as a program that is started anew."""
    given = command.environment
    names = (_environment.keys() | given.keys()) - READ_LATE
    differing = {name for name in names if _environment.get(name) != given.get(name)}
    return (
        _running_server().owner == os.getpid()
        and differing <= child_settings().keys() - given.keys()
        and added_folders(_environment, given) is not None
        and Path(command.cwd).is_dir()
    )


def _running_server() -> Server:
    """Return the server of this process; pytest's begins with the first command."""
    global _server
    if _server is None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = _usual_popen(
                [PYTHON, "-P", "-u", "-c", SERVER, str(Path(__file__).parent)],
                stdin=theirs,
                stdout=subprocess.DEVNULL,
                env=_environment,
            )
        _server = Server(ours)

        def end() -> None:
            ours.close()
            process.wait()

        atexit.register(end)
    return _server


@contextmanager
def _adopting() -> Iterator[None]:
    """Become for a while the parent of grandchildren whose parent ends."""
    control(PR_SET_CHILD_SUBREAPER, 1)
    try:
        yield
    finally:
        control(PR_SET_CHILD_SUBREAPER, 0)


def _changes_imports(folder: Path) -> bool:
    changes_all = (folder / "sitecustomize.py").exists() and not (folder / f"{PATCHES}.py").exists()
    return changes_all or any((folder / name).exists() for name in NOT_ADDED)


def _folders(environment: Mapping[str, str]) -> list[str]:
    return [each for each in environment.get("PYTHONPATH", "").split(os.pathsep) if each]
