"""In which lines two definitions differ."""

from __future__ import annotations

from typing import Any

from studies.definition.study import StudyDefinition


def difference(old: StudyDefinition, new: StudyDefinition) -> list[str]:
    """Return the lines in which two definitions differ, as `key: old -> new`."""
    before, after = _flat(old.identity), _flat(new.identity)
    keys = sorted(before.keys() | after.keys())
    missing = "(none)"
    return [
        f"{key}: {before.get(key, missing)} -> {after.get(key, missing)}"
        for key in keys
        if before.get(key, missing) != after.get(key, missing)
    ]


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        return {prefix: value}
    return {
        key: leaf
        for name, inner in value.items()
        for key, leaf in _flat(inner, f"{prefix}.{name}" if prefix else name).items()
    }
