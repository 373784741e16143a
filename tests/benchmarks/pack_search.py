"""Whether suggesting by packs searches as well as one by one: TPE on a grid that is known.

    python tests/benchmarks/pack_search.py --seeds 100

The 81 networks of quality.toml are trained once with each of three seeds. Then TPE searches among
them, many times, as workers do but without training: the value is that of the grid. What is counted
are the trials until one is within .2 of a point of the best, for each size of packs. Points at
random are the measure of what TPE is worth here at all.

Needs Fashion-MNIST in the folder that HPO_DATA names.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import optuna
from race import pictures
from rich.console import Console
from rich.table import Table

# Before this folder, where a file has the name of the package.
sys.path.insert(0, str(Path(__file__).parents[2]))
from storage import TrialStorage, claim, create_storage, study_id
from studies import create_study, load_definition
from studies.definition.study import StudyDefinition
from studies.suggest import prepare_trials

DEFINITION = Path(__file__).with_name("quality.toml")
MARGIN = 0.002
REPLICATES = 3
Point = frozenset[tuple[str, object]]
Values = Mapping[Point, float]


def main() -> None:
    """Train the grid, search it many times, and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--pictures", type=int, default=10_000)
    parser.add_argument("--pack-sizes", nargs="*", type=int, default=[1, 2, 4, 8, 16])
    chosen = parser.parse_args()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with tempfile.TemporaryDirectory() as folder:
        grids = [train_grid(Path(folder), chosen.pictures, seed) for seed in range(REPLICATES)]
        found = {"at random": [at_random(grids, seed) for seed in range(chosen.seeds)]}
        for pack_size in chosen.pack_sizes:
            url = f"sqlite:///{folder}/{pack_size}.db"
            storage = create_storage(url, waiting=False)
            found[f"TPE, packs of {pack_size}"] = [
                searched(storage, grids[seed % REPLICATES], pack_size, seed)
                for seed in range(chosen.seeds)
            ]
    show(found)


def train_grid(folder: Path, n_pictures: int, seed: int) -> Values:
    """Return what each of the 81 points comes to."""
    url = f"sqlite:///{folder}/grid.db"
    data = pictures(folder, n_pictures)
    command = [sys.executable, "-P", "-m", "studies", "run", str(DEFINITION), "-j2"]
    lines = [f"dataset={data}", f"search.seed={seed}", f"name=grid-{seed}"]
    lines += ["search.design=grid", "search.pruner=none"]
    table = DEFINITION.read_text().replace('sampler = "tpe"\n', "").replace("n_trials = 81\n", "")
    file = folder / "grid.toml"
    file.write_text(table)
    command[command.index(str(DEFINITION))] = str(file)
    command += [part for line in lines for part in ("--set", line)]
    environment = os.environ | {"OPTUNA_STORAGE": url}
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    trials = optuna.load_study(study_name=f"grid-{seed}", storage=url).trials
    return {frozenset(t.params.items()): t.value for t in trials if t.value is not None}


def searched(storage: TrialStorage, values: Values, pack_size: int, seed: int) -> int:
    """Return the trials until TPE is there, by packs."""
    definition = load_definition(
        DEFINITION, {"name": str(seed), "search.seed": seed, "search.pruner": "none"}
    )
    study = create_study(definition, storage)
    goal, done = max(values.values()) - MARGIN, 0
    while done < len(values):
        for value in told(storage, study, definition, values.__getitem__, pack_size):
            done += 1
            if value >= goal:
                return done
    return done


def told(
    storage: TrialStorage,
    study: optuna.Study,
    definition: StudyDefinition,
    value_of: Callable[[Point], float],
    pack_size: int,
) -> list[float]:
    """Do a pack of trials, as a worker does; return their values."""
    claimed = claim(storage, study_id(study), pack_size)
    with storage.batch(study_id(study)) as batch:
        alike = definition.structural_factors if pack_size > 1 else frozenset()
        prepared = prepare_trials(study, definition, claimed, alike=alike)
    batch.write()
    found = []
    with storage.batch(study_id(study)) as batch:
        for each in prepared:
            found.append(value_of(frozenset(each.params.items())))
            study.tell(each.trial, found[-1])
    batch.write()
    return found


def at_random(grids: list[Values], seed: int) -> int:
    """Return the trials until points in a random order are there."""
    values = grids[seed % REPLICATES]
    order = random.Random(seed).sample(list(values.values()), len(values))
    return next(i for i, value in enumerate(order, 1) if value >= max(order) - MARGIN)


def show(found: dict[str, list[int]]) -> None:
    """Print the quartiles, and the JSON line."""
    n = len(next(iter(found.values())))
    table = Table(title=f"Trials until within {MARGIN} of the best of 81, {n} seeds")
    for column in ("search", "median", "quartiles", "mean"):
        table.add_column(column, justify="left" if column == "search" else "right")
    for name, trials in found.items():
        low, middle, high = statistics.quantiles(trials, n=4)
        mean = statistics.mean(trials)
        table.add_row(name, f"{middle:.0f}", f"{low:.0f} to {high:.0f}", f"{mean:.1f}")
    Console().print(table)
    print(json.dumps({"benchmark": "pack_search", "trials": found}))


if __name__ == "__main__":
    main()
