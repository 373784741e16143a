"""The top-level packages of this service and of users' functions, whose names must differ."""

from pathlib import Path

PACKAGES = ("objectives", "storage", "studies")


def file_of(function: str) -> Path | None:
    """Return the file of a user's function, `path/of/file.py:name`; None for one of a module."""
    where = function.rpartition(":")[0]
    return Path(where) if where.endswith(".py") else None


def package_of(function: str) -> str:
    """Return the package of a user's function, or its file's name without .py.

    Of `package.module:name` this is what --allow-module takes.
    """
    file = file_of(function)
    return function.rpartition(":")[0].partition(".")[0] if file is None else file.stem
