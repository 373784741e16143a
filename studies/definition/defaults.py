"""The lines of a definition that follow from others: metric, direction, the place of a file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import objectives
from objectives.code.names import is_function
from objectives.data.options import COMMON
from objectives.own.directions import direction_of
from studies.definition.code import with_absolute_file
from studies.errors import DefinitionError


def with_defaults(table: Mapping[str, Any]) -> dict[str, Any]:
    """Return a definition with the metric of its objective, and the direction of its metric."""
    given = _with_arguments(dict(table))
    if ":" in str(given.get("objective")):
        given["objective"] = with_absolute_file(str(given["objective"]), Path.cwd())
        # "value" is the name that a function's result gets.
        given.setdefault("metric", "value" if given.get("dataset") is None else "val_accuracy")
        direction = None if given.get("dataset") is None else direction_of(str(given["metric"]))
        if direction is not None:
            given.setdefault("direction", direction)
        elif given.get("dataset") is not None and "direction" not in given:
            raise DefinitionError(
                "direction",
                f"Expected 'maximize' or 'minimize' for {given['metric']}, which is no metric of "
                "Keras. Received: a definition without it.",
            )
    else:
        known = given.get("objective") in objectives.names()
        network = objectives.get(given["objective"]) if known else None
        metrics = {} if network is None else network.metrics
        given.setdefault("metric", next(iter(metrics), "val_accuracy"))
        every = metrics if network is None else {**network.number_metrics, **metrics}
        # An unknown metric is reported as such, not as a missing direction.
        given.setdefault("direction", every.get(str(given["metric"]), "maximize"))
    return given


def _with_arguments(given: dict[str, Any]) -> dict[str, Any]:
    """Take the lines of `[data]` that are no options as arguments of a function that loads it."""
    dataset, data = given.get("dataset"), given.get("data")
    if not isinstance(dataset, str) or not is_function(dataset):
        return given
    given["dataset"] = with_absolute_file(dataset, Path.cwd())
    if isinstance(data, Mapping) and "arguments" not in data:  # which a stored definition has
        options = {key: value for key, value in data.items() if key in COMMON}
        others = {key: value for key, value in data.items() if key not in COMMON}
        given["data"] = {**options, "arguments": others}
    return given
