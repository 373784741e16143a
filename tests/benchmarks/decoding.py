"""What reading both hands together is worth: a study's kept networks, read both ways.

    hpo run clock-heads --set keep=42
    python tests/benchmarks/decoding.py clock-heads --storage sqlite:///hpo.db

Each network's readings of the validation part, once with hour and minute each by its own outputs,
once by the time that agrees best with both. The network is the same, so all that differs is how it
is read. A reading is off by whole hours if it is wrong by one hour or more, and by a number of
hours but for at most 10 minutes. Near the full hour: from 10 minutes before to 10 after.
"""

from __future__ import annotations

import json
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import optuna
import typer
from rich import box
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from studies import StudyDefinition

# Before this folder, where a file has the name of the package.
sys.path.insert(0, str(Path(__file__).parents[2]))
SLACK = 10  # minutes
WAYS = ("independent", "joint")


@dataclass(frozen=True)
class Readings:
    """One network's readings in one way; shares from 0 to 1."""

    head: str
    decoding: str
    mean: float
    median: float
    near: float
    elsewhere: float


def main(
    study: str, storage: Annotated[str, typer.Option(envvar="OPTUNA_STORAGE")] = "sqlite:///hpo.db"
) -> None:
    """Read every kept network of a study that has something to agree, and print the table."""
    from studies import load_study

    found, definition = load_study(study, storage)
    readings = [each for trial in found.trials for each in read(found, definition, trial)]
    table = Table(title="The same networks, read both ways: medians over seeds", box=box.SIMPLE)
    for name in ("head", "decoding", "n", "mean", "median", "near", "elsewhere"):
        table.add_column(name, justify="left" if name in ("head", "decoding") else "right")
    for head in sorted({each.head for each in readings}):
        for way in WAYS:
            own = [each for each in readings if (each.head, each.decoding) == (head, way)]
            mean, median, near, elsewhere = (
                statistics.median(getattr(each, name) for each in own)
                for name in ("mean", "median", "near", "elsewhere")
            )
            shares = f"{near:.1%}", f"{elsewhere:.1%}"
            table.add_row(head, way, str(len(own)), f"{mean:.1f}", f"{median:.1f}", *shares)
    Console().print(table)
    print(json.dumps([vars(each) for each in readings]))


def read(
    study: optuna.Study, definition: StudyDefinition, trial: optuna.trial.FrozenTrial
) -> list[Readings]:
    """Return the readings of a trial's network in both ways, if there is such a network."""
    import objectives
    from objectives.data import datasets
    from objectives.training import evaluate
    from studies import load_model
    from studies.space.parse_space import SEED

    setting = definition.factors.resolve(trial.params)
    setting.pop(SEED, None)
    objective = objectives.get(definition.objective)
    heads = [
        objective.head_of(objective.hyperparameters(**setting | {"decoding": way})) for way in WAYS
    ]
    if len(heads[0].outputs) == 1 or setting["head"] == "two_heads":
        return []  # there is nothing to agree, or only one way to
    try:
        network = load_model(study, trial.number)
    except FileNotFoundError:
        return []
    data = datasets.load(definition.dataset, definition.data)
    found = []
    for way, head in zip(WAYS, heads, strict=True):
        _, predicted = evaluate.losses_and_predictions(
            network, head, data.x_validation, data.y_validation
        ).T
        found.append(readings_of(setting["head"], way, data.y_validation, predicted.astype(int)))
    return found


def readings_of(head: str, way: str, y: np.ndarray, predicted: np.ndarray) -> Readings:
    """Return what a network's readings come to."""
    from objectives.clock.metrics import common_sense_error

    error = common_sense_error(y, predicted)
    hours = np.abs(error - 60 * np.round(error / 60)) <= SLACK
    off = hours & (error >= 60 - SLACK)
    near = np.minimum(y % 60, 60 - y % 60) <= SLACK
    shares = float(off[near].mean()), float(off[~near].mean())
    return Readings(head, way, float(error.mean()), float(np.median(error)), *shares)


if __name__ == "__main__":
    typer.run(main)
