"""Find the line of a TOML file that a key stands in. The parser tells no positions."""

from __future__ import annotations

import re

_TABLE = re.compile(r"\s*\[\s*([^\[\]]+?)\s*\]\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[\w-]+|"[^"]*"|'[^']*'""")


def line_of(key: str, text: str) -> int | None:
    """Return the line of a key, from 1; None where that is not certain.

    Args:
        key: As errors name it: `search.n_trials`, or `space.momentum.when.optimizer`, whose line is
            that of `space.momentum`.
        text: The file. One with texts of several lines is not searched: a line of such a text may
            look like a key.
    """
    if '"""' in text or "'''" in text:
        return None
    wanted = tuple(_PART.findall(re.sub(r"\[\d+\]| \(.*", "", key)))
    table: tuple[str, ...] = ()
    best, found = 0, None
    for number, line in enumerate(text.splitlines(), start=1):
        if header := _TABLE.match(line):
            table = _parts(header[1])
            continue
        if not (match := _KEY.match(line)):
            continue
        path = (*table, *_parts(match[1]))
        if len(path) > max(best, 1 if len(wanted) > 1 else 0) and path == wanted[: len(path)]:
            best, found = len(path), number
    return found


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _PART.findall(dotted))
