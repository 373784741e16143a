"""The versions of the libraries that a result depends on."""

from __future__ import annotations

from functools import cache
from importlib.metadata import PackageNotFoundError, version

LIBRARIES = ("hpo", "keras", "tensorflow", "jax", "optuna", "numpy", "pillow")


@cache  # every trial records them, and reading them takes 5 ms
def installed_versions() -> dict[str, str]:
    """Return the version of this service and of each library that results depend on.

    A library that is not installed is left out: a GPU machine may have one backend only.
    """
    found = {}
    for library in LIBRARIES:
        try:
            found[library] = version(library)
        except PackageNotFoundError:
            continue
    return found
