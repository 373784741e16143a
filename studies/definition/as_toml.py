"""A stored definition as the TOML file that makes its study again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from objectives.own.toml import toml_key, toml_value

if TYPE_CHECKING:
    from studies.definition.study import StudyDefinition

ALWAYS = ("metric", "direction")  # lines that may be left out, and that everybody asks for


def as_toml(definition: StudyDefinition) -> str:
    """Return a definition as TOML, without the lines that say what holds anyway."""
    lines = definition.model_dump(mode="json", exclude_defaults=True)
    lines |= {key: getattr(definition, key) for key in ALWAYS}
    plain = {key: value for key, value in lines.items() if not isinstance(value, Mapping)}
    tables = {key: value for key, value in lines.items() if isinstance(value, Mapping) and value}
    parts = ["\n".join(_lines(plain))]
    parts += ["\n".join([f"[{key}]", *_lines(table)]) for key, table in tables.items()]
    return "\n\n".join(parts) + "\n"


def _lines(table: Mapping[str, Any]) -> Iterator[str]:
    for key, value in table.items():
        yield f"{toml_key(key)} = {toml_value(value)}"
