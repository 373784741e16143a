"""Contestants that search the same networks, in turn: what `dense.py` and `conv.py` have in common.

Every contestant trains the same settings on the same pictures, as its own documentation does it, in
a fresh process; what is timed is that process from its start to its end. The contestants take
turns, in the reverse order in every other round, and hpo has another seed in each. The table shows
medians, and which share of the machine's rate is reached: from start to end, and while there are
trials; the JSON line holds all.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Run:
    """What a contestant took.

    Attributes:
        seconds: From the start of its process to its end.
        training: Seconds from the start of its first trial to the end of its last, None where no
            Optuna database tells.
        best: The best accuracy on the pictures to validate with.
    """

    seconds: float
    training: float | None
    best: float


@dataclass(frozen=True)
class Race:
    """A benchmark.

    Attributes:
        name: Its name.
        study: The arguments of `hpo run`, without the data set.
        n_pictures: How many pictures of Fashion-MNIST are used, a tenth of them to validate.
        n_trials: How many networks are trained.
        operations: Floating-point operations that all of it takes.
        rate: Measures how many operations a second this machine reaches at what these consist of.
    """

    name: str
    study: Sequence[str]
    n_pictures: int
    n_trials: int
    operations: float
    rate: Callable[[], float]

    @property
    def contestants(self) -> dict[str, tuple[list[str], dict[str, str]]]:
        """Name -> its command and its environment, with places for {seed}, {data} and {folder}."""
        hpo = [sys.executable, "-P", "-m", "studies", "run", *self.study]
        hpo += ["--set=dataset={data}", "--set=search.seed={seed}"]
        others = {
            "optuna-tensorflow": ("plain_optuna", "tensorflow"),
            "optuna-jax": ("plain_optuna", "jax"),
            "kerastuner": ("keras_tuner_grid", "tensorflow"),
            "ray": ("ray_grid", "tensorflow"),
        }
        found: dict[str, tuple[list[str], dict[str, str]]] = {
            "hpo": (hpo, {}),
            "hpo-first": (hpo, {"XDG_CACHE_HOME": "{folder}/cache"}),
        }
        for name, (script, backend) in others.items():
            file = str(HERE / "contestants" / f"{script}.py")
            found[name] = ([sys.executable, file, self.name, "{data}"], {"KERAS_BACKEND": backend})
        return found

    def run(self, name: str, data: Path, folder: Path, seed: int) -> Run:
        """Run a contestant in an empty folder."""
        folder.mkdir()
        command, environment = self.contestants[name]
        filled = {"data": data, "folder": folder, "seed": seed}
        own = {key: value.format(**filled) for key, value in environment.items()}
        started = time.perf_counter()
        done = subprocess.run(
            [part.format(**filled) for part in command],
            cwd=folder,
            env=os.environ | {"OPTUNA_STORAGE": f"sqlite:///{folder}/hpo.db"} | own,
            capture_output=True,
            text=True,
            check=False,
        )
        seconds = time.perf_counter() - started
        if done.returncode != 0:
            raise SystemExit(f"{name} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
        best = re.findall(r"best val_accuracy:? (0\.\d+)", done.stdout)
        return Run(seconds, _training_seconds(folder), float(best[-1]))


def _training_seconds(folder: Path) -> float | None:
    query = """
        SELECT (julianday(max(datetime_complete)) - julianday(min(datetime_start))) * 86400
        FROM trials
    """
    for file in folder.glob("*.db"):
        with closing(sqlite3.connect(file)) as database:
            return float(database.execute(query).fetchone()[0])
    return None


def main(race: Race) -> None:
    """Run the contestants in turn and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=race.contestants)
    chosen = parser.parse_args()
    names = chosen.only or list(race.contestants)
    runs: dict[str, list[Run]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder:
        data = pictures(Path(folder), race.n_pictures)
        for i in range(chosen.rounds):
            for name in names if i % 2 == 0 else reversed(names):
                run = race.run(name, data, Path(folder) / f"{name}-{i}", i)
                runs[name].append(run)
                print(f"round {i + 1}: {name} {run}", file=sys.stderr)
    show(race, runs, race.rate())


def pictures(folder: Path, n: int) -> Path:
    """Write the first pictures of Fashion-MNIST as a data set of their own."""
    with np.load(Path(os.environ["HPO_DATA"]) / "fashion_mnist.npz") as full:
        arrays = {name: full[name] for name in full}
    arrays |= {name: arrays[name][:n] for name in ("x_train", "y_train")}
    file = folder / "fashion.npz"
    np.savez(file, **arrays)
    return file


def show(race: Race, runs: dict[str, list[Run]], rate: float) -> None:
    """Print the table and the JSON line."""
    medians = {
        name: statistics.median(run.seconds for run in taken) for name, taken in runs.items()
    }
    title = (
        f"{race.name}: {race.n_trials} networks, {os.cpu_count()} cores, {rate / 1e9:.0f} GFLOP/s"
    )
    table = Table(title=title)
    for column in (
        "contestant",
        "seconds",
        "trials/h",
        "hpo is",
        "best",
        "of the rate",
        "training",
    ):
        table.add_column(column, justify="left" if column == "contestant" else "right")
    for name, seconds in medians.items():
        training = [run.training for run in runs[name] if run.training is not None]
        share = race.operations / rate / statistics.median(training) if training else None
        table.add_row(
            name,
            f"{seconds:.1f}",
            f"{race.n_trials * 3600 / seconds:.0f}",
            f"{seconds / medians['hpo']:.2f}x" if "hpo" in medians else "",
            f"{statistics.median(run.best for run in runs[name]):.4f}",
            f"{race.operations / seconds / rate:.0%}",
            "" if share is None else f"{share:.0%}",
        )
    Console().print(table)
    results = {name: [asdict(run) for run in taken] for name, taken in runs.items()}
    print(json.dumps({"benchmark": race.name, "gflops": rate / 1e9, "runs": results}))
