"""Where a trial's time goes: the 27 dense networks of dense.py, one after the other in one process.

    python tests/benchmarks/where_time_goes.py

First as a plain script does it, with a model of its own for each, then as a worker's child does,
request by request. What an epoch takes beyond the trial's fastest one is tracing and compiling.

Needs Fashion-MNIST in the folder that HPO_DATA names.
"""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from race import pictures
from rich.console import Console
from rich.table import Table

# Before this folder, where a file has the name of the package.
sys.path.insert(0, str(Path(__file__).parents[2]))
HERE = Path(__file__).parent
N_PICTURES, N_TRIALS, EPOCHS = 20_000, 27, 5
T = TypeVar("T")


def main() -> None:
    """Run this file once for each way, in processes of their own, and print the table."""
    if len(sys.argv) > 1:
        ways = {"plain": plain, "hpo": as_hpo}
        print(json.dumps(ways[sys.argv[1]](sys.argv[2])))
        return
    table = Table(title=f"Seconds of {N_TRIALS} networks, one after the other")
    for column in ("way", "imports", "begin", "compile", "epochs", "end", "all"):
        table.add_column(column, justify="left" if column == "way" else "right")
    with tempfile.TemporaryDirectory() as folder:
        data = str(pictures(Path(folder), N_PICTURES))
        for name in ("plain tensorflow", "plain jax", "hpo"):
            way, *backend = name.split()
            command = [sys.executable, __file__, way, data, *backend]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                raise SystemExit(done.stderr[-3000:])
            parts = json.loads(done.stdout.splitlines()[-1])
            table.add_row(name, *(f"{seconds:.1f}" for seconds in parts), f"{sum(parts):.1f}")
    Console().print(table)


def plain(data: str) -> list[float]:
    """Return the seconds of each part, as the script of contestants/plain_optuna.py does it."""
    os.environ["KERAS_BACKEND"] = sys.argv[3]
    sys.argv = ["", "dense", data]
    sys.path.insert(0, str(HERE / "contestants"))
    imports, loaded = timed(import_module, "networks")
    begin = compile_ = epochs = end = 0.0

    class Epochs(loaded.keras.callbacks.Callback):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.seconds: list[float] = []

        def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
            self.began = time.perf_counter()

        def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
            self.seconds.append(time.perf_counter() - self.began)

    arrays = loaded.pictures()
    space = loaded.search.space
    for levels in itertools.product(*space.values()):
        loaded.keras.backend.clear_session()
        taken, model = timed(loaded.network, **dict(zip(space, levels, strict=True)))
        watched = Epochs()
        all_, _ = timed(loaded.fit, model, arrays, watched)
        rest = len(watched.seconds) * min(watched.seconds)
        begin, compile_ = begin + taken, compile_ + sum(watched.seconds) - rest
        epochs, end = epochs + rest, end + all_ - sum(watched.seconds)
    return [imports, begin, compile_, epochs, end]


def as_hpo(data: str) -> list[float]:
    """Return the seconds of each part, as the executor child does it with one lane."""
    from studies.definition.files import load_definition
    from studies.designs.points import initial_points
    from studies.executor import protocol

    overrides = {"dataset": data, "search.n_trials": N_TRIALS, "epochs": EPOCHS}
    definition = load_definition("fashion-mlp-grid", overrides)

    def start() -> Any:
        from studies.executor.handlers import Trainer

        return Trainer("jax", 1)

    imports, trainer = timed(start)
    dataset = protocol.DatasetSpec(data, definition.data.model_dump())
    trainer.load_data(protocol.LoadData(dataset))
    begin = compile_ = epochs = end = 0.0
    folder = tempfile.mkdtemp()
    for i, point in enumerate(initial_points(definition)):
        settings = definition.factors.resolve(point.params)
        settings.pop("seed", None)
        task = protocol.TrialTask(i, settings, seed=0, checkpoint=None)
        request = protocol.AddTrials(
            "mlp", dataset, definition.levels, "val_accuracy", maximize=True, tasks=[task]
        )
        taken, _ = timed(trainer.add, request)
        begin += taken
        seconds: list[float] = []
        has_ended = False
        while not has_ended:
            taken, epoch = timed(trainer.train_epoch, protocol.TrainEpoch())
            seconds.append(taken)
            has_ended = epoch.trials[0].ended
        rest = len(seconds) * min(seconds)
        compile_, epochs = compile_ + sum(seconds) - rest, epochs + rest
        taken, _ = timed(trainer.take_ended, protocol.TakeEnded())
        end += taken
        file = Path(folder) / f"{i}.keras"
        taken, _ = timed(trainer.save, protocol.SaveNetwork(i, file))
        end += taken
    return [imports, begin, compile_, epochs, end]


def timed(call: Callable[..., T], *arguments: Any, **named: Any) -> tuple[float, T]:
    """Return the seconds that a call takes, and what it returns."""
    started = time.perf_counter()
    result = call(*arguments, **named)
    return time.perf_counter() - started, result


if __name__ == "__main__":
    main()
