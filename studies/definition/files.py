"""Definitions in TOML files: the catalogue, small forms, and lines replaced by `--set`."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Any

from objectives import DataOptions
from objectives.code.names import is_function
from objectives.data import sources
from objectives.data.paths import in_data_folder
from objectives.errors import unknown_name
from studies.catalog.shipped import catalog
from studies.definition.code import with_absolute_file
from studies.definition.lines import find_key
from studies.definition.search import SearchOptions
from studies.definition.study import StudyDefinition, parse_definition
from studies.errors import DefinitionError, DefinitionNotFoundError, together
from studies.space.factor import same
from studies.space.parse_space import SEED

SECTIONS = ("data", "search", "fixed", "space")  # tables in which [quick] replaces single lines


def load_definition(
    source: str | Path, overrides: Mapping[str, Any] | None = None, *, quick: bool = False
) -> StudyDefinition:
    """Read a study's definition.

    Args:
        source: The name of a study of the catalogue, or the path of a TOML file.
        overrides: Keys to replace, such as `name` or `search.seed`. The name of a hyperparameter
            fixes it.
        quick: Whether to take its small form; see `read_table`.

    Raises:
        DefinitionNotFoundError: There is no such study and no such file.
        DefinitionError: A line breaks a rule.
    """
    given = overrides or {}
    with lines_named(source, given, quick=quick):
        return parse_definition(with_overrides(read_table(source, quick=quick), given))


def as_definition(given: StudyDefinition | Mapping[str, Any] | str | Path) -> StudyDefinition:
    """Return the definition that a caller means.

    Args:
        given: A definition; a dict of its lines, as a TOML file gives them; the name of a study of
            the catalogue; or the path of a TOML file.

    Raises:
        DefinitionNotFoundError: There is no such study and no such file.
        DefinitionError: A line breaks a rule, or it is something else.
    """
    if isinstance(given, StudyDefinition):
        return given
    if isinstance(given, str | Path):
        return load_definition(given)
    if isinstance(given, Mapping) and all(isinstance(key, str) for key in given):
        # Its paths are relative to the current folder, as those of a file there.
        return parse_definition(with_path(dict(given), Path("study.toml")))
    raise DefinitionError(
        "",
        "Expected a StudyDefinition, a dict of its lines such as {'name': 'my-first', ...}, a name "
        f"of the catalogue or the path of a .toml file. Received: {type(given).__name__}.",
    )


@contextmanager
def lines_named(
    source: str | Path, overrides: Collection[str] = (), *, quick: bool = False
) -> Iterator[None]:
    """Let an error of a definition that is read from a file say in which line of it.

    Args:
        source: The file; there need be none.
        overrides: Keys whose values are not those of the file.
        quick: Whether lines of `[quick]` stand for others.
    """
    try:
        yield
    except DefinitionError as error:
        path = Path(source)
        if not path.is_file():
            raise
        text = path.read_text("utf-8")

        def placed(mistake: DefinitionError) -> tuple[float, DefinitionError]:
            if overridden(mistake.key, overrides) or mistake.place:
                return inf, mistake
            line = _line_of(mistake, text, quick=quick)
            return line, DefinitionError(mistake.key, mistake.message, f"{path}, line {line}")

        in_order = sorted(map(placed, error.each()), key=lambda each: each[0])
        raise together(mistake for _, mistake in in_order) from None


def _line_of(mistake: DefinitionError, text: str, *, quick: bool) -> int:
    """Return the line of a mistake; of one of a point, that of the name that its error tells."""
    if quick:
        for key in _written(mistake.key):
            found = find_key(f"quick.{key}", text)
            if found.depth > 1 + (key.partition(".")[0] in SECTIONS):
                return found.line
    _, is_point, point = mistake.key.partition(" (")
    if is_point:
        levels = re.findall(r"(\w+)=([^,)]*)", point)
        for name in re.findall(r"(\w+)=", mistake.message.rpartition("Received: ")[2]):
            setting = [f"space.{factor}.{level}.{name}" for factor, level in levels]
            for key in (f"space.{name}", f"fixed.{name}", *setting):
                found = find_key(key, text)
                if found.depth > key.count("."):
                    return found.line
    return find_key(mistake.key, text).line


def overridden(key: str, overrides: Collection[str]) -> str | None:
    """Return the override that the line of an error comes from; None if it comes from none."""
    for written in _written(key):
        for override in overrides:
            if written == override or written.startswith(f"{override}."):
                return override
    return None


def _written(key: str) -> list[str]:
    """Return how an override may write a line: a hyperparameter needs no table."""
    section, _, name = key.partition(".")
    return [key, name] if section in ("fixed", "space") else [key]


def read_table(
    source: str | Path, *, quick: bool = False, stored: Collection[str] = ()
) -> dict[str, Any]:
    """Read the table of a definition from its file, without validating it.

    Args:
        source: The name of a study of the catalogue, or the path of a TOML file.
        quick: Whether to take its small form, whose name ends in -quick: the lines of the file's
            table `[quick]` replace others, as overrides do.
        stored: Names of studies in the storage, which a mistyped name may have meant.

    Raises:
        DefinitionNotFoundError: There is no such study and no such file.
        DefinitionError: The file is not TOML, or has no small form.
    """
    shipped = catalog()
    path = shipped.get(str(source), Path(source))
    if not path.is_file() and (path.suffix == ".toml" or path != Path(path.name)):
        raise DefinitionNotFoundError(
            f"Expected a .toml file that is there. Received: no such file as {path.resolve()}."
        )
    if not path.is_file():
        remedy = "Or name a .toml file that exists."
        unknown = unknown_name("a study", str(source), {*stored, *shipped}, remedy=remedy)
        raise DefinitionNotFoundError(str(unknown))
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _no_toml(path, error) from None
    small = table.pop("quick", None)
    if not quick:
        return with_path(table, path)
    if not isinstance(small, dict):
        raise DefinitionError(
            "quick",
            "Expected a table [quick], with lines such as epochs = 2. Received: none.",
        )
    lines = {"name": f"{table['name']}-quick"} if "name" in table else {}
    for key, value in small.items():
        is_section = key in SECTIONS and isinstance(value, dict)
        lines |= {f"{key}.{name}": v for name, v in value.items()} if is_section else {key: value}
    return with_path(with_overrides(table, lines), path)


def _no_toml(path: Path, error: tomllib.TOMLDecodeError | UnicodeDecodeError) -> DefinitionError:
    remedy = ""
    if "Invalid value (at line" in str(error):
        remedy = ' Text stands in quotes, as "adam"; true and false are written small.'
    elif "end of document" in str(error):
        remedy = " A value is missing, or a bracket or quote is not closed."
    content = path.read_bytes()
    if isinstance(error, UnicodeDecodeError):
        content = content[: error.start + 1]
    told = re.search(r"at line (\d+)", str(error))
    line = int(told[1]) if told else content.count(b"\n") + 1  # of the end, if none is told
    message = f"Expected TOML in UTF-8. Received: {error}.{remedy}"
    return DefinitionError("", message, f"{path}, line {line}")


def with_path(table: dict[str, Any], file: Path) -> dict[str, Any]:
    """Make relative paths of code and data, which are relative to the file, valid in every folder.

    What is only in the folder HPO_DATA keeps its name: workers elsewhere find it in theirs.
    """
    if isinstance(table.get("objective"), str):
        table = {**table, "objective": with_absolute_file(table["objective"], file.parent)}
    dataset = table.get("dataset")
    if not isinstance(dataset, str) or not dataset or dataset in sources.names():
        return table
    if is_function(dataset):
        return {**table, "dataset": with_absolute_file(dataset, file.parent)}
    beside = Path(os.path.abspath(file.parent / dataset))
    if not beside.exists():
        is_name = dataset == Path(dataset).stem  # perhaps a known one, mistyped
        if is_name or any(place.exists() for place in in_data_folder(dataset)):
            return table
    return {**table, "dataset": str(beside)}


def with_overrides(table: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return a definition's table with keys replaced.

    A key with dots names a line of a table (`search.seed`). A key without dots names a line at the
    top, a hyperparameter, which is fixed and no longer searched, or a factor that sets several
    hyperparameters, which keeps one level.

    Raises:
        DefinitionError: A key names a line of [search] or [data] without its table.
    """
    new = dict(table)
    for key, value in overrides.items():
        *sections, last = key.split(".")
        if sections:
            _section(new, key, sections)[last] = value
        elif key in StudyDefinition.model_fields:
            new[key] = value
        else:
            _fix(new, key, value)
    return new


def _fix(table: dict[str, Any], name: str, value: Any) -> None:
    """Fix a hyperparameter, and remove it from the rest of the table."""
    space = _section(table, "space", ["space"])
    line = space.pop(name, None)
    if isinstance(line, dict) and line and all(isinstance(each, dict) for each in line.values()):
        if not isinstance(value, str) or value not in line:
            raise DefinitionError(f"space.{name}", str(unknown_name("a level", str(value), line)))
        space[name] = {value: line[value]}
        return
    for section, options in (("search", SearchOptions), ("data", DataOptions)):
        if line is None and name in options.model_fields and name != SEED:
            raise DefinitionError(
                name, f"Expected the table too. Received: {name}. Write {section}.{name}."
            )
    _section(table, "fixed", ["fixed"])[name] = value
    fixed = {name}
    for factor, each in list(space.items()):
        # A list may be one of ranges, each under conditions of its own.
        left = [e for e in each if not _is_out(e, name, value)] if isinstance(each, list) else each
        if _is_out(each, name, value) or (each and left == []):
            fixed.add(factor)
            del space[factor]
        else:
            space[factor] = left
    search = _section(table, "search", ["search"])
    for key in ("default", "enqueue"):
        if key in search:
            search[key] = _without(search[key], fixed)


def _is_out(line: Any, name: str, value: Any) -> bool:
    """Tell whether a factor is inactive if a hyperparameter has this value."""
    when = line.get("when") if isinstance(line, dict) else None
    wanted = when.get(name) if isinstance(when, dict) else None
    return isinstance(wanted, list) and not any(same(value, each) for each in wanted)


def _without(settings: Any, names: Collection[str]) -> Any:
    """Return a setting, or a list of them, without some of the factors."""
    if isinstance(settings, list):
        return [_without(each, names) for each in settings]
    if not isinstance(settings, dict):
        return settings  # not a table: the validation reports this mistake
    return {name: level for name, level in settings.items() if name not in names}


def _section(table: dict[str, Any], key: str, names: list[str]) -> dict[str, Any]:
    """Return the table that a dotted key names: copied, so that the caller may change it."""
    for name in names:
        inner = table.get(name, {})
        if not isinstance(inner, dict):
            raise DefinitionError(key, f"Expected {name} to be a table. Received: {inner!r}.")
        table[name] = inner = dict(inner)
        table = inner
    return table
