"""Whether the code that a trial was made with is still the code on this machine."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from studies.attributes import CODE_SHA256_KEY
from studies.definition.code import locate
from studies.errors import CodeError

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial

    from studies.definition.study import StudyDefinition

SAME, OTHER, MISSING = "the same", "another", "not here"
Row = tuple[str, str | None, str]


def code_rows(definition: StudyDefinition, trial: FrozenTrial) -> Iterator[Row]:
    """Yield file, SHA-256 and what is here, of a user's code; nothing is executed."""
    if definition.is_own_network:
        yield _network_code(definition.objective, trial.user_attrs.get(CODE_SHA256_KEY))
    elif definition.is_function:
        yield from _function_code(definition.objective, trial)
    if definition.is_loaded_by_code:  # its hash is that of what it returns: the data's
        yield str(definition.dataset), None, "loads the data, whose SHA-256 counts"


def _network_code(objective: str, sha256: str | None) -> Row:
    """Return what is known of the code of a network: one hash of it and of what it imports."""
    try:
        code = locate(objective)
        return str(code.file), sha256, SAME if code.sha256 == sha256 else OTHER
    except (CodeError, ValueError):
        return objective, sha256, MISSING


def _function_code(objective: str, trial: FrozenTrial) -> Iterator[Row]:
    """Yield the modules of a function's package, or those beside its file."""
    try:
        root: Path | None = locate(objective).root
    except (CodeError, ValueError):
        root = None
    for module, sha256 in trial.user_attrs.get("files_sha256", {}).items():
        file = None if root is None else _file_of(module, root)
        if file is None:
            yield module, sha256, MISSING
        else:
            now = hashlib.sha256(file.read_bytes()).hexdigest()
            yield str(file), sha256, SAME if now == sha256 else OTHER


def _file_of(module: str, root: Path) -> Path | None:
    place = root.joinpath(*module.split("."))
    found = (place.with_name(f"{place.name}.py"), place / "__init__.py")
    return next((each for each in found if each.is_file()), None)
