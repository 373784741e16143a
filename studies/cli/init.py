"""The text of `hpo init`: a study's TOML file, with the space that a user's function asks for."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from objectives.code.names import file_of
from objectives.errors import unknown_name
from objectives.own.directions import RETURNED, direction_of
from objectives.own.hyperparameters import OwnHyperparameters
from objectives.own.toml import toml_key, toml_value
from objectives.types import Direction
from studies.cli.waiting import told_while
from studies.definition.search import SearchOptions
from studies.definition.study import StudyDefinition
from studies.errors import DefinitionError
from studies.fleet.own_code import backend_of, inspect, located
from studies.worker.open_studies import check_allowed

PLAIN = ("val_accuracy", "val_loss")
N_TRIALS = 30
COMMENTS = (
    "[space] is what the function asks for. Change bounds here: they win over those in the code.",
    "[fixed] takes more of training: hpo keys fixed.",
)


def study_text(
    objective: str,
    dataset: str,
    data: Mapping[str, Any],
    file: Path,
    metric: str | None,
    allow_modules: Sequence[str],
    tell: Callable[[str], None],
) -> str:
    """Look at the networks of a function, and return the text of a study that searches them.

    Args:
        objective: The function.
        dataset: The data to train on.
        data: The lines of `[data]`.
        file: Where the text will be written.
        metric: The metric of the study; None to choose it.
        allow_modules: Packages and files whose functions may be executed.
        tell: Called with a line that a person should read.

    Raises:
        DefinitionError: The function, its networks or the data are not what they should be.
        WorkerError: The function is of none of these packages and files.
    """
    definition = StudyDefinition(
        name=file.stem,
        objective=objective,
        dataset=dataset,
        data=dict(data),
        metric=metric or "val_loss",
        direction="minimize",
        search=SearchOptions.model_validate({"n_trials": N_TRIALS}),
    )
    check_allowed(definition, allow_modules)
    code = located("objective", definition.objective)
    found = inspect(definition, code, told_while)
    chosen = metric or metric_of(found.metrics)
    direction = _direction(chosen, found.metrics)
    for note in found.notes:
        tell(note)
    n = len(found.space)
    parameters = "1 parameter" if n == 1 else f"{n} parameters"
    tell(f"{objective} asks for {parameters}, as {found.n_builds} builds have shown.")
    tell(f"Trained by {found.trained_by}: {found.reason}.")
    backend = backend_of(definition, code)
    lines = {
        "name": file.stem,
        "objective": function_beside(definition.objective, file),
        "dataset": _dataset_beside(definition, dataset, file),
        "metric": chosen,
        "direction": direction,
        **({} if backend == "auto" else {"backend": backend}),
    }
    tables = {**({"data": data} if data else {}), **_tables(found.space, found.training)}
    return toml_text(lines, tables, COMMENTS)


def _dataset_beside(definition: StudyDefinition, dataset: str, file: Path) -> str:
    """Return the data as a TOML file names them: a path relative to its own."""
    if definition.is_loaded_by_code:
        return function_beside(str(definition.dataset), file)
    return _beside(dataset, file) if Path(dataset).exists() else dataset


def _direction(metric: str, known: Sequence[str]) -> Direction:
    if metric not in known:
        name = "a metric that the network reports"
        raise DefinitionError("metric", str(unknown_name(name, metric, known)))
    direction = direction_of(metric)
    if direction is None:
        raise DefinitionError(
            "metric",
            f"Expected a metric of Keras, which tells whether more is better. Received: {metric}. "
            "Write the study by hand, with metric and direction.",
        )
    return direction


def _tables(
    space: Mapping[str, Any], training: Mapping[str, int | None]
) -> dict[str, Mapping[str, Any]]:
    """Return the tables of a study: what training reads is fixed where the function leaves it.

    Args:
        space: The lines of `[space]`.
        training: Numbers of training that the code itself gives; None for those that vary.
    """
    defaults = OwnHyperparameters()
    fixed = {"epochs": defaults.epochs, "batch_size": defaults.batch_size, **training}
    return {
        "search": {"n_trials": N_TRIALS},
        "fixed": {name: value for name, value in fixed.items() if value and name not in space},
        "space": space,
    }


def metric_of(metrics: Sequence[str]) -> str:
    """Choose the metric of a study: accuracy, else another that is better higher, else the loss.

    Before all of them what a `fit` of KerasTuner's users returns, which that tool would take.
    """
    if RETURNED in metrics:
        return RETURNED
    validated = [name for name in metrics if name.startswith("val_")]
    higher = [name for name in validated if direction_of(name) == "maximize"]
    return next((name for name in (PLAIN[0], *higher) if name in validated), PLAIN[1])


def toml_text(
    lines: Mapping[str, Any], tables: Mapping[str, Mapping[str, Any]], comments: Sequence[str]
) -> str:
    """Return a definition as TOML.

    Args:
        lines: The lines at the top.
        tables: The tables below: name -> its lines.
        comments: Lines for the reader, above all.
    """
    parts = [f"# {comment}\n" for comment in comments]
    parts += ["".join(f"{name} = {toml_value(value)}\n" for name, value in lines.items())]
    for name, table in tables.items():
        rows = "".join(f"{toml_key(key)} = {toml_value(value)}\n" for key, value in table.items())
        parts.append(f"\n[{name}]\n{rows}")
    return "".join(parts)


def function_beside(name: str, file: Path) -> str:
    """Return a function as a TOML file names it: the path of a .py file relative to its own."""
    code = file_of(name)
    return name if code is None else f"{_beside(code, file)}:{name.rpartition(':')[2]}"


def _beside(path: str | Path, file: Path) -> str:
    """Return a path relative to the folder of a file, as that file names it."""
    return Path(os.path.relpath(path, file.absolute().parent)).as_posix()
