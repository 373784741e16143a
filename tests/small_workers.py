"""Studies for tests of workers, and what such tests wait for."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from typing import Any

import optuna
import pytest
import sqlalchemy
from commands import start_worker, wait_until
from forked_processes import PATCHES
from optuna.trial import FrozenTrial, TrialState
from small_studies import table

from storage import create_storage, overview
from studies import create_study
from studies.definition.study import parse_definition


def function_study(
    url: str, folder: Path, function: str, n: int, *, adaptive: bool = True, **search: Any
) -> optuna.Study:
    """Make a study `s` of `n` trials of a function of user_objectives.py."""
    search |= {"sampler": "random", "n_trials": n} if adaptive else {"design": "grid"}
    definition = parse_definition(
        {
            "name": "s",
            "objective": f"user_objectives:{function}",
            "metric": "value",
            "direction": "minimize",
            "search": search,
            "space": {"x": {"low": 0.0, "high": (n - 1) / n, "step": 1 / n}}
            if not adaptive
            else {"x": {"low": 0.0, "high": 1.0}},
        }
    )
    return create_study(definition, url, artifacts=folder / "artifacts")


def network_study(url: str, folder: Path, **lines: Any) -> optuna.Study:
    """Make a study `s` of small networks on the digits."""
    definition = parse_definition(table(**lines))
    return create_study(definition, url, artifacts=folder / "artifacts")


def alike(url: str, folder: Path, *, n: int, epochs: int) -> optuna.Study:
    """Make a study of `n` trials of one structure."""
    return network_study(
        url,
        folder,
        search={"design": "grid"},
        fixed={"hidden_units": [16], "epochs": epochs},
        space={"learning_rate": rates(n)},
    )


def rates(n: int) -> list[float]:
    """Return `n` learning rates."""
    return [round(0.001 * (1 + i), 6) for i in range(n)]


def ended(study: optuna.Study) -> list[FrozenTrial]:
    """Return the completed trials."""
    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))


def epochs(study: optuna.Study) -> list[float]:
    """Return what was reported after each epoch of all trials."""
    return [v for trial in study.trials for v in trial.intermediate_values.values()]


def all_train(url: str, n: int) -> None:
    """Wait until each of the first study's `n` trials has reported an epoch."""
    storage = create_storage(url)

    def is_so() -> bool:
        epochs = overview(storage, 1).epochs.values()
        return len(epochs) == n and min(epochs) > 0

    wait_until(is_so, "all train")


def in_the_child(code: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have Python run some code first in all that is started from now on.

    The code may change functions and classes of ours, and no imports.
    """
    (folder / f"{PATCHES}.py").write_text(code)
    (folder / "sitecustomize.py").write_text(f"import {PATCHES}")
    monkeypatch.setenv("PYTHONPATH", str(folder), prepend=os.pathsep)


# An epoch of a small network takes milliseconds: so that a test can do something meanwhile, without
# a thousand of them.
SLOW = """
import time
from studies.executor.handlers import Trainer

train_epoch = Trainer.train_epoch

def slow(self, request):
    time.sleep(0.05)
    return train_epoch(self, request)

Trainer.train_epoch = slow
"""
# A child trains a few epochs, each of which is written at once, and waits before the next one.
HOLD = (
    SLOW
    + """
from pathlib import Path
from studies.worker import pack_runner

pack_runner.REPORT_INTERVAL = 0.0
here = Path(__file__).parent
trained = []

def held(self, request):
    if len(trained) >= {n} and (not {saved} or any(here.rglob("checkpoints/**/*.npz"))):
        (here / "held").touch()
        while not (here / "go").exists():
            time.sleep(0.02)
    trained.append(None)
    return slow(self, request)

Trainer.train_epoch = held
"""
)


def hold(folder: Path, monkeypatch: pytest.MonkeyPatch, n: int = 1, *, saved: bool = False) -> None:
    """Have children wait in the midst of their training, however slow the machine is.

    Args:
        folder: That of the test.
        monkeypatch: Pytest's.
        n: How many epochs are trained before.
        saved: Whether there must be checkpoints too.
    """
    in_the_child(HOLD.format(n=n, saved=saved), folder, monkeypatch)


def wait_until_held(folder: Path) -> None:
    """Wait until a child waits."""
    wait_until((folder / "held").exists, "a child waits in the midst of its training")


def let_go(folder: Path) -> None:
    """Have children go on, and wait no more."""
    (folder / "go").touch()


@contextmanager
def away(server: sqlalchemy.URL, url: str) -> Iterator[None]:
    """Take a database away for a while."""
    name = sqlalchemy.make_url(url).database
    engine = sqlalchemy.create_engine(server, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.exec_driver_sql(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS false")
        connection.exec_driver_sql(
            f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'"
        )
        try:
            yield
        finally:
            connection.exec_driver_sql(f"ALTER DATABASE {name} WITH ALLOW_CONNECTIONS true")
    engine.dispose()


def kill_and_replace(
    launched: list[Popen[bytes]], code: Path, *studies: str, url: str, folder: Path
) -> None:
    """Kill a worker of the first study after a checkpoint, and launch one of all these studies.

    The test has called `hold`.
    """
    # A checkpoint follows three heartbeats, and the heartbeat is short.
    # And how many train side by side would hang on how long they take.
    words = (f"--allow-module={code}", "--heartbeat=0.1", "--grace=1.5", "--pack-size=1")
    launched.append(start_worker(studies[0], *words, url=url, folder=folder))
    wait_until_held(folder)
    launched[0].send_signal(signal.SIGKILL)
    launched[0].wait()
    let_go(folder)
    launched.append(start_worker(*studies, *words, url=url, folder=folder))
