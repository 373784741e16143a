"""Dense networks: the first 27 settings of the grid of 81, 5 epochs, 20,000 Fashion-MNIST pictures.

    python tests/benchmarks/dense.py --rounds 3

Every contestant trains the same 27 settings on the same pictures, as its own documentation does it,
in a fresh process; what is timed is that process from its start to its end. The contestants take
turns, in the reverse order in every other round. The table shows medians; the JSON line holds all.

Needs the extra `benchmarks`, and Fashion-MNIST in the folder that HPO_DATA names.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
N_PICTURES, N_TRIALS, EPOCHS = 20_000, 27, 5
# Multiply-adds of 784-128-10, twice as many operations; training takes three passes.
OPERATIONS = 2 * (784 * 128 + 128 * 10)
WORK = N_TRIALS * EPOCHS * OPERATIONS * N_PICTURES * (3 * 0.9 + 0.1)
HPO = [sys.executable, "-P", "-m", "studies"]
CONTESTANTS: dict[str, tuple[list[str], dict[str, str]]] = {
    "hpo": (
        [*HPO, "run", "fashion-mlp-grid", "-j", "2", f"-n{N_TRIALS}", f"--set=epochs={EPOCHS}",
         "--set=dataset={data}"],
        {},
    ),
    "optuna-tensorflow": (
        [sys.executable, str(HERE / "contestants/plain_optuna.py"), "{data}"],
        {"KERAS_BACKEND": "tensorflow"},
    ),
    "optuna-jax": (
        [sys.executable, str(HERE / "contestants/plain_optuna.py"), "{data}"],
        {"KERAS_BACKEND": "jax"},
    ),
    "kerastuner": (
        [sys.executable, str(HERE / "contestants/keras_tuner_grid.py"), "{data}"],
        {"KERAS_BACKEND": "tensorflow"},
    ),
    "ray": (
        [sys.executable, str(HERE / "contestants/ray_grid.py"), "{data}"],
        {"KERAS_BACKEND": "tensorflow"},
    ),
}  # fmt: skip


def main() -> None:
    """Run the contestants in turn and print what they took."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", nargs="*", choices=CONTESTANTS, default=list(CONTESTANTS))
    chosen = parser.parse_args()
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in chosen.only}
    with tempfile.TemporaryDirectory() as folder:
        data = pictures(Path(folder))
        for i in range(chosen.rounds):
            for name in chosen.only if i % 2 == 0 else reversed(chosen.only):
                seconds, best = run(name, data, Path(folder) / f"{name}-{i}")
                runs[name].append((seconds, best))
                print(f"round {i + 1}: {name} {seconds:.1f} s, best {best:.4f}", file=sys.stderr)
    show(runs, matrix_product_rate())


def pictures(folder: Path) -> Path:
    """Write the first 20,000 pictures as a data set of their own."""
    with np.load(Path(os.environ["HPO_DATA"]) / "fashion_mnist.npz") as full:
        arrays = {name: full[name] for name in full}
    arrays |= {name: arrays[name][:N_PICTURES] for name in ("x_train", "y_train")}
    file = folder / "fashion_20k.npz"
    np.savez(file, **arrays)
    return file


def run(name: str, data: Path, folder: Path) -> tuple[float, float]:
    """Run a contestant in an empty folder; return its seconds and its best accuracy."""
    folder.mkdir()
    command, environment = CONTESTANTS[name]
    started = time.perf_counter()
    done = subprocess.run(
        [part.format(data=data) for part in command],
        cwd=folder,
        env=os.environ | {"OPTUNA_STORAGE": f"sqlite:///{folder}/hpo.db"} | environment,
        capture_output=True,
        text=True,
        check=False,
    )
    seconds = time.perf_counter() - started
    if done.returncode != 0:
        raise SystemExit(f"{name} failed:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}")
    best = re.findall(r"best val_accuracy:? (0\.\d+)", done.stdout)
    return seconds, float(best[-1])


def matrix_product_rate() -> float:
    """Return the operations a second that this machine reaches in a large product, float32."""
    a = np.random.default_rng(0).random((2048, 2048), np.float32)
    seconds = []
    for _ in range(10):
        started = time.perf_counter()
        a @ a
        seconds.append(time.perf_counter() - started)
    return 2 * 2048**3 / min(seconds)


def show(runs: dict[str, list[tuple[float, float]]], rate: float) -> None:
    """Print the table and the JSON line."""
    medians = {name: statistics.median(s for s, _ in taken) for name, taken in runs.items()}
    table = Table(title=f"27 dense networks, {os.cpu_count()} cores, {rate / 1e9:.0f} GFLOP/s")
    for column in ("contestant", "seconds", "trials/h", "hpo is", "best", "of the rate"):
        table.add_column(column, justify="left" if column == "contestant" else "right")
    for name, seconds in medians.items():
        table.add_row(
            name,
            f"{seconds:.1f}",
            f"{N_TRIALS * 3600 / seconds:.0f}",
            f"{seconds / medians['hpo']:.2f}x" if "hpo" in medians else "",
            f"{statistics.median(best for _, best in runs[name]):.4f}",
            f"{WORK / seconds / rate:.0%}",
        )
    Console().print(table)
    print(json.dumps({"benchmark": "dense", "gflops": rate / 1e9, "runs": runs}))


if __name__ == "__main__":
    main()
