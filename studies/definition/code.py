"""The objective that is a user's code: `package.module:function` or `path/of/file.py:function`."""

from __future__ import annotations

import os
import re
from pathlib import Path

from studies.errors import DefinitionError
from studies.packages import PACKAGES, file_of, package_of

_MODULE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_FILE = re.compile(r".+\.py:[A-Za-z_]\w*")


def with_absolute_file(objective: str, folder: Path) -> str:
    """Return an objective whose file, if it names one, has an absolute path.

    Args:
        objective: The objective; one of a module is returned as it is.
        folder: What a relative path is relative to.
    """
    file = file_of(objective)
    if file is None or not _FILE.fullmatch(objective):
        return objective
    return f"{os.path.abspath(folder / file)}:{objective.rpartition(':')[2]}"


def check_code(objective: str) -> None:
    """Check the name of a user's function; the code is not looked for.

    Raises:
        DefinitionError: It has another form, or cannot be in another process.
    """
    pattern = _MODULE if file_of(objective) is None else _FILE
    if not pattern.fullmatch(objective):
        raise DefinitionError(
            "objective",
            "Expected package.module:function or path/of/file.py:function. "
            f"Received: {objective!r}.",
        )
    package, function = package_of(objective), objective.rpartition(":")[2]
    if package == "__main__":
        raise DefinitionError(
            "objective",
            f"Expected a function of a module. Received: {objective!r}, which is one of a "
            "notebook or a script, and not in the processes that execute trials. Write it into "
            f"a file beside it, such as my_objective.py, and name it my_objective:{function}.",
        )
    if package in PACKAGES:
        raise DefinitionError(
            "objective",
            f"Expected a module of your own. Received: {objective!r}. "
            f"{', '.join(PACKAGES)} are this service's own packages: yours needs another name.",
        )
