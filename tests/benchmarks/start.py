"""How long a person waits: for help, for the list, and from starting a worker to its first epoch.

    python tests/benchmarks/start.py --rounds 5

The first epoch is that of `digits-mlp`: once with an empty cache of compiled programs, then with
what the rounds before have left there, as for every worker after a group's first one.
"""

from __future__ import annotations

import argparse
import json
import os
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

HPO = [sys.executable, "-P", "-m", "studies"]
TARGETS = {"hpo --help": 0.5, "hpo list": 1.0, "first epoch": 8.0}


def main() -> None:
    """Time each of them and print the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    runs: dict[str, list[float]] = {name: [] for name in TARGETS}
    with tempfile.TemporaryDirectory() as folder:
        os.environ["XDG_CACHE_HOME"] = f"{folder}/cache"
        empty = first_epoch(Path(folder) / "empty")
        for i in range(rounds):
            here = Path(folder) / str(i)
            runs["first epoch"].append(first_epoch(here))
            runs["hpo --help"].append(command("--help", here=here))
            runs["hpo list"].append(command("list", here=here))
    table = Table(title=f"Seconds, {os.cpu_count()} cores")
    for column in ("what", "median", "to reach"):
        table.add_column(column, justify="left" if column == "what" else "right")
    for name, seconds in runs.items():
        table.add_row(name, f"{statistics.median(seconds):.2f}", f"{TARGETS[name]:g}")
    table.add_row("first epoch, nothing compiled before", f"{empty:.2f}", "")
    Console().print(table)
    print(json.dumps({"benchmark": "start", "empty": empty, "runs": runs}))


def command(*arguments: str, here: Path) -> float:
    """Return the seconds of a command that only reads."""
    started = time.perf_counter()
    subprocess.run([*HPO, *arguments], env=environment(here), stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def first_epoch(here: Path) -> float:
    """Return the seconds from the start of a worker to the first epoch in the database."""
    here.mkdir()
    subprocess.run(
        [*HPO, "create", "digits-mlp"],
        env=environment(here),
        stdout=subprocess.DEVNULL,
        check=True,
    )
    started = time.perf_counter()
    worker = subprocess.Popen([*HPO, "worker"], env=environment(here), stderr=subprocess.DEVNULL)
    with sqlite3.connect(here / "hpo.db") as database:
        count = "SELECT count(*) FROM trial_intermediate_values"
        while database.execute(count).fetchone() == (0,):
            if worker.poll() is not None:
                raise SystemExit("the worker ended before its first epoch")
            time.sleep(0.01)
    seconds = time.perf_counter() - started
    worker.terminate()
    worker.wait()
    return seconds


def environment(here: Path) -> dict[str, str]:
    """Return the environment of a command on a storage of its own."""
    return os.environ | {"OPTUNA_STORAGE": f"sqlite:///{here}/hpo.db"}


if __name__ == "__main__":
    main()
