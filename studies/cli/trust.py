"""Whose code the words of a command line trust: a .toml file's, a .py file's, --allow-module's.

A study in the database may have been written by anybody who can reach it, so its name trusts none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from shlex import quote
from typing import Any

BUDGET = ("search.n_trials", "search.timeout")


def trusted(
    sources: Sequence[str],
    allow_module: Sequence[str] | None,
    given: Mapping[str, Any],
    *,
    quick: bool = False,
) -> list[str]:
    """Return the packages and files whose functions may be executed.

    What packages of --allow-module have registered as objectives can be loaded from then on.

    Args:
        sources: The studies of the command line; those that are .toml files count.
        allow_module: The values of --allow-module.
        given: The values of --set, by key.
        quick: Whether the small form of a study is wanted.
    """
    import objectives
    from objectives.code.names import is_function, module_to_allow
    from studies.definition.files import read_table, with_overrides
    from studies.errors import DefinitionError

    found = list(allow_module or ())
    objectives.admit(found)
    for source in sources:
        if _is_file(source):
            with suppress(DefinitionError):  # it is told where the definition is read
                table = with_overrides(read_table(source, quick=quick), given)
                named = (str(table.get(key)) for key in ("objective", "dataset"))
                found += [module_to_allow(name) for name in named if is_function(name)]
    return found


def file_arguments(
    source: str,
    study_name: str,
    *,
    name: str | None = None,
    pairs: Sequence[str] | None = None,
    quick: bool = False,
) -> str | None:
    """Return the arguments that name a study by its .toml file again, whose code is trusted.

    Args:
        source: The study, as the command line has it.
        study_name: Its name in the storage.
        name: The value of --name.
        pairs: The values of --set; those of the budget are left out, as -n is.
        quick: Whether its small form was wanted.

    Returns:
        None where it was not named by a file.
    """
    from studies.lookup import as_argument

    if source == study_name or not _is_file(source):  # a study of the storage may have that name
        return None
    kept = [pair for pair in pairs or () if not pair.strip().startswith(BUDGET)]
    words = [f"--name={quote(name)}"] if name is not None else []
    words += [f"--set {quote(pair)}" for pair in kept]
    words += ["--quick"] if quick else []
    return " ".join([*words, as_argument(source)])


def _is_file(source: str) -> bool:
    return Path(source).suffix == ".toml" and Path(source).is_file()
