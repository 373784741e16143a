"""Lanes of one program on an accelerator: trials an hour against how many train side by side.

    KERAS_BACKEND=jax python tests/benchmarks/packs.py

Dense networks (784-128-10) and small convolutional ones (8 and 16 filters) on 20,000 Fashion-MNIST
pictures, or random ones of that shape where HPO_DATA does not have them; what is timed is an epoch
with its validation, the median of five after the first. Beside the packs: one lane at a time in the
same program, and processes of one lane each side by side on the device. Needs no TensorFlow.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

EPOCHS = 20  # of a trial, to tell trials an hour
TIMED = 5
NETWORKS: dict[str, tuple[str, dict[str, Any]]] = {
    "dense": ("mlp", {"hidden_units": [128]}),
    "conv": ("cnn", {"filters": [8, 16], "convs_per_block": 1, "hidden_units": []}),
}


def main() -> None:
    """Measure every network with every number of lanes, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--lanes", nargs="*", type=int, default=[1, 4, 16, 64, 256])
    parser.add_argument("--processes", nargs="*", type=int, default=[2, 4, 8])
    parser.add_argument("--networks", nargs="*", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--pictures", type=int, default=20_000)
    parser.add_argument("--child", action="store_true", help="print the seconds of an epoch")
    chosen = parser.parse_args()
    if chosen.child:
        (network,), (lanes,) = chosen.networks, chosen.lanes
        print(json.dumps(epoch(network, lanes, chosen.pictures)))
        return
    rows = []
    for network in chosen.networks:
        for lanes in chosen.lanes:
            (found,) = children(network, lanes, 1, chosen.pictures)
            rows.append({"network": network, "lanes": lanes, "processes": 1, **found})
        for n in chosen.processes:
            found = children(network, 1, n, chosen.pictures)
            seconds = statistics.mean(one["seconds"] for one in found)
            rows.append({"network": network, "lanes": 1, "processes": n, "seconds": seconds})
    show(rows)


def children(network: str, lanes: int, n: int, pictures: int) -> list[dict[str, Any]]:
    """Measure in `n` fresh processes at once, so that each begins with an empty device."""
    command = [sys.executable, __file__, "--child", "--networks", network, "--lanes", str(lanes)]
    environment = os.environ | {"KERAS_BACKEND": "jax", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}
    started = [
        subprocess.Popen(
            [*command, "--pictures", str(pictures)],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(n)
    ]
    words = [child.communicate()[0] for child in started]
    if any(child.returncode for child in started):
        return [{"seconds": float("nan"), "bytes": None}] * n  # as where memory does not do
    return [json.loads(said.splitlines()[-1]) for said in words]


def epoch(network: str, lanes: int, pictures: int) -> dict[str, Any]:
    """Train lanes side by side; return the seconds of an epoch and the bytes in use at most."""
    import objectives
    from objectives.training.pack import Pack, TrainingTask
    from objectives.training.program_cache import ProgramCache

    name, setting = NETWORKS[network]
    objective = objectives.get(name)
    tasks = [
        TrainingTask(
            objective.hyperparameters(**setting, learning_rate=1e-3 * (1 + i / lanes), epochs=100),
            seed=i,
            metric="val_accuracy",
            maximize=True,
        )
        for i in range(lanes)
    ]
    programs = ProgramCache()
    pack = Pack(objective, data(pictures), programs)
    pack.add(tasks)
    pack.train_epoch()
    seconds = []
    for _ in range(TIMED):
        started = time.perf_counter()
        pack.train_epoch()
        seconds.append(time.perf_counter() - started)
    memory = pack._program.steps.memory()
    return {"seconds": statistics.median(seconds), "bytes": memory and memory[0]}


def data(n: int) -> Any:
    """Return pictures to train on, a tenth of them to validate."""
    from objectives.data.datasets import Dataset

    file = Path(os.environ.get("HPO_DATA", ".")) / "fashion_mnist.npz"
    if file.exists():
        with np.load(file) as arrays:
            x, y = arrays["x_train"][:n, ..., None], arrays["y_train"][:n].astype(np.int32)
    else:
        rng = np.random.default_rng(0)
        x = rng.integers(0, 256, (n, 28, 28, 1), np.uint8)
        y = rng.integers(0, 10, n, np.int32)
    cut = n * 9 // 10
    return Dataset("pictures", x[:cut], y[:cut], x[cut:], y[cut:], 10, "", 255.0)


def show(rows: list[dict[str, Any]]) -> None:
    """Print the table and the JSON line."""
    table = Table(title=f"An epoch side by side, {os.cpu_count()} cores")
    for column in ("network", "lanes", "processes", "epoch", "trials/h", "gain", "MiB"):
        table.add_column(column, justify="left" if column == "network" else "right")
    for row in rows:
        alone = next(r for r in rows if r["network"] == row["network"])
        side_by_side = row["lanes"] * row["processes"]
        used = row.get("bytes")
        table.add_row(
            row["network"],
            str(row["lanes"]),
            str(row["processes"]),
            f"{row['seconds']:.3f} s",
            f"{3600 * side_by_side / row['seconds'] / EPOCHS:.0f}",
            f"{side_by_side * alone['seconds'] / alone['lanes'] / row['seconds']:.1f}x",
            "" if used is None else f"{used / 2**20:.0f}",
        )
    Console().print(table)
    print(json.dumps({"benchmark": "packs", "rows": rows}))


if __name__ == "__main__":
    main()
