"""Find the line of a TOML file that a key stands in. The parser tells no positions."""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Found:
    """Where a key stands in a file.

    Attributes:
        line: Its line, from 1; where the file lacks it, that of its table, and where it lacks that
            too, the first line with a key.
        depth: How many parts of the key the file has.
    """

    line: int
    depth: int


def find_key(key: str, text: str) -> Found:
    """Return where a key stands in a file.

    Args:
        key: As errors name it: `search.n_trials`, `search.enqueue[0].dropout`, or with a point of
            the space behind it, which is not looked for: `space (dropout=0.1)`.
        text: The file, which is TOML.
    """
    lines = text.replace("\r\n", "\n").split("\n")
    parts = _parts(key, _first(len(lines), lines))

    def is_there(n: int) -> bool:
        table = _first(n, lines)
        return len(_parts(key, table)) >= len(parts) and bool(table)

    # What the first n lines have, all longer parts of the file have too.
    before = bisect_left(range(1, len(lines) + 1), True, key=is_there)
    return Found(min(before + 1, len(lines)), len(parts))


def _first(n: int, lines: list[str]) -> dict[str, Any]:
    """Read the first n lines of a file, and as many more as complete the last value."""
    for end in range(n, len(lines) + 1):
        try:
            return tomllib.loads("\n".join(lines[:end]))
        except tomllib.TOMLDecodeError:
            continue
    return {}


def _parts(key: str, table: dict[str, Any]) -> list[str | int]:
    """Return the parts of a key that a table has; a name may have dots."""
    found: list[str | int] = []
    value: Any = table
    while isinstance(value, dict | list):
        part = _next_part(key, value)
        if part is None:
            break
        key = re.sub(r"^\[\d+\]", "", key) if isinstance(part, int) else key[len(part) :]
        key = key.removeprefix(".")
        found.append(part)
        value = value[part]  # type: ignore[index]
    return found


def _next_part(key: str, value: dict[str, Any] | list[Any]) -> str | int | None:
    """Return the first part of a key, where a table or a list has it."""
    if isinstance(value, list):
        number = re.match(r"\[(\d+)\]", key)
        return int(number[1]) if number and int(number[1]) < len(value) else None
    names = [n for n in value if key == n or key.startswith((f"{n}.", f"{n}[", f"{n} ("))]
    return max(names, key=len, default=None)
