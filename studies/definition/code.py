"""The objective that is a user's code: `package.module:function` or `path/of/file.py:function`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from objectives.code import source_code
from objectives.code.names import PACKAGES, file_of, is_function, package_of
from objectives.code.source_code import SourceCode
from studies.errors import DefinitionError


@dataclass(frozen=True)
class CodeRecord:
    """What is stored with a study of the code that builds its networks.

    Attributes:
        sha256: The hash of the file and of what it imports from its folder.
        package: Name and version of the installed package that it belongs to; None for a file.
        cpu_backend: The Keras backend that trains the networks on a CPU.
        trained_by: The way in which they are trained.
        reason: Why in this one.
        structural: The factors that decide about the structure of the networks.
    """

    sha256: str
    package: str | None
    cpu_backend: str
    trained_by: str
    reason: str
    structural: list[str]


def locate(objective: str, folder: Path | None = None) -> SourceCode:
    """Find the code of a user's function on this machine; none of it is executed.

    Args:
        objective: The objective.
        folder: A folder that has the code of other machines; None for the objective's own file,
            or for modules that can be imported here.

    Raises:
        CodeError: There is none, or it has a mistake in its syntax.
    """
    return source_code.find(in_code_folder(objective, folder), folder or Path.cwd())


def in_code_folder(objective: str, folder: Path | None) -> str:
    """Return an objective with its file in a folder, if the folder has one of its name."""
    file = file_of(objective)
    if file is None or folder is None or not (folder / file.name).is_file():
        return objective
    return with_absolute_file(f"{file.name}:{objective.rpartition(':')[2]}", folder)


def with_absolute_file(objective: str, folder: Path) -> str:
    """Return an objective whose file, if it names one, has an absolute path.

    Args:
        objective: The objective; one of a module is returned as it is.
        folder: What a relative path is relative to.
    """
    file = file_of(objective)
    if file is None or not is_function(objective):
        return objective
    return f"{os.path.abspath(folder / file)}:{objective.rpartition(':')[2]}"


def check_code(key: str, objective: str) -> None:
    """Check the name of a user's function, in the line of a key; the code is not looked for.

    Raises:
        DefinitionError: It has another form, or cannot be in another process.
    """
    if not is_function(objective):
        raise DefinitionError(
            key,
            "Expected package.module:function or path/of/file.py:function. "
            f"Received: {objective!r}.",
        )
    package, function = package_of(objective), objective.rpartition(":")[2]
    if package == "__main__":
        raise DefinitionError(
            key,
            f"Expected a function of a module. Received: {objective!r}, which is one of a "
            "notebook or a script, and not in the processes that execute trials. Write it into "
            f"a file beside it, such as my_objective.py, and name it my_objective:{function}.",
        )
    if package in PACKAGES:
        raise DefinitionError(
            key,
            f"Expected a module of your own. Received: {objective!r}. "
            f"{', '.join(PACKAGES)} are this service's own packages: yours needs another name.",
        )
