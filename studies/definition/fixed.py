"""What no trial changes: the lines of `[fixed]`, and the best setting of a study that they name.

[fixed]
from = "fashion-mlp-grid"     the setting of the best trial of that study, but for what this study
epochs = 20                   fixes or searches itself

When the study is made, the name becomes a table with the trial and its setting, which stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from studies.errors import DefinitionError

FROM = "from"
PARTS = frozenset({"study", "trial", "setting"})


def check_from(fixed: Mapping[str, Any]) -> None:
    """Check the line `from` of `[fixed]`, if there is one.

    Raises:
        DefinitionError: It names no study.
    """
    given = fixed.get(FROM, "a study")
    is_table = isinstance(given, dict) and given.keys() == PARTS
    if not is_table and (not isinstance(given, str) or not given):
        raise DefinitionError(
            f"fixed.{FROM}",
            f'Expected the name of a study in the storage, as {FROM} = "NAME". '
            f"Received: {given!r}.",
        )


def predecessor(fixed: Mapping[str, Any]) -> str | None:
    """Return the study whose best setting is still to be looked up; None if there is none."""
    given = fixed.get(FROM)
    return given if isinstance(given, str) else None


def own_lines(fixed: Mapping[str, Any]) -> dict[str, Any]:
    """Return the hyperparameters that `[fixed]` itself names."""
    return {name: value for name, value in fixed.items() if name != FROM}


def fixed_values(fixed: Mapping[str, Any], space: Mapping[str, Any]) -> dict[str, Any]:
    """Return all hyperparameters that no trial changes.

    Args:
        fixed: The table `[fixed]`.
        space: The table `[space]`. What it searches is not taken from another study.
    """
    given = fixed.get(FROM)
    setting = given["setting"] if isinstance(given, dict) else {}
    searched = set(_searched(space))
    taken = {name: value for name, value in setting.items() if name not in searched}
    return taken | own_lines(fixed)


def _searched(space: Mapping[str, Any]) -> Iterator[str]:
    for name, line in space.items():
        yield name
        levels = line.get("levels", line) if isinstance(line, dict) else {}
        if isinstance(levels, dict):
            for label, sets in levels.items():
                if isinstance(sets, dict) and label != "when":
                    yield from sets
