"""The top-level packages of this service and of users' functions, whose names must differ."""

import re
from pathlib import Path

PACKAGES = ("objectives", "storage", "studies")
_MODULE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_FILE = re.compile(r".+\.py:[A-Za-z_]\w*")


def is_function(name: str) -> bool:
    """Tell whether a name is `package.module:function` or `path/of/file.py:function`."""
    pattern = _MODULE if file_of(name) is None else _FILE
    return pattern.fullmatch(name) is not None


def file_of(function: str) -> Path | None:
    """Return the file of a user's function, `path/of/file.py:name`; None for one of a module."""
    where = function.rpartition(":")[0]
    return Path(where) if where.endswith(".py") else None


def module_to_allow(function: str) -> str:
    """Return what --allow-module takes to allow a user's function: its package, or its file."""
    file = file_of(function)
    return package_of(function) if file is None else str(file)


def package_of(function: str) -> str:
    """Return the package of a user's function, or its file's name without .py."""
    file = file_of(function)
    return function.rpartition(":")[0].partition(".")[0] if file is None else file.stem
