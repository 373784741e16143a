"""Import once what many processes import: modules that are hidden until `import` asks for them.

A process that is forked from one that has called `import_all` finds each of these modules as if it
were read from its file at that time, and before that its `sys.modules` has none of them. What all
commands import is there from the beginning.
"""

from __future__ import annotations

import importlib
import os
import pkgutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import spec_from_loader
from types import ModuleType
from typing import Any

from forked_processes import LEAN

# The programs, and what needs libraries that few commands import.
NOT_IMPORTED = (
    "studies.__main__",
    "studies.cli.compare_tables",
    "studies.cli.confirm_tables",
    "studies.cli.effects_tables",
    "studies.cli.transfer_tables",
    "studies.confirmation.",
    "studies.dashboard.",
    "studies.executor.built_in_networks",
    "studies.executor.own_networks",
    "studies.executor.server",
    "studies.results.",
)
ALWAYS = ("psycopg", "sqlalchemy.dialects.postgresql.psycopg", "optuna.samplers")
# Each is shown with all that it has imported when one of its modules is imported.
GROUPS = (
    ("scipy.stats", "scipy.ndimage"),
    ("sklearn.datasets", "sklearn.model_selection"),
    ("pandas",),
    ("jax",),
    ("pytest",),
)


def import_all() -> None:
    """Import what commands, and children that train, import."""
    shared = _Shared()
    sys.meta_path.insert(0, shared)
    for name in ("storage", "studies"):
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            if not module.name.startswith(NOT_IMPORTED):
                importlib.import_module(module.name)
    for name in ALWAYS:
        importlib.import_module(name)
    for group in GROUPS:
        with shared.sharing():
            for name in group:
                importlib.import_module(name)
    with shared.sharing():
        _import_keras()
    with shared.sharing():
        importlib.import_module("matplotlib.figure")


@dataclass
class _Group:
    """Modules that were imported together."""

    modules: dict[str, ModuleType]
    needs: list[_Group]


class _Shared(MetaPathFinder, Loader):
    """Finds modules that were imported before, and hides them until then."""

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}
        self._needed: list[_Group] = []

    @contextmanager
    def sharing(self) -> Iterator[None]:
        """Hide the modules that are imported meanwhile, but for the standard library's."""
        before = set(sys.modules)
        self._needed = []
        yield
        shown = {name for group in self._needed for name in group.modules}
        new = {
            name: module
            for name, module in sys.modules.items()
            if name not in before | shown
            and name.partition(".")[0] not in sys.stdlib_module_names
            and module is not None
        }
        group = _Group(new, [*self._needed])
        self._groups |= dict.fromkeys(new, group)
        for name in new.keys() | shown - before:
            sys.modules.pop(name, None)

    def find_spec(self, fullname: str, path: Any, target: Any = None) -> ModuleSpec | None:
        """Show the group of a module; the import machinery adds the module itself."""
        group = self._groups.get(fullname)
        if group is None or not _may_be_shown(fullname, group):
            return None
        self._show(group)
        del sys.modules[fullname]
        module = group.modules[fullname]
        return spec_from_loader(fullname, self, is_package=hasattr(module, "__path__"))

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """Return the module as it was imported."""
        module = self._groups[spec.name].modules[spec.name]
        self._spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give it back the specification that the import machinery has put its own for."""
        module.__spec__ = self._spec

    def _show(self, group: _Group) -> None:
        self._needed.append(group)
        for each in group.needs:
            self._show(each)
        for name, module in group.modules.items():
            sys.modules.setdefault(name, module)


def _may_be_shown(name: str, group: _Group) -> bool:
    """Tell whether a module is what an import would give in this process.

    Keras was imported for JAX and without what a child that trains does not let it import, so it is
    shown only to such a child, and to tests that ask for the same.
    """
    if "keras" not in group.modules:
        return True
    if os.environ.get("KERAS_BACKEND") != "jax":
        return False
    return name.startswith("objectives.") or os.environ.get("HPO_NESTED") == LEAN


def _import_keras() -> None:
    """Import Keras as a child that trains on JAX does."""
    from studies.executor.handlers import Trainer

    finders = [*sys.meta_path]
    Trainer("jax", 1)
    sys.meta_path[:] = finders
    del os.environ["KERAS_BACKEND"]
