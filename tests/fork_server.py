"""The server that forks the commands of tests; see forked_processes.py.

It ends with the process that it serves, and leaves signals to that one.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import runpy
import signal
import socket
import sys
import time
import warnings
from contextlib import suppress
from pathlib import Path

import garbage
import numpy as np
from forked_processes import (
    NAME,
    PATCHES,
    Command,
    added_folders,
    control,
    serve_this_process,
)
from shared_imports import import_all

PR_SET_NAME = 15
LARGEST = 1 << 20  # bytes of a request, most of them the environment
CHILD = "studies.executor.server"  # starts no command of ours, and has no server
IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)
ENVIRONMENT = dict(os.environ)
_exit_code: int | None = None


def main() -> None:
    """Serve the process at the other end of standard input; in a process made, run its command."""
    atexit.register(_end)  # the first, so it is called last
    line = socket.socket(fileno=os.dup(0))
    _close_streams()
    control(PR_SET_NAME, NAME.encode())
    for number in IGNORED:
        signal.signal(number, signal.SIG_IGN)
    garbage.begin_imports()
    import_all()
    gc.collect()
    garbage.end_imports()  # a collection in a new process would copy all that it looks at
    command, own_line = _serve(line)
    _become(command, own_line)
    _run(command.program)


def _serve(line: socket.socket) -> tuple[Command, socket.socket]:
    """Make processes until the owner ends; return in each of them, with its way to its server."""
    while True:
        message, streams, _flags, _address = socket.recv_fds(line, LARGEST, 3)
        if not message:
            os._exit(0)
        command = Command(**json.loads(message))
        reading, writing = os.pipe()
        parent = _fork()
        if parent > 0:
            os.close(writing)
            os.waitpid(parent, 0)
            line.send(os.read(reading, 99))
            for end in (reading, *streams):
                os.close(end)
        else:
            _become_an_orphan()
            _join_group(command)
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            if command.program == CHILD or _fork() > 0:
                _begin(streams)
                os.write(writing, str(os.getpid()).encode())
                return command, ours
            line.close()
            ours.close()
            line = theirs  # this is the server of the new process
            _close_all_but(line.fileno())
            _close_streams()


def _become_an_orphan() -> None:
    """Go on in a process that the owner adopts; the present one ends.

    On a machine with much to do it may end long after the other has begun, and a worker that found
    it as its parent would take its launcher for ended.
    """
    between = os.getpid()
    if _fork() > 0:
        os._exit(0)
    while os.getppid() == between:
        time.sleep(0.001)


def _join_group(command: Command) -> None:
    if command.has_own_session:
        os.setsid()
    elif command.process_group >= 0:
        os.setpgid(0, command.process_group)


def _begin(streams: list[int]) -> None:
    """Do what must be done before the owner knows the process."""
    control(PR_SET_NAME, b"python")
    for number in IGNORED:
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for i, stream in enumerate(streams):
        os.dup2(stream, i)


def _become(command: Command, line: socket.socket) -> None:
    """Take over the command's environment, folder and streams, as of a program just started."""
    _close_all_but(line.fileno())
    if command.program != CHILD:
        serve_this_process(line, ENVIRONMENT)
    os.environ.clear()
    os.environ.update(command.environment)
    added = added_folders(ENVIRONMENT, command.environment) or []
    sys.path[:0] = added
    sys.argv[:] = ["", *command.arguments]
    os.sched_setaffinity(0, command.cores)
    os.chdir(command.cwd)
    if not command.is_unbuffered:  # as the server is
        encoding, errors = sys.stdout.encoding, sys.stdout.errors
        sys.stdout = open(1, "w", encoding=encoding, errors=errors, closefd=False)
    if any(Path(folder, f"{PATCHES}.py").exists() for folder in added):
        importlib.import_module(PATCHES)
    np.random.seed()


def _run(program: str) -> None:
    """Run a program as the interpreter does with `-m`."""
    global _exit_code
    try:
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    except SystemExit as end:
        _exit_code = end.code if isinstance(end.code, int) else int(end.code is not None)
        raise
    except Exception:
        _exit_code = 1
        raise
    _exit_code = 0


def _end() -> None:
    """Leave out that the interpreter destroys every module at its end, which costs .1 s."""
    if _exit_code is not None:
        with suppress(OSError):  # the interpreter has a word and an exit code for that
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(_exit_code)


def _fork() -> int:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # JAX warns of its threads, of which none was started
        return os.fork()


def _close_all_but(kept: int) -> None:
    for end in map(int, os.listdir("/proc/self/fd")):
        if end > 2 and end != kept:
            with suppress(OSError):  # that of the listing
                os.close(end)


def _close_streams() -> None:
    """Hold no end of a pipe of others; what this process has to say of errors is seen."""
    with open(os.devnull, "r+b", buffering=0) as nothing:
        os.dup2(nothing.fileno(), 0)
        os.dup2(nothing.fileno(), 1)
