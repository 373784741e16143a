"""Whose code the words of a command line trust: a .toml file's, a .py file's, --allow-module's.

A study in the database may have been written by anybody who can reach it, so its name trusts none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any


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
        if Path(source).suffix == ".toml" and Path(source).is_file():
            with suppress(DefinitionError):  # it is told where the definition is read
                table = with_overrides(read_table(source, quick=quick), given)
                named = (str(table.get(key)) for key in ("objective", "dataset"))
                found += [module_to_allow(name) for name in named if is_function(name)]
    return found
