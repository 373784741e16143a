"""What a large storage costs: a study of 20,000 finished trials, and 300 finished studies.

    python tests/benchmarks/scale.py

Each command is a process of its own on a SQLite file; the best of `--rounds` runs counts. Processor
seconds and the peak of memory hold the start of Python. The trials are written by SQL: 5
parameters, 20 reports, a history of 4 metrics and 8 other attributes each; a quarter of them are
pruned. A worker's figures are those of its own process, without the child that trains, from its
start to the end of the first trial that it takes; TPE is measured without a pruner. `--root`
measures another checkout of this repository.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

# Before this folder, where a file has the name of a package; a measured process has another root.
if not sys.flags.safe_path:
    sys.path.insert(0, str(Path(__file__).parents[2]))

TRIALS, REPORTS, STUDIES = 20_000, 20, 300
IDLE_FOR = 20.0  # seconds
SEARCHES: dict[str, dict[str, Any]] = {
    "TPE": {"sampler": "tpe", "n_trials": 2 * TRIALS},
    "random": {"sampler": "random", "n_trials": 2 * TRIALS},
    "design": {"design": "random", "n_trials": TRIALS + 10},
}
METRICS = ("loss", "accuracy", "val_loss", "val_accuracy")
MIB = 1024  # of the kilobytes in which the system counts


def main() -> None:
    """Measure all and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--root", type=Path, default=Path(__file__).parents[2])
    parser.add_argument("--only", nargs="*", help="Words of the rows to measure.")
    parser.add_argument("--folder", type=Path, help="Keep the databases there for another run.")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = str(options.root)
    with tempfile.TemporaryDirectory() as name:
        folder = options.folder or Path(name)
        # In another process: what is started from a large one counts its memory as its own.
        subprocess.run([sys.executable, __file__, "--make", str(folder)], check=True)
        rows = [
            (what, best_of(options.rounds, command, folder))
            for what, command in commands(folder).items()
            if options.only is None or any(word in what for word in options.only)
        ]
    print("| what | processor s | wall s | peak MB | more |\n| --- | --- | --- | --- | --- |")
    for what, run in rows:
        cpu, wall, peak = (f"{run[key]:.2f}" for key in ("cpu", "wall", "peak"))
        print(f"| {what} | {cpu} | {wall} | {float(peak):.0f} | {run.get('more', '')} |")
    print(json.dumps({"benchmark": "scale", "runs": dict(rows)}))


def commands(folder: Path) -> dict[str, list[str]]:
    """Return what is measured, and the arguments of Python for each."""
    hpo = ["-P", "-m", "studies"]
    here = ["-P", str(Path(__file__).resolve())]
    large = ["--storage", f"sqlite:///{folder}/TPE.db"]
    small = ["--storage", f"sqlite:///{folder}/none.db"]
    found = {
        "`hpo --help`": [*hpo, "--help"],
        "`hpo list`, no storage": [*hpo, "list", *small],
        "`hpo status`": [*hpo, "status", *large],
        "`hpo status s`": [*hpo, "status", "s", *large],
        "`hpo best s`": [*hpo, "best", "s", *large],
    }
    for ending in ("csv", "json", "parquet"):
        output = f"{folder}/out.{ending}"
        found[f"`hpo export s -o out.{ending}`"] = [*hpo, "export", "s", "-o", output, *large]
    for search in SEARCHES:
        found[f"a trial, {search}"] = [*here, "--trial", f"sqlite:///{folder}/{search}.db"]
    found[f"idle worker, {STUDIES} studies"] = [*here, "--idle", f"sqlite:///{folder}/finished.db"]
    return found


def best_of(rounds: int, command: list[str], folder: Path) -> dict[str, Any]:
    """Run a command some times; return the figures of the run of the least processor time."""
    runs = []
    for _ in range(1 if "--idle" in command else rounds):
        started = time.perf_counter()
        with (folder / "output").open("wb") as output:
            process = subprocess.Popen([sys.executable, *command], stdout=output)
            _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            raise SystemExit(f"{command} failed")
        run = {
            "cpu": used.ru_utime + used.ru_stime,
            "wall": time.perf_counter() - started,
            "peak": used.ru_maxrss / MIB,
        }
        if "--trial" in command or "--idle" in command:
            run |= json.loads((folder / "output").read_text().splitlines()[-1])
        runs.append(run)
    return min(runs, key=lambda run: float(run["cpu"]))


def make(folder: Path) -> None:
    """Make the databases that are not there."""
    for search in SEARCHES:
        if not (folder / f"{search}.db").exists():
            make_large_study(folder / f"{search}.db", search)
    if not (folder / "finished.db").exists():
        make_finished_studies(folder / "finished.db")


def make_large_study(file: Path, search: str) -> None:
    """Make a study `s` of many finished trials."""
    from studies import create_study
    from studies.definition.study import parse_definition

    table = {
        "name": "s",
        "objective": "mlp",
        "dataset": "digits",
        "search": SEARCHES[search],
        "fixed": {"epochs": 1},
        "space": {
            "hidden_units": [[32], [64]],
            "learning_rate": {"low": 1e-4, "high": 1e-1, "log": True},
            "dropout": {"low": 0.05, "high": 0.5, "step": 0.05},
            "activation": ["relu", "tanh"],
            "optimizer": ["adam", "rmsprop"],
        },
    }
    definition = parse_definition(table)
    create_study(definition, f"sqlite:///{file}", artifacts=file.parent / "artifacts")
    rows = random_trials(definition.factors.factors)
    with sqlite3.connect(file) as database:
        fill(database, rows)


def random_trials(factors: dict[str, Any]) -> list[dict[str, Any]]:
    """Return finished trials: parameters as stored, and a history."""
    from optuna.distributions import distribution_to_json

    draw = random.Random(0)
    texts = {name: distribution_to_json(factor.distribution) for name, factor in factors.items()}
    numbers = {
        name: lambda d=factor.distribution: (
            draw.randrange(len(d.choices))
            if hasattr(d, "choices")
            else round(draw.uniform(d.low, d.high), 2 if d.step else 9)
        )
        for name, factor in factors.items()
    }
    return [
        {
            "params": [(name, numbers[name](), text) for name, text in texts.items()],
            "history": {m: [round(draw.random(), 6) for _ in range(REPORTS)] for m in METRICS},
            "state": "PRUNED" if number % 4 == 3 else "COMPLETE",
        }
        for number in range(TRIALS)
    ]


def fill(database: sqlite3.Connection, trials: list[dict[str, Any]]) -> None:
    """Write finished trials into the only study, over those that wait there first."""
    when = "2030-01-01 00:00:00.000000", "2030-01-01 00:01:00.000000"
    database.execute("DELETE FROM trials WHERE number < ?", (TRIALS,))
    for table in ("trial_params", "trial_user_attributes", "trial_system_attributes"):
        database.execute(f"DELETE FROM {table} WHERE trial_id NOT IN (SELECT trial_id FROM trials)")
    database.executemany(
        "INSERT INTO trials (trial_id, number, study_id, state, datetime_start, datetime_complete)"
        " VALUES (?, ?, 1, ?, ?, ?)",
        [(i + 1, i, trial["state"], *when) for i, trial in enumerate(trials)],
    )
    database.executemany(
        "INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)"
        " VALUES (?, ?, ?, ?)",
        [(i, *param) for i, trial in enumerate(trials, 1) for param in trial["params"]],
    )
    database.executemany(
        "INSERT INTO trial_values (trial_id, objective, value, value_type)"
        " VALUES (?, 0, ?, 'FINITE')",
        [(i, trial["history"]["val_accuracy"][-1]) for i, trial in enumerate(trials, 1)],
    )
    database.executemany(
        "INSERT INTO trial_intermediate_values"
        " (trial_id, step, intermediate_value, intermediate_value_type)"
        " VALUES (?, ?, ?, 'FINITE')",
        [
            (i, step, value)
            for i, trial in enumerate(trials, 1)
            for step, value in enumerate(trial["history"]["val_accuracy"], 1)
        ],
    )
    others = {
        "seed": 0,
        "epochs": REPORTS,
        "best_epoch": REPORTS,
        "train_seconds": 1.234,
        "parameters": 12345,
        "device": "cpu",
        "worker": "host-12345-abcd",
        "versions": {"keras": "3.15.1", "jax": "0.10.2", "optuna": "5.0.0"},
    }
    database.executemany(
        "INSERT INTO trial_user_attributes (trial_id, key, value_json) VALUES (?, ?, ?)",
        [
            (i, key, json.dumps(value))
            for i, trial in enumerate(trials, 1)
            for key, value in others.items()
        ],
    )
    database.executemany(
        "INSERT INTO trial_system_attributes (trial_id, key, value_json) VALUES (?, 'history', ?)",
        [(i, json.dumps(trial["history"])) for i, trial in enumerate(trials, 1)],
    )


def make_finished_studies(file: Path) -> None:
    """Make many studies whose trials have all ended."""
    from storage import create_storage
    from studies import create_study
    from studies.definition.study import parse_definition

    storage = create_storage(f"sqlite:///{file}")
    for i in range(STUDIES):
        table = {
            "name": f"study-{i}",
            "objective": "mlp",
            "dataset": "digits",
            "search": {"sampler": "tpe", "n_trials": 10} if i % 2 else {"design": "grid"},
            "space": {"learning_rate": [0.001 * (1 + each) for each in range(10)]},
        }
        create_study(parse_definition(table), storage, artifacts=file.parent / "artifacts")
    storage.engine.dispose()
    with sqlite3.connect(file) as database:
        database.execute(
            "INSERT INTO trials (number, study_id, state)"
            " WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 9)"
            " SELECT i, study_id, 'COMPLETE' FROM studies, n WHERE study_id % 2 = 0"
        )
        database.execute(
            "UPDATE trials SET state = 'COMPLETE', datetime_complete = '2030-01-01 00:00:00.000000'"
        )


def run_a_trial(url: str) -> None:
    """Work on one trial of the study, and print what this process took, without its child."""
    from studies.worker.loop import WorkerOptions, work

    seen: dict[str, float] = {}

    class Times(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            message = record.getMessage()
            for word in ("claimed", "training starts"):
                if word in message:
                    seen.setdefault(word, usage()["cpu"])

    logging.getLogger().addHandler(Times())
    logging.getLogger().setLevel(logging.INFO)
    taken = work(url, ["s"], WorkerOptions(max_trials=1, pack_size=1))
    assert taken == 1, "there is a trial to take"
    more = ", ".join(f"{word} after {seconds:.2f} s" for word, seconds in seen.items())
    print(json.dumps(usage() | {"more": more}))


def idle(url: str) -> None:
    """Wait for work, and print the processor seconds and transactions of a second of it."""
    import threading

    from sqlalchemy import Engine, event

    from studies.worker.loop import WorkerOptions, work

    begun: list[None] = []
    event.listen(Engine, "begin", lambda _: begun.append(None))

    def watch() -> None:
        time.sleep(IDLE_FOR)  # it opens the studies first
        first, cpu = len(begun), usage()["cpu"]
        time.sleep(IDLE_FOR)
        spent, n = (usage()["cpu"] - cpu) / IDLE_FOR, (len(begun) - first) / IDLE_FOR
        more = f"{n:.1f} transactions/s, {spent:.1%} of a core"
        print(json.dumps(usage() | {"more": more}), flush=True)
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
    work(url, [], WorkerOptions(wait=True))


def usage() -> dict[str, float]:
    """Return the processor seconds and the peak of memory of this process."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return {"cpu": used.ru_utime + used.ru_stime, "peak": used.ru_maxrss / MIB}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--trial"]:
        run_a_trial(sys.argv[2])
    elif sys.argv[1:2] == ["--make"]:
        make(Path(sys.argv[2]))
    elif sys.argv[1:2] == ["--idle"]:
        idle(sys.argv[2])
    else:
        main()
