"""A user's function by name, `my_net.py:build` or `package.module:build`: its file, hash, backend.

Nothing here executes the user's code: it is read as text, so that a command may ask about it.
"""

from __future__ import annotations

import ast
import hashlib
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib.machinery import PathFinder
from importlib.metadata import packages_distributions, version
from pathlib import Path

from objectives.errors import CodeError, unknown_name

BACKENDS = ("jax", "tensorflow")
KERAS_TUNER = frozenset(("keras_tuner", "kerastuner"))


@dataclass(frozen=True)
class SourceCode:
    """The file that defines a function, and what it imports from beside it.

    Attributes:
        file: The file.
        function: The function's name.
        root: The folder whose modules the file can import: its own, or its package's.
        module: The module, where the function was given by one.
    """

    file: Path
    function: str
    root: Path
    module: str = ""

    @property
    def name(self) -> str:
        """The function, as a process that has `root` among its places of modules finds it."""
        return f"{self.module or self.file}:{self.function}"

    @cached_property
    def files(self) -> dict[str, Path]:
        """The file and all modules that it imports from its folder, by their path in it.

        Raises:
            CodeError: One of them has a mistake in its syntax; the message names file and line.
        """
        found: dict[str, Path] = {}
        above = [p / "__init__.py" for p in self.file.parents if p.is_relative_to(self.root)]
        todo = [self.file, *(each for each in above[:-1] if each.is_file())]
        while todo:
            file = todo.pop()
            name = file.relative_to(self.root).as_posix()
            if name not in found:
                found[name] = file
                todo += _imported(file, self.root)
        return dict(sorted(found.items()))

    @cached_property
    def sha256(self) -> str:
        """The hash of all files; for an installed package, of its name and version."""
        digest = hashlib.sha256()
        for name, file in self.files.items():
            content = hashlib.sha256(file.read_bytes()).hexdigest()
            digest.update(f"{name} {content}\n".encode())
        return digest.hexdigest()

    @cached_property
    def packages(self) -> frozenset[str]:
        """The top-level packages and modules that the files import."""
        names = (name for file in self.files.values() for name, _ in _imports(_read(file)))
        return frozenset(name.partition(".")[0] for name in names)

    @property
    def backend(self) -> str | None:
        """The Keras backend that the files import, the first in order; None if they import none."""
        return next((backend for backend in BACKENDS if backend in self.packages), None)

    def check(self) -> None:
        """Check that the file defines the function, and does not search when it is imported.

        Raises:
            CodeError: It does not, and the message lists what it defines; or it does.
        """
        if not KERAS_TUNER.isdisjoint(self.packages):
            _check_does_not_search(self.file)
        names = set(_defined(_read(self.file)))
        if self.function not in names and "*" not in names:
            shown = [name for name in names if not name.startswith("_")]
            what = f"a function of {self.file.name}"
            raise CodeError(str(unknown_name(what, self.function, shown)))


def find(objective: str, folder: Path) -> SourceCode:
    """Find the file of a function.

    Args:
        objective: `path/of/file.py:function`, or `package.module:function`.
        folder: Where a relative path, or else a module, is looked for first.

    Raises:
        CodeError: There is no such file or module, or it lacks the function.
    """
    where, _, function = objective.rpartition(":")
    found = _of_file(where, function, folder) if where.endswith(".py") else None
    code = found or _of_module(where, function, folder)
    code.check()
    return code


def distribution(module: str) -> str | None:
    """Return name and version of the installed package that a module belongs to, if it does."""
    names = packages_distributions().get(module.partition(".")[0], [])
    return f"{names[0]} {version(names[0])}" if names else None


def _of_file(where: str, function: str, folder: Path) -> SourceCode:
    file = (folder / where).resolve()
    if not file.is_file():
        raise CodeError(f"Expected a file that is there. Received: no such file as {file}.")
    return SourceCode(file, function, file.parent)


def _of_module(where: str, function: str, folder: Path) -> SourceCode:
    places: Sequence[str] | None = [*sys.path, str(folder)]
    root: Path | None = None
    spec = None
    for i, _ in enumerate(parts := where.split(".")):
        # Not importlib.util.find_spec, which executes the packages that a module lies in.
        spec = PathFinder.find_spec(".".join(parts[: i + 1]), places)
        if spec is None:
            break
        places = spec.submodule_search_locations
        if root is None:
            root = Path(str([*(places or ()), spec.origin][0])).parent
    if spec is None or spec.origin is None or root is None:
        raise CodeError(
            f"Expected a module that can be imported here. Received: no module {where}. "
            "Start where it lies, install its package, or name a file: path/of/file.py:function."
        )
    return SourceCode(Path(spec.origin), function, root, where)


def _read(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_text(encoding="utf-8"), filename=str(file))
    except (SyntaxError, UnicodeDecodeError) as error:
        line = getattr(error, "lineno", None)
        at = f"{file.name}, line {line}" if line else file.name
        raise CodeError(f"Expected Python. Received: {at}: {error.args[0]}.") from None


def _imports(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Yield the modules that a file may import: each dotted name, and its relative level."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((alias.name, 0) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            yield base, node.level
            # `from package import module`: the name may be a module or not.
            yield from (
                (f"{base}.{alias.name}" if base else alias.name, node.level) for alias in node.names
            )


def _imported(file: Path, root: Path) -> list[Path]:
    """Return the files in `root` that a file imports, the packages that they lie in included."""
    found = []
    for name, level in _imports(_read(file)):
        start = root if level == 0 else file.parents[level - 1]
        parts = name.split(".") if name else []
        for i in range(len(parts) + 1):
            stem = start.joinpath(*parts[:i])
            for each in (stem / "__init__.py", stem.with_suffix(".py") if i else None):
                if each is not None and each.is_file() and each.is_relative_to(root):
                    found.append(each)
    return [each for each in found if each != root / "__init__.py"]


def _check_does_not_search(file: Path) -> None:
    """Check that a file of KerasTuner's users can be imported: `tuner.search(...)` would train."""
    for statement in _read(file).body:
        match statement:
            case ast.Expr(value=ast.Call(func=ast.Attribute(attr="search"))):
                raise CodeError(
                    "Expected a file that can be imported, and does not search then. Received: "
                    f"{file.name}, line {statement.lineno}: {ast.unparse(statement.value)[:60]}. "
                    "Put it, and what reads its results, under if __name__ == '__main__':."
                )


def _defined(tree: ast.Module) -> Iterator[str]:
    """Yield the names that a module has at its top level, imported ones too."""
    todo: list[ast.AST] = [*tree.body]
    while todo:
        node = todo.pop()
        if isinstance(node, ast.If | ast.Try | ast.With | ast.ExceptHandler):
            todo += ast.iter_child_nodes(node)
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield name
            case ast.ClassDef(name=name):
                yield name
            case ast.Assign(targets=targets):
                yield from (t.id for t in targets if isinstance(t, ast.Name))
            case ast.ImportFrom(names=names):
                yield from (alias.asname or alias.name for alias in names)
