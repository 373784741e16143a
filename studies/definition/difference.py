"""In which lines two definitions differ."""

from __future__ import annotations

import os
from pathlib import Path
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
        and not (key == "dataset" and _is_one_path(before[key], after[key]))
    ]


def _is_one_path(one: str | None, other: str | None) -> bool:
    """Tell whether one is a relative path that the other, an absolute one, ends with.

    A file that is beside the definition on one machine may be in HPO_DATA on another, and earlier
    versions stored paths as they were written.
    """
    if one is None or other is None or os.path.isabs(one) == os.path.isabs(other):
        return False
    relative, absolute = sorted((one, other), key=os.path.isabs)
    parts = [part for part in Path(os.path.normpath(relative)).parts if part != ".."]
    return bool(parts) and list(Path(absolute).parts[-len(parts) :]) == parts


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict) or not value:
        return {prefix: value}
    return {
        key: leaf
        for name, inner in value.items()
        for key, leaf in _flat(inner, f"{prefix}.{name}" if prefix else name).items()
    }
