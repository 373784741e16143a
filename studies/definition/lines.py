"""Find the line of a TOML file that a key stands in. The parser tells no positions."""

from __future__ import annotations

import re

_NAME = r"""(?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*"""
_TABLE = re.compile(rf"\s*\[\s*({_NAME})\s*\]\s*(?:#.*)?$")
_TABLES = re.compile(r"\s*\[\[.*\]\]\s*(?:#.*)?$")
_KEY = re.compile(rf"\s*({_NAME})\s*=")
_TEXT_OR_COMMENT = re.compile(r"""\"(?:\\.|[^"\\])*"|'[^']*'|#.*""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")


def line_of(key: str, text: str) -> int | None:
    """Return the line of a key, from 1; None where that is not certain.

    Args:
        key: As errors name it: `search.n_trials`; `space.momentum.when.optimizer`, whose line is
            that of `space.momentum`; or `search`, whose line is that of its header.
        text: The file. One with texts of several lines is not searched: a line of such a text may
            look like a key.
    """
    if '"""' in text or "'''" in text:
        return None
    wanted = tuple(_PART.findall(re.sub(r"\[\d+\]| \(.*", "", key)))
    table: tuple[str, ...] = ()
    best, found, whole, depth = 0, None, None, 0
    for number, line in enumerate(text.splitlines(), start=1):
        bare = _TEXT_OR_COMMENT.sub("", line)
        inside, depth = depth > 0, depth + bare.count("[") - bare.count("]")
        if inside:  # an array of several lines, whose elements may look like a table
            continue
        if header := _TABLE.match(line):
            table = _parts(header[1])
            if table == wanted and " (" not in key:  # of the table as a whole
                whole = number
            continue
        if _TABLES.match(line):  # one of several tables: which one an error means is not certain
            table = ("[[]]",)
            continue
        if not (match := _KEY.match(line)):
            continue
        path = (*table, *_parts(match[1]))
        if len(path) > max(best, 1 if len(wanted) > 1 else 0) and path == wanted[: len(path)]:
            best, found = len(path), number
    return found or whole


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))
