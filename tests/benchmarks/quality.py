"""How soon a search is as good as the whole grid of 81, and whether packs search as well.

    python tests/benchmarks/quality.py --rounds 5

First a plain script trains the whole grid (10 epochs, 10,000 Fashion-MNIST pictures, a tenth of
them to validate, the same for all): its best accuracy less .2 of a point is what the others are
timed to, from the start of their processes. Each may train 81 networks, and has another seed in
each round. `hpo, packs of 1` and `hpo, packs of 8` differ in nothing else. `hpo, by time` may train
as many as it can in half of the grid's time, each with a seed of its own, as the scripts do.

Needs the extra `benchmarks`, and Fashion-MNIST in the folder that HPO_DATA names.
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
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from race import pictures
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
MARGIN = 0.002
HPO = [sys.executable, "-P", "-m", "studies", "run", str(HERE / "quality.toml"), "-j2"]
HPO += ["--set=dataset={data}", "--set=search.seed={seed}"]
ONE_SEED = [*HPO, "--set=seed={seed}"]
CONTESTANTS = {
    "hpo": ONE_SEED,
    "hpo, packs of 1": [*ONE_SEED, "--pack-size=1"],
    "hpo, packs of 8": [*ONE_SEED, "--pack-size=8"],
    "hpo, by time": [*HPO, "--set=search.n_trials=9999", "--set=search.timeout={limit:.0f}"],
    "optuna-tpe": [sys.executable, str(HERE / "contestants/plain_tpe.py"), "quality", "{data}"],
    "ray-asha": [sys.executable, str(HERE / "contestants/ray_asha.py"), "quality", "{data}"],
}
GRID = [sys.executable, str(HERE / "contestants/plain_optuna.py"), "quality", "{data}"]
Reached = list[tuple[float, float]]
"""Seconds from the start, and the accuracy that was known then."""


def main() -> None:
    """Run all rounds and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--only", nargs="*", choices=CONTESTANTS, default=list(CONTESTANTS))
    chosen = parser.parse_args()
    rounds = []
    with tempfile.TemporaryDirectory() as folder:
        data = pictures(Path(folder), chosen.pictures)
        trained = run("grid", GRID, folder=Path(folder), data=data)
        best = max(value for _, value in trained)
        grid = {"best": best, "seconds": max(at for at, _ in trained)}
        for seed in range(chosen.rounds):
            here = Path(folder) / str(seed)
            here.mkdir()
            found = {"grid": grid}
            for name in chosen.only if seed % 2 == 0 else reversed(chosen.only):
                settings = {"data": data, "seed": seed, "limit": grid["seconds"] / 2}
                reached = run(name, CONTESTANTS[name], folder=here, **settings)
                times = [at for at, value in reached if value >= best - MARGIN]
                top = max(value for _, value in reached)
                found[name] = {"best": top, "seconds": min(times, default=float("inf"))}
                print(f"round {seed + 1}: {name} {found[name]}", file=sys.stderr)
            rounds.append(found)
    show(rounds)


def run(name: str, command: list[str], *, folder: Path, **settings: Any) -> Reached:
    """Run a search in an empty folder; return when it knew which accuracy."""
    own = folder / re.sub(r"\W+", "-", name)
    own.mkdir()
    environment = {"OPTUNA_STORAGE": f"sqlite:///{own}/plain.db"}
    if not name.startswith("hpo"):
        environment["KERAS_BACKEND"] = "tensorflow"
    started = time.time()
    done = subprocess.run(
        [part.format(**settings) for part in command],
        cwd=own,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise SystemExit(f"{name} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    told = re.findall(r"reached (\d+\.\d+) (0\.\d+)", done.stdout)
    if told:
        return [(float(at) - started, float(value)) for at, value in told]
    return [(at - started, value) for at, value in completed(own / "plain.db")]


def completed(file: Path) -> Reached:
    """Return when the trials of an Optuna database were complete, with their values."""
    query = """
        SELECT datetime_complete, value FROM trials JOIN trial_values USING (trial_id)
        WHERE state = 'COMPLETE'
    """
    with sqlite3.connect(file) as database:
        rows = database.execute(query).fetchall()
    utc = [(datetime.fromisoformat(at).replace(tzinfo=UTC), value) for at, value in rows]
    return [(at.timestamp(), value) for at, value in utc]


def show(rounds: list[dict[str, dict[str, float]]]) -> None:
    """Print medians over the rounds, and the JSON line."""
    table = Table(title=f"Within {MARGIN:.3f} of the grid's best, {len(rounds)} seeds")
    for column in ("search", "seconds", "of the grid's", "best"):
        table.add_column(column, justify="left" if column == "search" else "right")
    grid = statistics.median(found["grid"]["seconds"] for found in rounds)
    for name in rounds[0]:
        seconds = statistics.median(found[name]["seconds"] for found in rounds)
        best = statistics.median(found[name]["best"] for found in rounds)
        table.add_row(name, f"{seconds:.1f}", f"{seconds / grid:.0%}", f"{best:.4f}")
    Console().print(table)
    print(json.dumps({"benchmark": "quality", "rounds": rounds}))


if __name__ == "__main__":
    main()
