"""Objectives as a user writes them, for the tests of workers: Optuna's usual signature."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import time
from pathlib import Path

import optuna
import sqlalchemy.exc

COMPLETE = optuna.trial.TrialState.COMPLETE


def _note(trial: optuna.Trial) -> None:
    """Write down that this trial was executed, by whom: a line that no other process breaks."""
    with Path(os.environ["EXECUTIONS"]).open("a") as file:
        file.write(f"{trial.number} {os.getpid()}\n")


def quick(trial: optuna.Trial) -> float:
    """Return at once."""
    _note(trial)
    return (trial.params["x"] - 0.3) ** 2


def slow(trial: optuna.Trial) -> float:
    """Take a third of a second, so that a signal finds it at work."""
    _note(trial)
    time.sleep(0.3)
    return float(trial.params["x"])


def endless(trial: optuna.Trial) -> float:
    """Never return in the time of a test; a retry does at once."""
    _note(trial)
    if "retry_of" not in trial.user_attrs:
        time.sleep(600)
    return 1.0


def starts_others(trial: optuna.Trial) -> float:
    """Start a program and a fork, end two of them by SIGTERM, and leave one of each behind."""
    _note(trial)
    forks = multiprocessing.get_context("fork")
    for wait in (True, False):
        program = subprocess.Popen(["sleep", "600"])
        fork = forks.Process(target=time.sleep, args=(600,))
        fork.start()
        assert fork.pid is not None
        if wait:
            program.terminate()
            fork.terminate()
            assert program.wait(timeout=20) == -signal.SIGTERM
            fork.join(timeout=20)
            assert fork.exitcode == -signal.SIGTERM
    Path(os.environ["EXECUTIONS"]).with_name("left").write_text(f"{program.pid} {fork.pid}")
    time.sleep(600)
    return 1.0


def crash_on_3(trial: optuna.Trial) -> float:
    """End the whole process of trial 3, as a fault in native code does."""
    if trial.number == 3:
        os.kill(os.getpid(), signal.SIGSEGV)
    return float(trial.params["x"])


def database_away_once(trial: optuna.Trial) -> float:
    """Meet a database that does not answer, but not in the retry."""
    if "retry_of" not in trial.user_attrs:
        raise sqlalchemy.exc.OperationalError("SELECT 1", None, Exception("no answer"))
    return 1.0


def database_away(trial: optuna.Trial) -> float:
    """Meet a database that never answers."""
    raise sqlalchemy.exc.OperationalError("SELECT 1", None, Exception("no answer"))


def broken(trial: optuna.Trial) -> float:
    """Fail always."""
    raise RuntimeError("no such column")


def ended_trials(trial: optuna.Trial) -> float:
    """Return how many ended trials a sampler sees."""
    return float(len(trial.study._get_trials(states=(COMPLETE,), use_cache=True)))


def not_a_number(trial: optuna.Trial) -> float:
    """Diverge, as a function may."""
    return float("nan")


def own_space(trial: optuna.Trial) -> float:
    """Suggest its own parameters, report, and prune itself where x is large."""
    x = trial.suggest_float("x", 0.0, 1.0)
    trial.report(x, step=1)
    if x > 0.5:
        raise optuna.TrialPruned
    return x
