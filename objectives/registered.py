"""Objectives of installed packages, which register them as entry points of a group.

An entry point is somebody else's code. It is imported only where the person who runs this process
has admitted its package, by --allow-module or `admit`: a study in a database names an objective,
and admits none.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from objectives.errors import CodeError

GROUP = "hpo.objectives"
_admitted: set[str] = set()
_loaded: dict[str, Any] = {}


def admit(modules: Iterable[str]) -> None:
    """Let this process load the objectives that packages have registered.

    Args:
        modules: Packages or modules; with a package, all of its modules.
    """
    _admitted.update(modules)


def admitted() -> tuple[str, ...]:
    """Return what was admitted in this process, sorted."""
    return tuple(sorted(_admitted))


def names() -> list[str]:
    """Return the names of the objectives that may be loaded, in no order."""
    if not _admitted:  # to look for entry points takes as long as some commands
        return []
    return [each.name for each in _entry_points() if _is_admitted(each)]


def load(name: str) -> Any | None:
    """Return what a package has registered under a name; None for nothing that may be loaded.

    Raises:
        CodeError: It cannot be imported.
    """
    if name not in _loaded:
        entry = next((each for each in _found(name) if _is_admitted(each)), None)
        if entry is None:
            return None
        try:
            _loaded[name] = entry.load()
        except Exception as error:
            raise CodeError(
                f"Expected an objective {name} in {entry.value}. "
                f"Received: {type(error).__name__}: {error}."
            ) from error
    return _loaded[name]


def remedy(name: str) -> str:
    """Return what to do about a name that is registered, but not admitted; empty for another."""
    for entry in _found(name):
        package = entry.module.partition(".")[0]
        return (
            f"The package {package} has registered {name}, and its code would be executed. If you "
            f"trust it: --allow-module {package}, in Python objectives.admit([{package!r}])."
        )
    return ""


@cache
def _entry_points() -> tuple[EntryPoint, ...]:
    return tuple(entry_points(group=GROUP))


def _found(name: str) -> list[EntryPoint]:
    return [each for each in _entry_points() if each.name == name]


def _is_admitted(entry: EntryPoint) -> bool:
    return any(f"{entry.module}.".startswith(f"{each}.") for each in _admitted)
