"""Turn what pydantic says of a definition into an error that names the line and the remedy."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

import objectives
from objectives import DataOptions
from objectives.errors import LISTED, unknown_name
from objectives.own.hyperparameters import OwnHyperparameters
from objectives.training_hyperparameters import TrainingHyperparameters
from studies.definition.check_network import check_metric_name
from studies.definition.fixed import own_lines
from studies.definition.other_words import hint, without_guess
from studies.definition.search import SearchOptions
from studies.errors import DefinitionError
from studies.space.parse_space import parse_space

EXAMPLES = {  # of the lines that every definition has
    "name": '"my-first"',
    "objective": '"mlp", or "my_net.py:build" for a function of your own',
    "direction": '"maximize" or "minimize"',
}


def readable(error: ErrorDetails, top: type[BaseModel]) -> DefinitionError:
    """Turn one of pydantic's errors into one of this project, which names the line.

    Args:
        error: The error.
        top: The model whose fields are the keys at the top of the table.
    """
    return _plain_words(error, top).changed(with_hint)


def with_hint(mistake: DefinitionError) -> DefinitionError:
    """Return a mistake with what a word of another tool is called here, before a long list."""
    other_word = hint(mistake.key, mistake.message)
    if not other_word:
        return mistake
    words, listed, known = mistake.message.partition(LISTED)
    plain = without_guess(words)
    return DefinitionError(mistake.key, f"{plain} {other_word}{listed}{known}")


def _plain_words(error: ErrorDetails, top: type[BaseModel]) -> DefinitionError:
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, DefinitionError):
        return cause
    key = ".".join(str(part) for part in error["loc"] if not str(part).startswith("function-"))
    if error["type"] == "extra_forbidden":
        sections: dict[str, type[BaseModel]] = {"data": DataOptions, "search": SearchOptions}
        section = sections.get(str(error["loc"][0]), top)
        name = str(error["loc"][-1])
        return DefinitionError(key, str(unknown_name("a key", name, section.model_fields)))
    if error["type"] == "missing" and key == "search":
        return DefinitionError(
            key, "Expected a table [search], such as [search] with n_trials = 100. Received: none."
        )
    if error["type"] == "missing":
        such = f", such as {key} = {EXAMPLES[key]}" if key in EXAMPLES else ""
        return DefinitionError(key, f"Expected this line{such}. Received: a definition without it.")
    if isinstance(cause, ValueError):
        return DefinitionError(key or "study", str(cause))
    if error["type"] == "literal_error":
        known = re.findall(r"'([^']+)'|(\d+)", error["ctx"]["expected"])
        return DefinitionError(
            key, str(unknown_name("a value", str(error["input"]), [a or b for a, b in known]))
        )
    rule = error["msg"].removeprefix("Input should be ").replace("String should have", "text of")
    rule = rule.replace("a valid dictionary", "a table").replace("a valid", "a")
    return DefinitionError(key, f"Expected {rule}. Received: {error['input']!r}.")


@contextmanager
def at_point(point: Mapping[str, Any]) -> Iterator[None]:
    """Let an error of a setting say at which point of the space it is."""
    try:
        yield
    except ValueError as error:
        at = ", ".join(f"{k}={v}" for k, v in point.items()) or "fixed"
        raise DefinitionError(f"space ({at})", plain(error)) from None


def plain(error: ValueError) -> str:
    """Return the message of an error, without the prefix that pydantic adds."""
    if isinstance(error, ValidationError):
        return error.errors()[0]["msg"].removeprefix("Value error, ")
    return str(error)


def mistakes_beside(lines: Mapping[str, Any]) -> list[DefinitionError]:
    """Return the mistakes in `metric`, `[fixed]` and `[space]` of lines of which others are wrong.

    The check of the whole finds them only once every other table is right.
    """
    return [*_of_metric(lines), *_of_space(lines)]


def _of_metric(lines: Mapping[str, Any]) -> list[DefinitionError]:
    objective, metric = lines.get("objective"), lines.get("metric")
    if not isinstance(metric, str) or objective not in objectives.names():
        return []
    try:
        check_metric_name(metric, objectives.get(objective))
    except DefinitionError as error:
        return [error.changed(with_hint)]
    return []


def _of_space(lines: Mapping[str, Any]) -> list[DefinitionError]:
    objective, fixed, space = (lines.get(key, {}) for key in ("objective", "fixed", "space"))
    if not isinstance(objective, str) or not isinstance(fixed, dict) or not isinstance(space, dict):
        return []
    kind: type[TrainingHyperparameters] | None = None
    if objective in objectives.names():
        kind = objectives.get(objective).hyperparameters
    elif ":" not in objective:
        return []
    elif lines.get("dataset") is not None:
        kind = OwnHyperparameters
    try:
        parse_space(space, own_lines(fixed), kind)
    except DefinitionError as error:
        return [error.changed(with_hint)]
    return []
